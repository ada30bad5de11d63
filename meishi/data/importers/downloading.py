"""Exports behind a URL: fetched once, resumed when cut, checked by sha256.

A download lies in `DOWNLOADS`/KEY/NAME, where KEY stands for the sha256, or for the URL if none is
stated: a link that is signed anew is still the same file. What has come so far lies beside it as
`.NAME.partial`, with the server's name for that version of the file (ETag or date), so
that a later run goes on where this one was cut, and never joins two versions.
"""

import hashlib
import json
import os
import re
import time
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from meishi.errors import InputError
from meishi.files.atomic import atomic_write_text

DOWNLOADS = Path("build/downloads")
ATTEMPTS = 5  # in a row that bring nothing new
WAIT_S = 1.0  # before the second attempt; twice as long before each further one
TIMEOUT_S = 30
CHUNK_BYTES = 1 << 18
# What another attempt may cure: the server is busy, or was slow.
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_HOPELESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.TooManyRedirects,
)


class DownloadError(InputError):
    """A source cannot be had, or is not what its sha256 says; the message names it."""


class _CutError(Exception):
    """An attempt ended early; another one may go on."""


def download(url: str, digest: str = "") -> Path:
    """Download a file, or find the one that has come before.

    Without a sha256 nothing tells whether the file of an earlier run is still the server's: it is
    downloaded anew.

    Args:
        url: `http(s)://` URL.
        digest: sha256 that the file must have, 64 lower case digits; not checked when empty.

    Returns:
        The file, complete and under its own name.

    Raises:
        DownloadError: if it cannot be had in full, or has another sha256.
    """
    target = _target(url, digest)
    for file in (target, _target(url, "")) if digest else ():
        if file.is_file() and file_sha256(file) == digest:
            return file
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    joined = _receive_whole(url, partial, bool(digest))
    got = file_sha256(partial)
    if digest and got != digest and joined:  # the parts may be of two versions
        partial.unlink()
        _receive_whole(url, partial, False)
        got = file_sha256(partial)
    if digest and got != digest:
        partial.unlink()
        raise DownloadError(
            f"{shown(url)}: wrong sha256: expected {digest}, got {got}; the file at this address "
            "is another one: state its sha256 if it is the one you mean"
        )
    os.replace(partial, target)
    _note_of(partial).unlink(missing_ok=True)
    return target


def file_sha256(file: Path) -> str:
    """Hash a file without holding it in memory: 64 lower case hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shown(url: str) -> str:
    """Name a source in messages: a URL without user, password and query, which may be secret."""
    split = urlsplit(url)
    if split.scheme.lower() not in ("http", "https"):
        return url
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"


def _target(url: str, digest: str) -> Path:
    key = (digest or hashlib.sha256(url.encode()).hexdigest())[:12]
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".-")[-100:]
    return DOWNLOADS / key / (plain or "download")


def _receive_whole(url: str, partial: Path, checked: bool) -> bool:
    """Attempt until the file is whole; tell whether it was joined from several answers."""
    best, failures, joined = _size(partial), 0, False
    while True:
        try:
            return _receive(url, partial, checked) or joined
        except _HOPELESS as error:
            cause = _without_query(str(error), url)
            raise DownloadError(f"{shown(url)}: cannot be downloaded: {cause}") from error
        except (_CutError, requests.RequestException, HTTPError) as error:
            cause = _without_query(str(error), url)
        except OSError as error:
            raise DownloadError(f"{partial}: cannot be written: {error.strerror}") from error
        joined = joined or _size(partial) > 0
        failures = 0 if _size(partial) > best else failures + 1
        best = max(best, _size(partial))
        if failures >= ATTEMPTS:
            raise DownloadError(
                f"{shown(url)}: the download failed {failures} times: {cause}; {best} bytes are "
                "kept, the next run goes on from there if the server allows it"
            )
        time.sleep(WAIT_S * 2**failures)


def _receive(url: str, partial: Path, checked: bool) -> bool:
    """Make one attempt; tell whether it went on from an earlier one's end."""
    version = _version_noted(partial)
    start = _size(partial) if checked or version else 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        total = _total(response)
        if response.status_code == 416 and start:
            if total == start:
                return True
            partial.unlink()
            raise _CutError("the part that is here is longer than the server's file")
        _check(response, url)
        packed = _is_packed(response, url)
        if packed and start:
            partial.unlink()
            raise _CutError("the server sends the file packed, which can only be had as a whole")
        if response.status_code != 206 or _first_byte(response) != start:
            start = 0  # the server sends the whole, or another version of it
        if response.status_code == 206 and _first_byte(response) != start:
            partial.unlink(missing_ok=True)
            raise _CutError("the server sent another part than was asked for")
        total = None if packed else total
        _write(response, partial, start, total, packed)
    if total is not None and _size(partial) != total:
        raise _CutError(f"{_size(partial)} of {total} bytes came")
    return start > 0


def _write(
    response: requests.Response, partial: Path, start: int, total: int | None, packed: bool
) -> None:
    with partial.open("ab" if start else "wb") as out:
        # After the old content is gone: a note must never speak of another version's bytes.
        version = "" if packed else _version(response)
        atomic_write_text(_note_of(partial), json.dumps({"version": version}))
        name = partial.name.removeprefix(".").removesuffix(".partial")
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=f"download {name}")
        with bar:
            # Offsets and sizes are those of what travels. What comes packed all the same, as stores
            # of objects hold it, is unpacked.
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=packed):
                out.write(chunk)
                bar.update(len(chunk))


def _check(response: requests.Response, url: str) -> None:
    """Refuse what another attempt does not cure."""
    status, reason = response.status_code, response.reason
    if status in TRY_AGAIN:
        raise _CutError(f"the server answers {status} {reason}")
    if status not in (200, 206):
        hint = "; does it need a login, or has the link expired?" if status in (401, 403) else ""
        raise DownloadError(f"{shown(url)}: the server answers {status} {reason}{hint}")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise DownloadError(
            f"{shown(url)}: the server sends a web page, not a file: use the address behind its "
            "download button; a login page comes so, too"
        )


def _is_packed(response: requests.Response, url: str) -> bool:
    """Tell whether a file comes packed for the way; of a.tar.gz it is what the file itself is."""
    coding = response.headers.get("Content-Encoding", "identity").lower()
    return coding != "identity" and not urlsplit(url).path.lower().endswith((".gz", ".tgz"))


def _total(response: requests.Response) -> int | None:
    """Read the size of the whole file in bytes; None when the server does not say."""
    if response.status_code in (206, 416):
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _first_byte(response: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _version(response: requests.Response) -> str:
    """Read what names this version of the file; a weak ETag promises no equal bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _note_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _version_noted(partial: Path) -> str:
    try:
        note = json.loads(_note_of(partial).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    version = note.get("version") if isinstance(note, dict) else None
    return version if isinstance(version, str) else ""


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _without_query(text: str, url: str) -> str:
    query = urlsplit(url).query
    return text.replace(query, "...") if query else text
