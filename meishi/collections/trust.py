"""TUF's own client (python-tuf), set up as we need it: limits, a clock, and reading a collection.

Nothing of signatures, versions, expiry or delegations is ours; it is all in `tuf.ngclient`.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from meishi.collections import layout
from meishi.collections.entries import EntryError, Offer, read_target
from meishi.collections.store import Store

# What tuf raises of bad metadata and of bad transport.
REFUSALS = (RepositoryError, DownloadError)
# Bytes; a collection of 1,000,000 has some 1,000 entries.
CONFIG = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=4,
    root_max_length=64_000,
    timestamp_max_length=8_000,
    snapshot_max_length=16_000,
    targets_max_length=1_000_000,
    prefix_targets_with_hash=False,
)


def max_bytes(role: str) -> int:
    """Return the bytes that devices accept of a role's file."""
    limits = {
        "root": CONFIG.root_max_length,
        "timestamp": CONFIG.timestamp_max_length,
        "snapshot": CONFIG.snapshot_max_length,
    }
    return limits.get(role, CONFIG.targets_max_length)


def size_fault(role: str, length: int) -> str | None:
    """Say that a role's file is longer than devices accept, and what helps; None if it is not."""
    if length <= max_bytes(role):
        return None
    fault = f"{role}: {length:,} bytes, of which devices accept at most {max_bytes(role):,}"
    if role in layout.COLLECTIONS:
        fault += "; `meishi collections gc --withdrawn` makes room, and shorter --notes need less"
    return fault


def make_updater(
    folder: Path, base: str, fetcher: FetcherInterface, root: bytes, now: datetime
) -> Updater:
    """Make a TUF client.

    Args:
        folder: its metadata, kept between runs.
        base: address of the published folder.
        fetcher: that transports.
        root: the embedded `root.json`, the one thing that is trusted from the start.
        now: time against which expiry is checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    updater = Updater(
        str(folder),
        f"{base.rstrip('/')}/metadata/",
        fetcher=fetcher,
        config=CONFIG,
        bootstrap=root,
    )
    # tuf reads the system's clock; a simulated device's and a publisher's differ from it.
    updater._trusted_set.reference_time = now
    return updater


def verified_targets(updater: Updater, collection: str) -> Targets:
    """Bring the metadata up to date and return that of a collection.

    Raises:
        RepositoryError: if any of it is refused.
        DownloadError: if any of it cannot be had.
    """
    # The name of no target: to look for it, tuf loads and verifies the collection's role ...
    updater.get_targetinfo(f"{collection}/-/-")
    # ... and keeps what it verified; there is no public way to list it.
    if not updater._trusted_set.contains(collection, Targets.type):
        raise RepositoryError(f"{collection}: targets names nobody who signs for it")
    return cast(Targets, updater._trusted_set[collection])


def expiry(updater: Updater) -> datetime:
    """Return when the first of the metadata that were verified expires."""
    return min(signed.expires for signed in updater._trusted_set)


def read_offers(targets: Targets, collection: str) -> tuple[list[Offer], list[str]]:
    """Read the entries of a collection.

    Returns:
        The sound ones, and a fault for each other; one bad entry hides no good one.
    """
    offers, faults = [], []
    for path, target in targets.targets.items():
        try:
            if not path.startswith(f"{collection}/"):
                raise EntryError(f"{path}: not a name of {collection}")
            offers.append(read_target(target))
        except EntryError as error:
            faults.append(str(error))
    return offers, faults


class StoreFetcher(FetcherInterface):
    """Reads a store instead of a server, with files on top that are not written yet."""

    def __init__(self, store: Store, unwritten: dict[str, bytes] | None = None) -> None:
        """Read from `store`; what `unwritten` holds by path comes first."""
        self._store = store
        self._unwritten = unwritten or {}
        self.last = ""  # what was asked for last: if all is refused then, the file at fault

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self.last = url.removeprefix("store:/")
        content = self._unwritten.get(path)
        if content is None:
            content = self._store.read(path)
        if content is None:
            raise DownloadHTTPError(f"{path}: missing", 404)
        return iter([content])


STORE_BASE = "store:/"  # address under which a StoreFetcher finds the store


def archive_url(base: str, offer: Offer) -> str:
    """Return the address of a package's archive."""
    return f"{base.rstrip('/')}/{layout.archive_path(offer.sha256)}"
