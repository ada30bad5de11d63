"""What a collection says of one package: the signed `custom` part of its TUF target.

It is read as strictly as it is written: an unknown or missing key, another type, or a name that
is not the target's own refuses the entry. Signed does not mean sound.
"""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tuf.api.metadata import TargetFile

from meishi import schema
from meishi.collections import layout
from meishi.errors import InputError, summary

LIVE, HALTED, WITHDRAWN = "live", "halted", "withdrawn"
STATES = (LIVE, HALTED, WITHDRAWN)
MAX_UNPACKED = 200_000_000  # bytes; a package of ours is 3 MB
MAX_NOTES = 4000  # characters
_SHA256 = re.compile(r"[0-9a-f]{64}")


class EntryError(InputError):
    """An entry is unsound; the message names the target and every fault."""


@dataclass(frozen=True)
class Entry:
    """One package in a collection.

    Attributes:
        model: its name.
        version: three numbers.
        variant: name of a build of the same model; "" for the only one.
        contract: sha256 of its inputs, outputs, labels and thresholds (see contract.py).
        min_os: oldest system that runs it, as 17.4.
        min_app: oldest app that may get it.
        max_app: newest app that may get it; "" for any.
        unpacked_bytes: of its files together.
        rollout: share of the devices that are offered it, whole percent.
        salt: what, with model and device, decides who comes first.
        state: live; halted: kept by who has it, offered to no one else; withdrawn: left by all.
        metrics: those that the quality gate looked at, as text: signed JSON has no fractions.
        notes: for people.
        source: git tag and DVC hash, or the folder it came from.
    """

    model: str
    version: str
    variant: str
    contract: str
    min_os: str
    min_app: str
    max_app: str
    unpacked_bytes: int
    rollout: int
    salt: str
    state: str
    metrics: dict
    notes: str
    source: str


@dataclass(frozen=True)
class Offer:
    """An entry and the bytes it stands for."""

    entry: Entry
    target: TargetFile

    @property
    def sha256(self) -> str:
        """Digest of the archive."""
        return self.target.hashes["sha256"]


def write_target(collection: str, entry: Entry, length: int, sha256: str) -> TargetFile:
    """Make the TUF target of an entry.

    Raises:
        EntryError: if reading it back would be refused.
    """
    path = layout.target_path(collection, entry.model, entry.version, entry.variant)
    custom = {"custom": dataclasses.asdict(entry)}
    target = TargetFile(length, {"sha256": sha256}, path, custom)
    read_target(target)
    return target


def read_target(target: TargetFile) -> Offer:
    """Read the entry of a TUF target.

    Raises:
        EntryError: naming everything that is wrong with it.
    """
    found: list[schema.Fault] = []
    entry = schema.build(Entry, target.custom, found)
    faults = [f"{fault.where} {fault.what}".strip() for fault in found]
    faults = faults or _faults(entry)
    if not faults:
        collection = target.path.split("/")[0]
        own = layout.target_path(collection, entry.model, entry.version, entry.variant)
        if own != target.path:
            faults.append(f"the entry is of {own}")
    if set(target.hashes) != {"sha256"} or not _SHA256.fullmatch(target.hashes["sha256"]):
        faults.append(f"expected one sha256, got {sorted(target.hashes)}")
    if faults:
        raise EntryError(f"{target.path}: {summary(faults)}")
    return Offer(entry, target)


def needed_archives(offers: Iterable[Offer]) -> set[str]:
    """Return the paths of the archives that some offer has not withdrawn."""
    return {layout.archive_path(o.sha256) for o in offers if o.entry.state != WITHDRAWN}


def _faults(entry: Entry) -> list[str]:
    faults = []
    checks = {
        "model": layout.is_name(entry.model),
        "version": layout.is_version(entry.version),
        "variant": entry.variant == "" or layout.is_name(entry.variant),
        "contract": _SHA256.fullmatch(entry.contract) is not None,
        "min_os": layout.is_dotted(entry.min_os),
        "min_app": layout.is_dotted(entry.min_app),
        "max_app": entry.max_app == "" or layout.is_dotted(entry.max_app),
        "unpacked_bytes": 0 < entry.unpacked_bytes <= MAX_UNPACKED,
        "rollout": 0 <= entry.rollout <= 100,
        "state": entry.state in STATES,
        "metrics": all(isinstance(text, str) for text in entry.metrics.values()),
        "notes": len(entry.notes) <= MAX_NOTES,
    }
    for name, sound in checks.items():
        if not sound:
            faults.append(f"{name}: {str(getattr(entry, name))[:80]!r} is not allowed")
    return faults
