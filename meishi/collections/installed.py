"""What a client has on its disk: packages by sha256, and one small file that says which run.

    state.json                which package runs, which ran before, which failed
    models/SHA256/            an unpacked package, whole
    downloads/SHA256.zip      an archive, perhaps a part of it
    metadata/                 TUF's
    .lock                     held by the client that changes any of this

A package is in use when `state.json` names it; replacing that file is the swap. Everything else
may be half done at any time and is cleared away at the next update.
"""

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import filelock

from meishi import schema
from meishi.collections import layout
from meishi.collections.archive import tree_sha256
from meishi.collections.disk import Disk
from meishi.collections.trials import Trial, is_shortage

QUOTA_BYTES = 60_000_000  # for packages and archives
LOCK_SECONDS = 30
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BusyError(OSError):
    """Another client is at work in the folder."""


@dataclass(frozen=True)
class Installed:
    """A package on the disk.

    Attributes:
        sha256: of its archive.
        version: of the model.
        contract: that it keeps; another app may need another one.
        tree: sha256 over the unpacked files, as they were when it was verified.
    """

    sha256: str
    version: str
    contract: str
    tree: str


@dataclass(frozen=True)
class ModelState:
    """What a device knows of one model.

    Attributes:
        model: name.
        current: that runs; None for the embedded one.
        previous: that ran before and is kept.
        failed: sha256 that are never tried again on this device.
        begun: packages whose trial began and did not end: it may have ended the app.
    """

    model: str
    current: Installed | None = None
    previous: Installed | None = None
    failed: tuple[str, ...] = ()
    begun: tuple[Trial, ...] = ()

    def holds(self) -> set[str]:
        """Return the sha256 of the packages that are kept."""
        return {kept.sha256 for kept in (self.current, self.previous) if kept}

    def switched(self, new: Installed | None, allowed: set[str]) -> "ModelState":
        """Return the state after a swap; what ran is kept if it is still allowed."""
        sha256 = new.sha256 if new else ""
        kept = (one for one in (self.current, self.previous) if one and one.sha256 != sha256)
        previous = next((one for one in kept if one.sha256 in allowed), None)
        begun = tuple(t for t in self.begun if t.sha256 in allowed and t.sha256 != sha256)
        return ModelState(self.model, new, previous, self.failed, begun)

    def resting(self, now: datetime) -> set[str]:
        """Return the sha256 of the packages that are not tried now."""
        return {trial.sha256 for trial in self.begun if trial.rests(now)}

    def trying(self, sha256: str, now: datetime) -> "ModelState":
        """Return the state while a package is tried."""
        before = next((t for t in self.begun if t.sha256 == sha256), Trial(sha256, 0, 0))
        others = (t for t in self.begun if t.sha256 != sha256)
        return replace(self, begun=(*others, before.again(now)))

    def without(self, sha256: str) -> "ModelState":
        """Return the state after a package failed: what ran before takes its place."""
        failed = (*self.failed, *({sha256} - set(self.failed)))
        current, previous = self.current, self.previous
        if previous and previous.sha256 == sha256:
            previous = None
        if current and current.sha256 == sha256:
            current, previous = previous, None
        begun = tuple(trial for trial in self.begun if trial.sha256 != sha256)
        return ModelState(self.model, current, previous, failed, begun)

    def is_sound(self) -> bool:
        """Tell whether every value is one that is ever written."""
        kept = [one for one in (self.current, self.previous) if one]
        digests = [
            *self.failed,
            *(digest for one in kept for digest in (one.sha256, one.tree)),
            *(trial.sha256 for trial in self.begun),
        ]
        return (
            all(_SHA256.fullmatch(digest) for digest in digests)
            and all(layout.is_version(one.version) for one in kept)
            and all(trial.is_sound() for trial in self.begun)
        )


@dataclass(frozen=True)
class _Stored:
    models: tuple[ModelState, ...]


class Shelf:
    """A client's folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """Look into a folder, which may be missing."""
        self.folder = folder
        self.disk = disk
        try:
            self._models = self._read()
        except OSError:
            self._models = {}  # for now the embedded packages run

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other clients out, look anew, and clear away what a power cut left.

        Raises:
            BusyError: if another client does not end in time.
            OSError: if the folder cannot be read or written; what it holds is not touched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / ".lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise BusyError(
                f"{self.folder}: another client was at work here for {LOCK_SECONDS} s; try again"
            ) from error
        try:
            self._models = self._read()
            self.clear()
            yield
        finally:
            lock.release()

    def state(self, model: str) -> ModelState:
        """Return what is known of a model."""
        return self._models.get(model, ModelState(model))

    def save(self, state: ModelState) -> None:
        """Make a state the one that holds, in one step."""
        models = {**self._models, state.model: state}
        text = json.dumps({"models": [asdict(models[name]) for name in sorted(models)]}, indent=1)
        self.disk.write(self.folder / "state.json", text.encode())
        self._models = models

    def package(self, sha256: str) -> Path:
        """Return the folder of a package."""
        return self.folder / "models" / sha256

    def archive(self, sha256: str) -> Path:
        """Return the file of an archive."""
        return self.folder / "downloads" / f"{sha256}.zip"

    def intact(self, installed: Installed) -> bool:
        """Tell whether a package's files are those that were verified, as far as can be seen."""
        try:
            return self._whole(installed)
        except OSError:
            return False

    def damaged(self, installed: Installed) -> bool:
        """Tell whether a package's files are not those that were verified.

        Raises:
            OSError: if a shortage of the machine's hides it; it says nothing of the files.
        """
        try:
            return not self._whole(installed)
        except OSError as error:
            if _passes(error):
                raise
            return True

    def _whole(self, installed: Installed) -> bool:
        path = self.package(installed.sha256)
        return path.is_dir() and tree_sha256(path) == installed.tree

    def used(self) -> int:
        """Return the bytes of packages and archives."""
        folders = (self.folder / "models", self.folder / "downloads")
        files = (p for folder in folders for p in folder.rglob("*") if p.is_file())
        return sum(file.stat().st_size for file in files)

    def clear(self, also: Iterable[str] = ()) -> None:
        """Remove what no model holds; parts of archives stay, unless they failed.

        Args:
            also: sha256 to remove although a model holds them.
        """
        kept = {sha for state in self._models.values() for sha in state.holds()} - set(also)
        failed = {sha for state in self._models.values() for sha in state.failed}
        for path in self._inside("models"):
            if path.name not in kept:
                self.disk.remove(path)
        for path in self._inside("downloads"):
            if path.name.removesuffix(".zip") in (kept | failed) or not path.is_file():
                self.disk.remove(path)

    def _read(self) -> dict[str, ModelState]:
        """Read `state.json`; OSError only if it may be read another time."""
        try:
            document = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except OSError as error:
            if _passes(error):
                raise
            return {}  # the first start, or a broken medium: the embedded packages run
        except (ValueError, RecursionError):
            return {}
        faults: list[schema.Fault] = []
        stored = schema.build(_Stored, document, faults)
        sound = not faults and all(state.is_sound() for state in stored.models)
        return {state.model: state for state in stored.models} if sound else {}

    def _inside(self, name: str) -> list[Path]:
        folder = self.folder / name
        if os.path.lexists(folder) and not folder.is_dir():
            self.disk.remove(folder)  # damage: nothing could be put there
        return sorted(folder.iterdir()) if folder.is_dir() else []


def _passes(error: OSError) -> bool:
    return is_shortage(error) and error.errno != errno.EIO  # a broken medium stays broken
