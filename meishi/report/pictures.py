"""The overlay pictures of a report: worst captures, best ones, a sample; beside those of a base."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meishi import paths
from meishi.errors import InputError

# Kinds and names are those of `measuring.outcome.write_overlays`; another kind is refused.
KINDS = ("worst", "best", "sample")
NAME = re.compile(rf"\d+-(?P<kind>{'|'.join(KINDS)})-(?P<scene>.+)\.jpg")
SHOWN = 9


@dataclass(frozen=True)
class Picture:
    """A scene with what was found in it.

    Attributes:
        scene: its id.
        src: the picture, relative to the report's folder.
        base_src: that of the base revision, when it drew the same scene.
    """

    scene: str
    src: str
    base_src: str | None = None


def captures(folder: Path, base: Path | None) -> dict[str, list[Picture]]:
    """Copy overlays into a report.

    Args:
        folder: the report's; receives pictures/.
        base: overlays of the base revision, None without one.

    Returns:
        By kind, in the order they were drawn in; only kinds that were drawn.
    """
    before = {} if base is None else {scene: file for _, scene, file in _overlays(base)}
    (folder / "pictures").mkdir()
    drawn = _overlays(paths.OVERLAYS)
    chosen = {
        kind: [(scene, file) for own, scene, file in drawn if own == kind][:SHOWN] for kind in KINDS
    }
    return {
        kind: [_copied(folder, scene, file, before) for scene, file in pairs]
        for kind, pairs in chosen.items()
        if pairs
    }


def restore_base(rev: str, target: Path) -> str | None:
    """Get the overlays of a revision out of DVC's cache or remote.

    Returns:
        None when they are in `target`, else why they could not be had: the store keeps what one
        commit uses.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index.index import DataIndexDirError

    try:
        system = DVCFileSystem(rev=rev)
        system.get(str(paths.OVERLAYS), str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError):
        shutil.rmtree(target, ignore_errors=True)
        return (
            f"the pictures of {rev}: neither in DVC's cache nor in the store, which keeps those of "
            f"one commit; `git checkout {rev} -- storage` adds that commit's, and `git restore "
            "--source HEAD --staged --worktree storage` takes them away again"
        )
    return None


def _copied(folder: Path, scene: str, file: Path, before: dict[str, Path]) -> Picture:
    src = f"pictures/{scene}.jpg"
    shutil.copyfile(file, folder / src)
    if scene not in before:
        return Picture(scene, src)
    base_src = f"pictures/{scene}-base.jpg"
    shutil.copyfile(before[scene], folder / base_src)
    return Picture(scene, src, base_src)


def _overlays(folder: Path) -> Sequence[tuple[str, str, Path]]:
    """List (kind, scene, file) in the order they were drawn in."""
    files = sorted(folder.glob("*.jpg"))
    named = [(NAME.fullmatch(file.name), file) for file in files]
    if strange := [file.name for match, file in named if not match]:
        raise InputError(f"{folder}: expected NN-KIND-SCENE.jpg, KIND of {KINDS}: {strange}")
    return [(match["kind"], match["scene"], file) for match, file in named if match]
