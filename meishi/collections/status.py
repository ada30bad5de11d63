"""What is published, for people."""

from datetime import datetime

from tuf.api.metadata import Metadata

from meishi.collections import edits, entries, layout
from meishi.collections.entries import Offer
from meishi.collections.signing import State
from meishi.wording import counted


def status_lines(state: State, now: datetime) -> list[str]:
    """Describe both collections and the expiry of every role.

    Returns:
        Lines; newest versions first.

    Raises:
        InputError: if an entry is unsound.
    """
    lines = []
    for name in layout.COLLECTIONS:
        offers = edits.offers(state, name)
        lines.append(
            f"{name}: {counted(len(offers), 'package')}, "
            f"a first download of {counted(download_bytes(offers), 'byte')}"
        )
        for offer in sorted(offers, key=_newest_first):
            lines.append(f"  {_line(offer)}")
    lines += [_expiry(role, expires, now) for role, expires in _expiries(state).items()]
    return lines


def download_bytes(offers: list[Offer]) -> int:
    """Return what a device without embedded packages downloads at first.

    The newest version of each model, the largest of its variants, as if every rollout were full.
    """
    newest: dict[str, Offer] = {}
    for offer in offers:
        if offer.entry.state == entries.LIVE:
            best = newest.get(offer.entry.model, offer)
            key = (layout.number(offer.entry.version), offer.target.length)
            if key >= (layout.number(best.entry.version), best.target.length):
                newest[offer.entry.model] = offer
    return sum(offer.target.length for offer in newest.values())


def _newest_first(offer: Offer) -> tuple:
    major, minor, patch = layout.number(offer.entry.version)
    return offer.entry.model, -major, -minor, -patch, offer.entry.variant


def _line(offer: Offer) -> str:
    entry = offer.entry
    apps = f"app {entry.min_app}" + (f" to {entry.max_app}" if entry.max_app else " on")
    variant = f" {entry.variant}" if entry.variant else ""
    return (
        f"{entry.model} {entry.version}{variant}: {entry.state}, {entry.rollout} %, "
        f"{offer.target.length} bytes, system {entry.min_os} on, {apps}, "
        f"contract {entry.contract[:12]}, from {entry.source}"
    )


def _expiries(state: State) -> dict[str, datetime]:
    top: dict[str, Metadata] = {
        "root": state.root,
        "timestamp": state.timestamp,
        "snapshot": state.snapshot,
    }
    return {name: m.signed.expires for name, m in {**top, **state.roles()}.items()}


def _expiry(role: str, expires: datetime, now: datetime) -> str:
    days = (expires - now).total_seconds() / 86400
    when = f"expires in {days:.1f} days" if days > 0 else f"EXPIRED {-days:.1f} days ago"
    return f"{role}: {when}"
