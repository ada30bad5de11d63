"""A server on loopback that has one file, and the faults of real ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server does.

    Attributes:
        content: of the file.
        ranges: whether it answers a Range with the part asked for.
        tag: its ETag; none when empty.
        date: its Last-Modified; none when empty.
        cuts: after how many bytes each of the next answers ends; the later ones end whole.
        statuses: of the next answers, instead of the file.
        kind: Content-Type.
        sized: whether it states how much it sends.
        coding: Content-Encoding; none when empty.
        url: set when it runs.
        asked: (Range, If-Range) of each request, in order.
    """

    content: bytes
    ranges: bool = True
    tag: str = '"v1"'
    date: str = ""
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    kind: str = "application/zip"
    sized: bool = True
    coding: str = ""
    url: str = ""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback from a thread, and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(served: Served, name: str = "desk.zip") -> Iterator[Served]:
    """Serve it under every path; `served.url` ends in `name`."""
    with listening(_handler(served)) as address:
        served.url = f"{address}/{name}"
        yield served


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            wanted, version = self.headers.get("Range"), self.headers.get("If-Range")
            served.asked.append((wanted, version))
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "/desk.zip")
                self.end_headers()
                return
            if served.statuses:
                self.send_error(served.statuses.pop(0))
                return
            start = self._start(wanted, version)
            if start >= len(served.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(served.content)}")
                self.end_headers()
                return
            self._send(start)

        def _start(self, wanted: str | None, version: str | None) -> int:
            same = version is None or version in (served.tag, served.date)
            use = served.ranges and same and wanted
            return int(wanted.removeprefix("bytes=").rstrip("-")) if use else 0

        def _send(self, start: int) -> None:
            whole, rest = served.content, served.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            if served.sized:
                self.send_header("Content-Length", str(len(rest)))
            stated = {"ETag": served.tag, "Last-Modified": served.date}
            for key, value in (stated | {"Content-Encoding": served.coding}).items():
                if value:
                    self.send_header(key, value)
            self.send_header("Content-Type", served.kind)
            self.end_headers()
            self.wfile.write(rest[: served.cuts.pop(0)] if served.cuts else rest)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
