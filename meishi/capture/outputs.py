"""The folder that `meishi capture` writes to, and which of its files were written by it.

cards.json lists the photos of one run. What all runs wrote stands in a hidden list beside it (see
`ledger`): photos may lie in the same folder, and even take the name of an output.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from meishi.capture.ledger import Entry, Ledger
from meishi.capture.naming import known_as
from meishi.errors import InputError
from meishi.files import atomic
from meishi.files.locking import locked

_OUTPUT = re.compile(r"(.+)-(?:overlay\.jpg|[0-9]+\.png)", re.DOTALL)


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
        self._ledger = Ledger(folder)
        listed = self._ledger.read()
        if listed is None:
            found = ((known_as(photo), name, _sha256(folder / name)) for photo, name in otherwise)
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
            (known_as(photo), name, hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        }
        self._written |= entries
        self._entries |= entries
        try:
            self._list(entries)  # first: a run that is killed below leaves no file off the list
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
        done, names = {known_as(photo) for photo in photos}, {name for _, name, _ in self._written}
        for photo, name, digest in self._entries:
            stale = photo in done and name not in names
            if stale and _sha256(self.folder / name) == digest:
                (self.folder / name).unlink(missing_ok=True)
        kept = {entry for entry in self._entries if entry[1] not in names} | self._written
        self._entries = {entry for entry in kept if (self.folder / entry[1]).is_file()}
        self._save()

    def _list(self, entries: set[Entry]) -> None:
        """Add to the list: at its end, unless another run has changed it."""
        with locked(self.folder):
            if not self._ledger.is_as_left():
                self._merge_and_save()
                return
            self._ledger.append(entries)
            self._known |= entries

    def _save(self) -> None:
        with locked(self.folder):
            self._merge_and_save()

    def _merge_and_save(self) -> None:
        # Another run may write to the same folder: what it has listed meanwhile stays.
        names = {name for _, name, _ in self._written}
        others = (self._ledger.read() or set()) - self._known
        self._entries |= {entry for entry in others if entry[1] not in names}
        self._known = set(self._entries)
        self._ledger.replace(self._entries)


def _sha256(file: Path) -> str:
    """Return the sha256 of a file; "" if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
