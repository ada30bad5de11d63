"""Transport of the client: plain GETs with limits on size, time and redirects.

Bodies are taken as they travel. A server that compresses although it was asked not to is refused,
for what it unpacks to is bounded by nothing. Nothing here is trusted; TUF checks what comes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadLengthMismatchError, SlowRetrievalError

from meishi.collections.connections import Deadline, make_pool, within

CHUNK_BYTES = 1 << 16
DIGITS = 18  # of a length
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Limits:
    """What is waited for.

    Attributes:
        connect_s: for a connection.
        read_s: for the next bytes.
        total_s: for one answer, headers and body, so that a server that drips does not hold the
            client.
        redirects: in a row.
    """

    connect_s: float = 10
    read_s: float = 20
    total_s: float = 120
    redirects: int = 3


@dataclass
class Traffic:
    """What a client has asked for and got: requests, and bytes of bodies."""

    requests: int = 0
    received: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer, its body still to be read.

    Attributes:
        status: HTTP status.
        headers: by lower case name.
        chunks: the body; raises DownloadError where it breaks off, is too long or too slow.
    """

    status: int
    headers: dict[str, str]
    chunks: Iterator[bytes]


@dataclass
class Http:
    """One client's connections and counters."""

    limits: Limits = Limits()
    traffic: Traffic = field(default_factory=Traffic)
    pool: urllib3.PoolManager = field(default_factory=make_pool)

    @contextmanager
    def get(self, url: str, max_bytes: int, headers: dict[str, str] | None = None):
        """Ask for a file.

        Args:
            url: `http(s)://` address.
            max_bytes: of the body.
            headers: beside our own.

        Yields:
            A Reply; redirects are followed before.

        Raises:
            DownloadError: if there is no answer, or one that no limit allows.
        """
        with within(self.limits.total_s) as deadline:
            try:
                sent = {"Accept-Encoding": "identity", **(headers or {})}
                response = self._follow(url, sent, deadline)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise self._no_answer(url, deadline, error) from error
            named = {name.lower(): value for name, value in response.headers.items()}
            whole = False
            try:
                body = self._body(response, named, url, max_bytes, deadline)
                yield Reply(response.status, named, body)
                whole = True
            finally:
                if not whole or not (response.closed or response.length_remaining == 0):
                    response.close()  # the rest would come before the next answer, if ever
                else:
                    response.drain_conn()  # an empty body counts as unread until it is read
                response.release_conn()

    def _no_answer(self, url: str, deadline: Deadline, error: Exception) -> DownloadError:
        if deadline.over:
            return SlowRetrievalError(f"{url}: not done after {self.limits.total_s:g} s")
        return DownloadError(f"{url}: no answer: {error}")

    def _follow(
        self, url: str, headers: dict[str, str], deadline: Deadline
    ) -> urllib3.BaseHTTPResponse:
        for _ in range(self.limits.redirects + 1):
            try:
                response = self._ask(url, headers)
            except urllib3.exceptions.ProtocolError:
                # A server may close a kept connection just as it is used again: RFC 9112, 9.3.1
                # allows to repeat a GET. On the new connection the same is a fault.
                self.pool.clear()
                if deadline.over:
                    raise
                response = self._ask(url, headers)
            if response.status not in REDIRECTS:
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            if urlsplit(target).scheme not in {urlsplit(url).scheme, "https"}:
                raise DownloadError(f"{url}: leads to {target}, which is less safe")
            url = target
        raise DownloadError(f"{url}: more than {self.limits.redirects} redirects")

    def _ask(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        self.traffic.requests += 1
        return self.pool.request(
            "GET",
            url,
            headers=headers,
            timeout=urllib3.Timeout(connect=self.limits.connect_s, read=self.limits.read_s),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def _body(
        self,
        response: urllib3.BaseHTTPResponse,
        headers: dict[str, str],
        url: str,
        max_bytes: int,
        deadline: Deadline,
    ) -> Iterator[bytes]:
        if headers.get("content-encoding", "identity") != "identity":
            raise DownloadError(f"{url}: compressed in transfer, which was not asked for")
        stated = headers.get("content-length", "0")
        # Python refuses to read numbers of thousands of digits.
        if not stated.isdecimal() or len(stated) > DIGITS or int(stated) > max_bytes:
            stated = stated[:DIGITS]
            raise DownloadLengthMismatchError(f"{url}: {stated} bytes; at most {max_bytes} allowed")
        got = 0
        try:
            while chunk := response.read1(CHUNK_BYTES):
                got += len(chunk)
                self.traffic.received += len(chunk)
                if got > max_bytes:
                    raise DownloadLengthMismatchError(f"{url}: more than {max_bytes} bytes")
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if deadline.over:
                raise self._no_answer(url, deadline, error) from error
            raise DownloadError(f"{url}: broke off after {got} bytes: {error}") from error
        if deadline.over:
            raise SlowRetrievalError(f"{url}: not done after {self.limits.total_s:g} s")
        if "content-length" in headers and got != int(stated):
            raise DownloadError(f"{url}: {got} bytes of the {stated} that were stated")
