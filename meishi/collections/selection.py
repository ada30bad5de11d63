"""Which package a device gets: the rule, the same for every client and every simulation.

1. Not withdrawn, and not among those that failed on this device.
2. Contract, system and app of the device fit.
3. The device has it, or is in the rollout's share; a halted one only if the device has it.
4. The newest version; of its variants the one for the newest system, then the smallest.

The share is a number that a device draws once a salt: raising the share only adds devices.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from meishi.collections import entries, layout
from meishi.collections.entries import Entry, Offer


@dataclass(frozen=True)
class Device:
    """What decides what a device is offered.

    Attributes:
        id: random, made by the app at its first start; it leaves the device in no request.
        os: version of the system, as 17.4.
        app: version of the app.
        collection: the one its build follows.
        contracts: by model, the contract that the app was built for.
    """

    id: str
    os: str
    app: str
    collection: str
    contracts: dict[str, str]


def bucket(model: str, device_id: str, salt: str) -> float:
    """Return where a device stands in a rollout: uniform in [0, 100), fixed for these three."""
    text = "\0".join((model, device_id, salt)).encode()
    # 53 bits: the result has to stay below 100 as a float.
    drawn = int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 11
    return drawn * 100 / 2**53


def choose(
    model: str, offers: Iterable[Offer], device: Device, holds: Collection[str], failed: set[str]
) -> Offer | None:
    """Pick the package that a device should run.

    Args:
        model: name.
        offers: of the device's collection.
        device: that asks.
        holds: sha256 of the packages that it runs or ran.
        failed: sha256 of those that failed on it.

    Returns:
        The offer; None if the embedded package is to run.
    """
    fitting = [
        offer
        for offer in offers
        if offer.entry.model == model
        and offer.sha256 not in failed
        and refusal(offer.entry, device) is None
        and _is_offered(offer, device, holds)
    ]
    return max(fitting, key=_rank, default=None)


def refusal(entry: Entry, device: Device) -> str | None:
    """Say why a device cannot run a package; None if it can."""
    app, system = layout.number(device.app), layout.number(device.os)
    if entry.state == entries.WITHDRAWN:
        return "withdrawn"
    if entry.contract != device.contracts.get(entry.model):
        return "another contract"
    if system < layout.number(entry.min_os):
        return f"needs system {entry.min_os}"
    if app < layout.number(entry.min_app):
        return f"needs app {entry.min_app}"
    if entry.max_app and app > layout.number(entry.max_app):
        return f"for apps up to {entry.max_app}"
    return None


def _is_offered(offer: Offer, device: Device, holds: Collection[str]) -> bool:
    if offer.sha256 in holds:
        return True
    entry = offer.entry
    drawn = bucket(entry.model, device.id, entry.salt)
    return entry.state == entries.LIVE and drawn < entry.rollout


def _rank(offer: Offer) -> tuple:
    entry = offer.entry
    version, system = layout.number(entry.version), layout.number(entry.min_os)
    return version, system, -offer.target.length, entry.variant
