"""Every change that a client makes to its folder, so that a power cut can be put at each.

A file is written beside its name, flushed to the medium and renamed; the rename is flushed too.
What is not yet renamed has a name that is cleared away at the next start. A publisher writes to a
folder in the same way.
"""

import contextlib
import os
import shutil
from pathlib import Path

PARTIAL = ".writing"  # end of the name of a file that is being written


class Disk:
    """Writes, renames and removals that hold through a power cut."""

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file in one step; missing folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}{PARTIAL}")
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                self._flush(stream)
            self.rename(partial, path)
        except OSError:
            # Of a full disk it would take what room is left.
            with contextlib.suppress(OSError):
                partial.unlink()
            raise

    def append(self, path: Path, content: bytes) -> None:
        """Add to a file that may end anywhere after a power cut."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(content)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or a folder its name; a folder of that name goes first."""
        if target.is_dir():
            self.remove(target)
        os.replace(source, target)
        self._flush_folder(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder, if it is there."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _flush(self, stream) -> None:
        stream.flush()
        os.fsync(stream.fileno())

    def _flush_folder(self, folder: Path) -> None:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


class QuickDisk(Disk):
    """The same without waiting for the medium: for simulations of many devices on one machine."""

    def _flush(self, stream) -> None:
        pass

    def _flush_folder(self, folder: Path) -> None:
        pass
