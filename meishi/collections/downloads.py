"""Archives over HTTP: what is broken off is resumed, what is whole is verified before it is used.

The sha256 in the name says what every byte has to be, so parts of several answers may be joined
without asking whether the file changed: if the whole is not what was signed, it is thrown away.
Only where a part belongs has to be asked: one that does not begin where ours ends is not taken.
"""

import re
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import TargetFile

from meishi.collections.disk import Disk
from meishi.collections.http import Http, Reply

# Digits are bounded: Python refuses to read numbers of thousands.
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
ATTEMPTS = 3  # of one poll; the next poll goes on where this one ended


def fetch_archive(http: Http, url: str, target: TargetFile, file: Path, disk: Disk) -> None:
    """Download an archive, or the rest of it, and verify it.

    Args:
        http: transport.
        url: address.
        target: its signed length and sha256.
        file: where it is put, and where a part of it may lie.
        disk: that writes.

    Raises:
        DownloadError: if it is not whole after some attempts; the part stays.
        RepositoryError: if it is not what was signed; nothing stays.
        OSError: if the disk fails.
    """
    for attempt in range(ATTEMPTS):
        before = _size(file)
        try:
            if before < target.length:
                _receive(http, url, target.length, file, disk)
            break
        except DownloadHTTPError:
            raise
        except DownloadError:
            if attempt == ATTEMPTS - 1:
                raise
    try:
        with file.open("rb") as stream:
            target.verify_length_and_hashes(stream)
    except RepositoryError:
        disk.remove(file)
        raise


def _receive(http: Http, url: str, length: int, file: Path, disk: Disk) -> None:
    start = _size(file)
    headers = {"Range": f"bytes={start}-"} if start else {}
    with http.get(url, length, headers) as reply:
        if reply.status == 200:
            disk.remove(file)  # the whole, whatever was asked for
            start = 0
        else:
            _require_rest(reply, url, start, length, file, disk)
        got = start
        for chunk in reply.chunks:
            got += len(chunk)
            if got > length:
                disk.remove(file)
                raise DownloadError(f"{url}: more than the {length} bytes that were signed")
            disk.append(file, chunk)
    if got < length:
        raise DownloadError(f"{url}: {got} of {length} bytes")


def _require_rest(reply: Reply, url: str, start: int, length: int, file: Path, disk: Disk) -> None:
    """Let only an answer pass that goes on at `start`; the next attempt begins anew.

    Raises:
        DownloadHTTPError: if the server has no part; ours stays.
        DownloadError: if it has another one than was asked for; ours goes.
    """
    if reply.status not in (206, 416):
        raise DownloadHTTPError(f"{url}: HTTP {reply.status}", reply.status)
    if start == 0 and reply.status == 416:
        raise DownloadHTTPError(f"{url}: HTTP 416, though no range was asked for", 416)
    said = reply.headers.get("content-range", "")
    if reply.status == 416 or not _continues(said, start, length):
        disk.remove(file)
        raise DownloadError(f"{url}: asked for bytes {start}- of {length}, got {said[:60]!r}")


def _continues(said: str, start: int, length: int) -> bool:
    match = _RANGE.fullmatch(said)
    return (
        match is not None
        and int(match[1]) == start
        and start <= int(match[2]) < length
        and match[3] in ("*", str(length))
    )


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
