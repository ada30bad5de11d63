"""Whether a file or folder can be written, asked before the work rather than found after it."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from meishi.errors import InputError


def check_writable(target: Path) -> None:
    """Make the folder of a file that is to be written, and try to write there.

    Raises:
        InputError: if a file of that name cannot be made.
    """
    try:
        if target.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
        # As long as the name of the file that `atomic` writes first.
        longest = len(os.fsencode(f".{target.stem}.partial{target.suffix}"))
        probe = target.with_name(f".meishi-{os.getpid()}.partial".ljust(longest, "x"))
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror}); choose another"
        ) from error


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Refuse an output that would replace an input or another output, or lie in one.

    Args:
        inputs: files and folders that are read.
        outputs: files that are written.

    Raises:
        InputError: that names both.
    """
    for number, output in enumerate(outputs):
        for other in (*inputs, *outputs[:number]):
            place, taken = output.resolve(), other.resolve()
            if place == taken or place in taken.parents:
                raise InputError(f"{output}: would replace {other}; choose another")
            if taken in place.parents:
                raise InputError(f"{output}: would lie in {other}; choose another")


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that no new one can stand in for; see `atomic.replace_folder`.

    Raises:
        InputError: if it is the working directory or around it, or what should be around it is no
            folder.
    """
    whole, here = folder.resolve(), Path.cwd()
    if whole == here or whole in here.parents:
        raise InputError(
            f"{folder}: is the folder that this runs in, or around it; name one of its own"
        )
    there = next(place for place in whole.parents if place.exists())
    if not there.is_dir():
        raise InputError(f"{folder}: {there} is no folder; choose another")
