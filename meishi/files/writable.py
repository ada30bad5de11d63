"""Whether a file can be written, asked before the work rather than found after it."""

import errno
import os
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
        probe = target.with_name(f".meishi-{os.getpid()}.partial")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror}); choose another"
        ) from error
