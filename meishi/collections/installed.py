"""What a client has on its disk: packages by sha256, and one small file that says which run.

    state.json                which package runs, which ran before, which failed
    models/SHA256/            an unpacked package, whole
    downloads/SHA256.zip      an archive, perhaps a part of it
    metadata/                 TUF's

A package is in use when `state.json` names it; replacing that file is the swap. Everything else
may be half done at any time and is cleared away at the next start.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from meishi import schema
from meishi.collections.archive import tree_sha256
from meishi.collections.disk import Disk

QUOTA_BYTES = 60_000_000  # for packages and archives


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
        trial: sha256 of the package that is being tried; "" for none.
        trials: how often its trial began: one that did not end may have ended the app.
    """

    model: str
    current: Installed | None = None
    previous: Installed | None = None
    failed: tuple[str, ...] = ()
    trial: str = ""
    trials: int = 0

    def holds(self) -> set[str]:
        """Return the sha256 of the packages that are kept."""
        return {kept.sha256 for kept in (self.current, self.previous) if kept}

    def switched(self, new: Installed | None, allowed: set[str]) -> "ModelState":
        """Return the state after a swap; what ran is kept if it is still allowed."""
        kept = (one for one in (self.current, self.previous) if one and one != new)
        previous = next((one for one in kept if one.sha256 in allowed), None)
        return ModelState(self.model, new, previous, self.failed)

    def trying(self, sha256: str) -> "ModelState":
        """Return the state while a package is tried."""
        begun = self.trials if self.trial == sha256 else 0
        return replace(self, trial=sha256, trials=begun + 1)

    def without(self, sha256: str) -> "ModelState":
        """Return the state after a package failed: what ran before takes its place."""
        failed = (*self.failed, *({sha256} - set(self.failed)))
        current, previous = self.current, self.previous
        if previous and previous.sha256 == sha256:
            previous = None
        if current and current.sha256 == sha256:
            current, previous = previous, None
        return ModelState(self.model, current, previous, failed)


@dataclass(frozen=True)
class _Stored:
    models: tuple[ModelState, ...]


class Shelf:
    """A client's folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """Open a folder, which may be missing, and clear away what a power cut left."""
        self.folder = folder
        self.disk = disk
        self._models = {state.model: state for state in self._read()}
        self.clear()

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
        """Tell whether a package's files are those that were verified."""
        path = self.package(installed.sha256)
        try:
            return path.is_dir() and tree_sha256(path) == installed.tree
        except OSError:
            return False

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
        for path in _inside(self.folder / "models"):
            if path.name not in kept:
                self.disk.remove(path)
        for path in _inside(self.folder / "downloads"):
            if path.name.removesuffix(".zip") in (kept | failed):
                self.disk.remove(path)

    def _read(self) -> tuple[ModelState, ...]:
        try:
            document = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()  # the first start, or a broken medium: the embedded packages run
        faults: list[schema.Fault] = []
        stored = schema.build(_Stored, document, faults)
        return () if faults else stored.models


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
