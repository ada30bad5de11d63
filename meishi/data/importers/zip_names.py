"""What the members of a zip are called.

A zip states that a name is UTF-8, or nothing. macOS writes UTF-8 all the same, Windows the encoding
of its language: in Japan cp932, in which the second byte of some letters is a backslash. Several
encodings can fit; then the labels tell which one it is, since they state the names.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterable, Sequence

# Python reads what is not stated so; it knows every byte.
UNSTATED = "cp437"
# Japan, the United States, Western Europe: as Explorer writes names, and as other programs do.
ENCODINGS = ("cp932", UNSTATED, "cp850", "cp1252")
UTF_8_FLAG = 0x800


def names_by_encoding(entries: Sequence[zipfile.ZipInfo]) -> list[list[str]]:
    """List what the members may be called, as POSIX paths, in their order; the likeliest first."""
    lists: list[list[str]] = []
    for encoding in ENCODINGS:
        try:
            names = [_path(_decoded(entry, encoding)) for entry in entries]
        except UnicodeError:
            continue
        if names not in lists:
            lists.append(names)
    return sorted(lists, key=_oddities)


def _decoded(entry: zipfile.ZipInfo, encoding: str) -> str:
    name = entry.filename
    if entry.flag_bits & UTF_8_FLAG:
        return name
    try:
        raw = name.encode(UNSTATED)
    except UnicodeError:  # not read as such: the zip has the name in Unicode somewhere else
        return name
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return raw.decode(encoding)


def _path(name: str) -> str:
    path = name.replace("\\", "/")
    return path if ".." in path.split("/") else posixpath.normpath(path)  # what leads out is told


def _oddities(names: Iterable[str]) -> int:
    """Count what is neither a letter nor a digit, beyond ASCII: another encoding's letters."""
    return sum(len(re.findall(r"[^\w\x00-\x7f]", name)) for name in names)
