"""What the members of an archive are called.

A zip states that a name is UTF-8, or nothing; a tar states nothing. macOS and Linux write UTF-8 all
the same, Windows the encoding of its language: in Japan cp932, in which the second byte of some
letters is a backslash. Several encodings can fit; then the labels tell which one it is, since they
state the names.
"""

import posixpath
import re
import tarfile
import zipfile
from collections.abc import Iterable, Sequence

# Python reads what a zip does not state so; it knows every byte.
UNSTATED = "cp437"
# Japan, the United States, Western Europe, China, Taiwan, Korea: as Explorer writes names, and as
# other programs do. Of encodings that fit alike the first counts.
ENCODINGS = ("cp932", UNSTATED, "cp850", "cp1252", "gbk", "big5", "cp949")
UTF_8_FLAG = 0x800

Stored = str | bytes  # a name; bytes where nothing states their encoding


def stored_in_zip(entry: zipfile.ZipInfo) -> Stored:
    """Return the name of a zip's member."""
    if entry.flag_bits & UTF_8_FLAG:
        return entry.filename
    try:
        return entry.filename.encode(UNSTATED)
    except UnicodeError:  # not read as such: the zip has the name in Unicode somewhere else
        return entry.filename


def stored_in_tar(member: tarfile.TarInfo) -> Stored:
    """Return the name of a tar's member, which Python has read as UTF-8 (PEP 383)."""
    try:
        member.name.encode("utf-8")
    except UnicodeError:
        return member.name.encode("utf-8", "surrogateescape")
    return member.name


def names_by_encoding(stored: Sequence[Stored]) -> list[list[str]]:
    """List what members may be called, as POSIX paths, in their order; the likeliest first."""
    lists: list[list[str]] = []
    for encoding in ENCODINGS:
        try:
            names = [_path(_decoded(name, encoding)) for name in stored]
        except UnicodeError:
            continue
        if names not in lists:
            lists.append(names)
    return sorted(lists, key=_oddities)


def _decoded(name: Stored, encoding: str) -> str:
    if isinstance(name, str):
        return name
    try:
        return name.decode("utf-8")
    except UnicodeError:
        return name.decode(encoding)


def _path(name: str) -> str:
    path = name.replace("\\", "/")
    return path if ".." in path.split("/") else posixpath.normpath(path)  # what leads out is told


def _oddities(names: Iterable[str]) -> int:
    """Count what is neither a letter nor a digit, beyond ASCII: another encoding's letters."""
    return sum(len(re.findall(r"[^\w\x00-\x7f]", name)) for name in names)
