"""Writes that happen whole or not at all.

The new content is made beside its target (same file system, hidden `.NAME.partial` sibling) and
renamed into place, so that a reader, or a run after `kill -9`, never meets half a file. The
sibling's name is fixed, so a killed run's leftover goes with the next write; two processes must
not write the same target at once.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a sibling path to write to; it replaces `target` if the block ends well.

    The sibling keeps the target's suffix, for writers that choose the format by it. On an error
    it is removed and `target` is as before. Missing parent folders are made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        with _named(target):
            yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def atomic_write_bytes(target: Path, content: bytes) -> None:
    """Replace `target` by `content` in one step."""
    with replace_file(target) as partial:
        partial.write_bytes(content)


def atomic_write_text(target: Path, content: str) -> None:
    r"""Replace `target` by UTF-8 `content` with \n line ends in one step."""
    atomic_write_bytes(target, content.encode("utf-8"))


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Yield an empty sibling folder to fill; it replaces `target` if the block ends well.

    On an error it is removed and `target` is as before. Missing parent folders are made.
    """
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        os.replace(old, target)  # a run was killed between the two renames
    partial.mkdir(parents=True)
    try:
        with _named(target):
            yield partial
        _swap(partial, target)
    finally:
        _remove(partial)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Say of a disk that is full what was being written: the system names files it opens alone."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            error.filename = str(target)
        raise


def _swap(partial: Path, target: Path) -> None:
    # A rename cannot replace a folder that has content: the old one steps aside first.
    old = target.with_name(f".{target.name}.old")
    _remove(old)
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(partial, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
