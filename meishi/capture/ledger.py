"""The hidden list of what all runs of `meishi capture` wrote into a folder.

It has the sha256 of each file, and names a photo by its path from the folder, so that one photo is
one however it is given, and from wherever. Each entry is a line, so that one photo more costs the
same in a folder of thousands. A line that a killed run left half is of a file that it had not yet
begun. Lists of earlier versions are one value of JSON; the oldest of them name a photo as it was
given, from where we are now.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from meishi.capture.naming import identity, is_name, known_as
from meishi.files import atomic

LEDGER = ".meishi.json"
HEAD = {"photos": "paths from this folder"}
_OUTPUTS = "outputs"  # of the lists of earlier versions

Entry = tuple[str, str, str]  # photo's `identity`, name of an output, its sha256


class Ledger:
    """The list of one folder, which need not exist yet. Hold its lock while you write."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read."""
        self._folder = folder
        self._file = folder / LEDGER
        self._left: tuple[int, ...] | None = None

    def read(self) -> set[Entry] | None:
        """Read the list; None if there is no sound one."""
        try:
            text = self._file.read_text(encoding="utf-8")
            rows, start = _rows(text, self._folder)
            entries = {
                (known_as(str(photo), start), str(name), str(sha)) for photo, name, sha in rows
            }
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return {entry for entry in entries if is_name(entry[1])}

    def is_as_left(self) -> bool:
        """Tell whether the list is, unchanged, what was last written here."""
        return self._left is not None and self._left == _state(self._file)

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries at the end of a list that `is_as_left`."""
        self._left = None  # half a line is not what we wanted to leave
        with self._file.open("a", encoding="utf-8") as file:
            file.write(self._lines(entries))
        self._left = _state(self._file)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Write a list in the place of the one that is there."""
        atomic.atomic_write_text(self._file, json.dumps(HEAD) + "\n" + self._lines(entries))
        self._left = _state(self._file)

    def _lines(self, entries: Iterable[Entry]) -> str:
        place = identity(str(self._folder))
        rows = sorted((_path_from(place, photo), *rest) for photo, *rest in entries)
        # In ASCII: a path may hold bytes that are no UTF-8 (see `naming.identity`).
        return "".join(json.dumps(row) + "\n" for row in rows)


def _rows(text: str, folder: Path) -> tuple[list, Path]:
    """Read the rows of a list, and the folder that its paths start from."""
    first, _, rest = text.partition("\n")
    if first == json.dumps(HEAD):
        whole, _, _ = rest.rpartition("\n")
        return [json.loads(line) for line in whole.split("\n") if line], folder
    listed = json.loads(text)
    return (listed[_OUTPUTS], folder) if isinstance(listed, dict) else (listed, Path())


def _state(file: Path) -> tuple[int, ...] | None:
    """Return what changes with every writing of a file; None if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _path_from(place: str, photo: str) -> str:
    """Return the path of a photo from a place; of no photo, no path: ""."""
    return os.path.relpath(photo, place) if photo else ""
