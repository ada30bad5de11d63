"""Where a source lies: a path of this disk, a `file://` URL, or a URL of a server."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from meishi.data.importers.downloading import DownloadError, download, file_sha256, shown

SHA256 = re.compile(r"[0-9a-f]{64}")


def is_remote(path: str) -> bool:
    """Tell whether a source's path is a URL of a server."""
    return path.lower().startswith(("http://", "https://"))


def local_path(path: str, digest: str = "") -> Path:
    """Bring a source to the disk, and check it.

    Args:
        path: folder or file, `file://` URL, or `http(s)://` URL, which is downloaded.
        digest: sha256 that the file must have, hexadecimal; not checked when empty.

    Returns:
        The folder or file.

    Raises:
        DownloadError: if it cannot be had in full, or has another sha256.
    """
    digest = digest.lower()
    if digest and not SHA256.fullmatch(digest):
        raise DownloadError(f"{shown(path)}: sha256: expected 64 hexadecimal digits, got {digest}")
    if is_remote(path):
        return download(path, digest)
    file = _path_of(path)
    if digest and file.is_dir():
        raise DownloadError(f"{file}: sha256: it is of a file, and this is a folder; leave it out")
    if digest and file.is_file() and (got := file_sha256(file)) != digest:
        raise DownloadError(f"{file}: wrong sha256: expected {digest}, got {got}")
    return file


def _path_of(path: str) -> Path:
    if not path.lower().startswith("file:"):
        if match := re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            raise DownloadError(
                f"{path}: {match[0]} is not fetched; read are folders, files, file:// and http(s)://"
            )
        return Path(path)
    split = urlsplit(path)
    if split.netloc not in ("", "localhost") or not split.path.startswith("/"):
        raise DownloadError(f"{path}: expected file:///FOLDER/FILE, an absolute path of this disk")
    return Path(url2pathname(split.path))
