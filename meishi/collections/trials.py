"""What comes of a trial: a verdict about the package, or none, because the machine fell short.

Only a verdict refuses a package for good. A trial that did not end may have been ended by the
package or by the system, which takes memory from whom it likes: the package is tried again, but
later each time, so that one that ends the app does not do so at every start.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

TRIALS = 2  # at once: one may have been cut short by the user or the battery
DAY_S = 86_400
LAST_S = 10**12  # POSIX time beyond which Python has no dates
DAYS = (1, 2, 4, 8, 16, 32)  # that a package rests after each trial more
# Of files that are there: an iPhone that is locked permits no access to some.
SHORTAGES = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EIO,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBUSY,
    errno.ETIMEDOUT,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
)


class ProbeError(Exception):
    """A package does not do what it should on this device."""


class ShortageError(Exception):
    """The machine could not carry out a trial; nothing is known of the package."""


@dataclass(frozen=True)
class Trial:
    """Trials of one package that began and did not end.

    Attributes:
        sha256: of its archive.
        count: how many, at least one.
        begun: POSIX time in seconds at which the last began.
    """

    sha256: str
    count: int
    begun: int

    def again(self, now: datetime) -> "Trial":
        """Return it with one more trial, that begins now."""
        return Trial(self.sha256, self.count + 1, int(now.timestamp()))

    def is_sound(self) -> bool:
        """Tell whether the numbers are ones that a clock and a count give."""
        return self.count > 0 and abs(self.begun) < LAST_S

    def wait_days(self) -> int:
        """Return for how many days the package rests: none at first, then more each time."""
        over = self.count - TRIALS
        return 0 if over < 0 else DAYS[min(over, len(DAYS) - 1)]

    def rests(self, now: datetime) -> bool:
        """Tell whether the package is left alone now; a clock that was ahead is not believed."""
        return 0 <= now.timestamp() - self.begun < self.wait_days() * DAY_S


def is_shortage(error: BaseException) -> bool:
    """Tell whether an error, or one that it came from, is the machine's and not the package's."""
    return any(_is_one(one) for one in _chain(error))


def _is_one(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in SHORTAGES
    return (
        isinstance(error, MemoryError)
        # TensorFlow's, which is not imported here, and Python's own.
        or type(error).__name__ == "ResourceExhaustedError"
        or (isinstance(error, RuntimeError) and "can't start new thread" in str(error))
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
