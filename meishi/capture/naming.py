"""Names of what `meishi capture` writes for a photo."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_STEM_BYTES = 180  # file names end at 255 bytes, and ours add a number and a suffix


@dataclass(frozen=True)
class Photo:
    """A photo to capture: the path as given, and a stem for its outputs that no other has."""

    given: str
    stem: str


def named(files: Iterable[str], known: Mapping[str, str]) -> list[Photo]:
    """Give each photo a stem: a known one keeps its own, a new one gets one that is free.

    Args:
        files: paths of photos.
        known: stems of earlier photos, by their `identity`.

    Returns:
        The photos in their order.
    """
    reserved = {_as_a_disk_sees(stem) for stem in known.values()}
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the last of each base: thousands may have the same
    photos = []
    for file in files:
        base = printable(Path(file).stem).encode()[:MAX_STEM_BYTES].decode(errors="ignore")
        stem = known.get(identity(file), "")
        if not stem or _as_a_disk_sees(stem) in taken:
            stem = base
            while (seen := _as_a_disk_sees(stem)) in taken or seen in reserved:
                numbers[base] = numbers.get(base, 1) + 1
                stem = f"{base}~{numbers[base]}"
        taken.add(_as_a_disk_sees(stem))
        photos.append(Photo(file, stem))
    return photos


def _as_a_disk_sees(name: str) -> str:
    """Bring a name to the form in which disks of macOS and Windows tell files apart."""
    return unicodedata.normalize("NFC", name).casefold()


def identity(file: str) -> str:
    """Return the path that a photo has however it was given: absolute, without links.

    Bytes of a name that are no UTF-8 stay what they are, as lone surrogates (PEP 383).
    """
    return os.path.realpath(file)


def known_as(photo: str, start: Path = Path()) -> str:
    """Return the `identity` of a photo by its path from a folder; of no photo, no path: ""."""
    return identity(os.path.join(start, photo)) if photo else ""


def is_name(name: str) -> bool:
    """Tell whether a name read from a list may be that of a file in its folder."""
    return name == Path(name).name and "\0" not in name


def printable(path: str) -> str:
    """Put a mark in place of bytes of a name that are no UTF-8: names of other systems."""
    return os.fsencode(path).decode("utf-8", "replace")
