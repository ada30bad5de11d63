"""Faults in what the user gave, told apart from faults in the code.

An `InputError` carries a message that needs no traceback: it names the file and the cause. So does
an error of the system's that tells of the machine: a full disk, a file that may not be written. All
else that is raised is a bug and keeps its traceback.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MAX_LISTED = 20
# What the machine lacks or does not allow; of these no change of the code would help.
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C has ended


class InputError(ValueError):
    """The input is at fault; the message says which file, why, and where it helps what to do."""


@contextmanager
def clean_exit() -> Iterator[None]:
    """End the process with a message and status 1 if the block raises an `InputError`.

    Likewise for an `OSError` of OF_THE_MACHINE; after Ctrl-C the status is INTERRUPTED.
    """
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        sys.exit(f"error: {place}{os.strerror(error.errno)}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def summary(faults: Sequence[str], limit: int = MAX_LISTED) -> str:
    """List faults a line each; beyond the limit only their number."""
    rest = len(faults) - limit
    more = [f"... and {rest} more"] if rest > 0 else []
    return "\n".join([*faults[:limit], *more])
