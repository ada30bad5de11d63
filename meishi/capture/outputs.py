"""The folder that `meishi capture` writes to, and which of its files were written by it.

cards.json lists the photos of one run. What all runs wrote stands in a hidden list beside it, with
the sha256 of each file: photos may lie in the same folder, and even take the name of an output.
It names a photo by its path from the folder, so that one photo is one however it is given, and
from wherever; a list of earlier versions names it as it was given, from where we are now.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from meishi.capture.naming import identity
from meishi.errors import InputError
from meishi.files import atomic
from meishi.files.locking import locked

LEDGER = ".meishi.json"
_OUTPUT = re.compile(r"(.+)-(?:overlay\.jpg|[0-9]+\.png)", re.DOTALL)

Entry = tuple[str, str, str]  # photo's `identity`, name of an output, its sha256
PHOTOS, OUTPUTS = "photos", "outputs"  # of the list
FROM_HERE = "paths from this folder"


class OutputFolder:
    """A folder of outputs, with the list of those that it has been given so far."""

    def __init__(self, folder: Path, otherwise: Iterable[tuple[str, str]]) -> None:
        """Open a folder, which need not exist yet.

        Args:
            folder: that is written to.
            otherwise: photos and names of outputs, believed where there is no sound list.
        """
        self.folder = folder
        self._written: set[Entry] = set()
        listed = _read(folder)
        if listed is None:
            found = ((_known(photo), name, _sha256(folder / name)) for photo, name in otherwise)
            listed = {(photo, name, digest) for photo, name, digest in found if digest}
        self._entries = listed
        self._known = set(listed)  # as the list was when we last read or wrote it

    def files(self) -> set[Path]:
        """Return the outputs that are there as they were written; paths without links."""
        place = self.folder.resolve()
        return {
            place / name for _, name, digest in self._entries if _sha256(place / name) == digest
        }

    def stems(self) -> dict[str, str]:
        """Return what the names of a photo's outputs begin with, by its `identity`."""
        found = ((photo, _OUTPUT.fullmatch(name)) for photo, name, _ in sorted(self._entries))
        return {photo: match[1] for photo, match in found if photo and match}

    def names(self, photos: Collection[str]) -> set[str]:
        """Return the names of the outputs of photos, given by their `identity`."""
        return {name for photo, name, _ in self._entries if photo in photos}

    def check(self, photo: str, names: Iterable[str]) -> None:
        """Look whether files may be written.

        Args:
            photo: whose outputs they are.
            names: of the files.

        Raises:
            InputError: if one is there that is not as it was written here: it is somebody's.
        """
        for name in names:
            digest = _sha256(self.folder / name)
            ours = {entry[2] for entry in self._entries if entry[1] == name}
            if digest not in ours and os.path.lexists(self.folder / name):
                raise InputError(
                    f"{photo}: {self.folder / name} is there and was not written here, or was "
                    "changed since; move it away, or choose another --out"
                )

    def write(self, photo: str, files: dict[str, bytes]) -> None:
        """Write the outputs of a photo.

        Args:
            photo: its path, however it was given.
            files: contents by name.

        Raises:
            OSError: if one cannot be written. However it ends, of a photo whose files are not all
                written none stays.
        """
        entries = {
            (_known(photo), name, hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        }
        self._written |= entries
        self._entries |= entries
        try:
            self._save()  # first: a run that is killed below leaves no file that is not listed
            for name, content in files.items():
                atomic.atomic_write_bytes(self.folder / name, content)
        except BaseException:
            self._take_back(entries)
            raise

    def _take_back(self, entries: set[Entry]) -> None:
        for _, name, digest in entries:
            if _sha256(self.folder / name) == digest:
                (self.folder / name).unlink(missing_ok=True)
        self._written -= entries
        self._entries -= entries

    def tidy(self, photos: Iterable[str]) -> None:
        """Remove what earlier runs wrote of photos and this one did not; forget what is gone.

        A file that somebody changed meanwhile is not ours to remove.

        Args:
            photos: paths of those whose outputs are all written.
        """
        done, names = {_known(photo) for photo in photos}, {name for _, name, _ in self._written}
        for photo, name, digest in self._entries:
            stale = photo in done and name not in names
            if stale and _sha256(self.folder / name) == digest:
                (self.folder / name).unlink(missing_ok=True)
        kept = {entry for entry in self._entries if entry[1] not in names} | self._written
        self._entries = {entry for entry in kept if (self.folder / entry[1]).is_file()}
        self._save()

    def _save(self) -> None:
        # Another run may write to the same folder: what it has listed meanwhile stays.
        names = {name for _, name, _ in self._written}
        with locked(self.folder):
            others = (_read(self.folder) or set()) - self._known
            self._entries |= {entry for entry in others if entry[1] not in names}
            self._known = set(self._entries)
            rows = sorted((_from(self.folder, photo), *rest) for photo, *rest in self._entries)
            # In ASCII: a path may hold bytes that are no UTF-8 (see `naming.identity`).
            text = json.dumps({PHOTOS: FROM_HERE, OUTPUTS: rows}, indent=0)
            atomic.atomic_write_text(self.folder / LEDGER, text + "\n")


def _read(folder: Path) -> set[Entry] | None:
    """Read the list of a folder; None if there is no sound one."""
    try:
        listed = json.loads((folder / LEDGER).read_text(encoding="utf-8"))
        rows, start = (listed[OUTPUTS], folder) if isinstance(listed, dict) else (listed, Path())
        entries = {(_known(str(photo), start), str(name), str(sha)) for photo, name, sha in rows}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return {entry for entry in entries if entry[1] == Path(entry[1]).name}


def _known(photo: str, start: Path = Path()) -> str:
    """Return the `identity` of a photo by its path from a folder; of no photo, no path: ""."""
    return identity(os.path.join(start, photo)) if photo else ""


def _from(folder: Path, photo: str) -> str:
    """Return the path of a photo from a folder."""
    try:
        return os.path.relpath(photo, identity(str(folder))) if photo else ""
    except ValueError:  # on another drive of Windows: there is none
        return photo


def _sha256(file: Path) -> str:
    """Return the sha256 of a file; "" if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
