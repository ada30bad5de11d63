"""A web server for a published folder that does to its clients what networks and attackers do.

ETags, If-None-Match and Range as a bucket or a CDN has them. Before each answer a function may
twist it: another status or body, an answer cut short, dripped, or none at all.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

DRIP_BYTES = 1024
AGAIN, AGAIN_S = 200, 0.05


@dataclass(frozen=True)
class Twist:
    """What is done to one answer.

    Attributes:
        status: instead of the file's.
        body: instead of the file's.
        headers: added, or put in place of ours; an empty one leaves ours out.
        cut: bytes of the body after which the connection ends.
        drop: no answer at all.
        raw: bytes in place of the answer, status line and headers too.
        again: bytes that follow `raw` until the client hangs up, or for some seconds.
        drip_s: pause after each KiB.
        wait_s: before the answer.
    """

    status: int | None = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drop: bool = False
    raw: bytes | None = None
    again: bytes = b""
    drip_s: float = 0.0
    wait_s: float = 0.0


Twister = Callable[[str], Twist | None]  # path without the leading slash


@dataclass
class Site:
    """A running server.

    Attributes:
        folder: that it serves.
        twist: asked for each request.
        url: without a slash at the end.
        asked: paths of all requests, in the order in which they came.
    """

    folder: Path
    twist: Twister
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(folder: Path, twist: Twister = lambda path: None) -> Iterator[Site]:
    """Serve a folder on loopback until the block ends."""
    site = Site(folder, twist)
    server = _Server(("127.0.0.1", 0), _handler(site))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connection
    request_queue_size = 256

    def handle_error(self, request, client_address) -> None:
        """Say nothing: clients that hang up are what this server is for."""


def _send_raw(stream: BufferedIOBase, twist: Twist) -> None:
    stream.write(twist.raw or b"")
    for _ in range(AGAIN if twist.again else 0):
        stream.write(twist.again)
        time.sleep(AGAIN_S)


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        disable_nagle_algorithm = True  # headers and body are two writes

        def do_GET(self) -> None:  # noqa: N802
            path = self.path.lstrip("/")
            site.asked.append(path)
            twist = site.twist(path) or Twist()
            time.sleep(twist.wait_s)
            if twist.drop or twist.raw is not None:
                self.close_connection = True
                _send_raw(self.wfile, twist)
                return
            status, headers, body = self._plain(path)
            if twist.body is not None:
                status, headers, body = 200, {}, twist.body
            status = twist.status or status
            lengths = {} if status == 304 else {"Content-Length": str(len(body))}
            self.send_response(status)
            for name, value in {**lengths, **headers, **twist.headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.close_connection |= twist.headers.get("Content-Length") == ""
            self._send(body, twist)

        def _plain(self, path: str) -> tuple[int, dict[str, str], bytes]:
            file = site.folder / path
            if ".." in path or not file.is_file():
                return 404, {}, b""
            body = file.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if self.headers.get("If-None-Match") == tag:
                return 304, {"ETag": tag}, b""
            start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
            if not start:
                return 200, {"ETag": tag}, body
            if start >= len(body):
                return 416, {"Content-Range": f"bytes */{len(body)}"}, b""
            part = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return 206, {"ETag": tag, "Content-Range": part}, body[start:]

        def _send(self, body: bytes, twist: Twist) -> None:
            if twist.cut is not None:
                body, self.close_connection = body[: twist.cut], True
            if not twist.drip_s:
                self.wfile.write(body)
                return
            for start in range(0, len(body), DRIP_BYTES):
                self.wfile.write(body[start : start + DRIP_BYTES])
                time.sleep(twist.drip_s)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
