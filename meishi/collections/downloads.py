"""Archives over HTTP: what is broken off is resumed, what is whole is verified before it is used.

The sha256 in the name says what every byte has to be, so parts of several answers may be joined
without asking whether the file changed: if the whole is not what was signed, it is thrown away.
"""

from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import TargetFile

from meishi.collections.disk import Disk
from meishi.collections.http import Http, Reply

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
        if start and not _continues(reply, start):
            disk.remove(file)  # the server sends the whole, or something else
            start = 0
        if reply.status not in (200, 206):
            raise DownloadHTTPError(f"{url}: HTTP {reply.status}", reply.status)
        got = start
        for chunk in reply.chunks:
            got += len(chunk)
            if got > length:
                disk.remove(file)
                raise DownloadError(f"{url}: more than the {length} bytes that were signed")
            disk.append(file, chunk)
    if got < length:
        raise DownloadError(f"{url}: {got} of {length} bytes")


def _continues(reply: Reply, start: int) -> bool:
    begins = reply.headers.get("content-range", "").startswith(f"bytes {start}-")
    return reply.status == 206 and begins


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
