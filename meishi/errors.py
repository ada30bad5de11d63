"""Faults in what the user gave, told apart from faults in the code.

An `InputError` carries a message that needs no traceback: it names the file and the cause. All
else that is raised is a bug and keeps its traceback.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MAX_LISTED = 20


class InputError(ValueError):
    """The input is at fault; the message says which file, why, and where it helps what to do."""


@contextmanager
def clean_exit() -> Iterator[None]:
    """End the process with the message and status 1 if the block raises an `InputError`."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")


def summary(faults: Sequence[str], limit: int = MAX_LISTED) -> str:
    """List faults a line each; beyond the limit only their number."""
    rest = len(faults) - limit
    more = [f"... and {rest} more"] if rest > 0 else []
    return "\n".join([*faults[:limit], *more])
