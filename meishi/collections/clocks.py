"""Whether a publisher's clock can be right, by what was signed last.

How long a signature holds counts from the clock of who signs. One that is late signs what has
expired for devices, one that is early what holds for too long. No clock can be proved right; but
the last signature was made by one, too, and time goes forward. How far it went nobody knows, for a
publication may rest: a clock that is early is seen by the next who looks.
"""

from datetime import datetime, timedelta

from tuf.api.metadata import Metadata

from meishi.collections import layout
from meishi.collections.signing import SAME_DAYS, State
from meishi.errors import InputError


class ClockError(InputError):
    """A clock contradicts what was signed before."""


def require_clock(state: State, now: datetime) -> None:
    """Hold a clock against the time at which the timestamp was signed last.

    Args:
        state: as it was loaded.
        now: what the clock says.

    Raises:
        ClockError: if it is more than a day before.
    """
    days = timedelta(days=layout.EXPIRY_DAYS["timestamp"])
    signed = state.timestamp.signed.expires - days
    if now < signed - timedelta(days=SAME_DAYS):
        late = (signed - now) / timedelta(days=1)
        raise ClockError(
            f"this clock says {now:%Y-%m-%d %H:%M} UTC, {late:.1f} days before the timestamp was "
            "signed last: what it signs would expire early, or have expired; set the clock right. "
            "If it is, the last one was wrong: `meishi collections refresh --clock-is-right`"
        )


def ahead(state: State, now: datetime) -> list[str]:
    """Name the files that hold longer than one that is signed now: a clock was or is wrong."""
    top: dict[str, Metadata] = {
        "root": state.root,
        "timestamp": state.timestamp,
        "snapshot": state.snapshot,
    }
    faults = []
    for role, metadata in {**top, **state.roles()}.items():
        longest = timedelta(days=layout.EXPIRY_DAYS[role] + SAME_DAYS)
        if metadata.signed.expires - now > longest:
            faults.append(
                f"{role} expires on {metadata.signed.expires:%Y-%m-%d}, more than "
                f"{layout.EXPIRY_DAYS[role]} days from now: it was signed by a clock that was "
                f"ahead, or this one is late; `refresh --clock-is-right --roles {role}`, with the "
                "right clock, signs it anew"
            )
    return faults
