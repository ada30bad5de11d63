"""The reference client: what an app does at its start, in the order in which it has to be done.

Poll, choose, download, verify, unpack, try, swap. Whatever fails leaves what ran running; what
failed on this device is not tried again, unless it was the machine that fell short; a package that
is withdrawn is left for the one before it, or for the embedded one. The protocol is described in
docs/collections.md.
"""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError

from meishi.collections import layout
from meishi.collections.archive import ArchiveError, tree_sha256, unpack
from meishi.collections.disk import Disk
from meishi.collections.downloads import fetch_archive
from meishi.collections.entries import Offer
from meishi.collections.http import Http
from meishi.collections.installed import QUOTA_BYTES, Installed, ModelState, Shelf
from meishi.collections.polling import MetadataPoll, Verified
from meishi.collections.selection import Device, choose, refusal
from meishi.collections.trials import ProbeError, ShortageError
from meishi.collections.trust import REFUSALS, archive_url, read_offers

Probe = Callable[[str, Path], None]  # model, package; raises ProbeError, or a SHORTAGE
# What passes, and says nothing of a package.
SHORTAGE = (ShortageError, OSError, MemoryError)


class QuotaError(Exception):
    """A package does not fit into what the client may use."""


@dataclass(frozen=True)
class Outcome:
    """What an update of one model came to; this is what an app reports.

    Attributes:
        model: name.
        status: unchanged, updated, went back, refused (with what was offered) or failed (before).
        version: that runs now; "embedded" for the app's own.
        reason: why, if refused or failed.
    """

    model: str
    status: str
    version: str
    reason: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Client:
    """A device.

    Attributes:
        base: address of the published folder.
        root: embedded `root.json`.
        folder: the client's own.
        device: that asks.
        embedded: by model, the package that comes with the app.
        probe: tries a package.
        quota: bytes for packages and archives.
        http: transport.
        disk: that writes.
        clock: the device's.
    """

    base: str
    root: bytes
    folder: Path
    device: Device
    embedded: Mapping[str, Path]
    probe: Probe
    quota: int = QUOTA_BYTES
    http: Http = field(default_factory=Http)
    disk: Disk = field(default_factory=Disk)
    clock: Callable[[], datetime] = _now

    def __post_init__(self) -> None:
        """Look into the client's folder."""
        self.shelf = Shelf(self.folder, self.disk)

    def update(self) -> list[Outcome]:
        """Poll once and bring every model up to date.

        Returns:
            An outcome a model; nothing that the server sends raises. Failed, too, if another
            client is at work in the folder for too long.
        """
        try:
            with self.shelf.alone():
                verified = self._poll()
                offers, faults = read_offers(verified.targets, self.device.collection)
                return [self._updated(model, offers, verified, faults) for model in self.embedded]
        except (*REFUSALS, OSError, MemoryError) as error:
            return [self._outcome(model, "failed", _words(error)) for model in self.embedded]

    def package(self, model: str) -> Path:
        """Return the package to run: current, previous or embedded, the first that is intact."""
        state = self.shelf.state(model)
        for kept in (state.current, state.previous):
            fits = kept and kept.contract == self.device.contracts[model]
            if kept and fits and self.shelf.intact(kept):
                return self.shelf.package(kept.sha256)
        return self.embedded[model]

    def report_failure(self, model: str) -> Outcome:
        """Leave the package that runs, for it failed in use, and never take it again.

        Raises:
            OSError: if that cannot be noted; BusyError: if another client is at work here.
        """
        # Before the state is read anew: another client may have gone on to the next meanwhile.
        current = self.shelf.state(model).current
        if current is None:
            return self._outcome(model, "unchanged", "the embedded package failed")
        with self.shelf.alone():
            self._give_up(model, current.sha256)
        return self._outcome(model, "went back", f"{current.version} failed in use")

    def _poll(self) -> Verified:
        metadata = self.folder / "metadata"
        poll = MetadataPoll(metadata, self.base, self.root, self.http, self.disk)
        return poll.refresh(self.device.collection, self.clock())

    def _updated(
        self, model: str, offers: list[Offer], verified: Verified, faults: list[str]
    ) -> Outcome:
        try:
            return self._update(model, offers, verified, faults)
        except (OSError, MemoryError) as error:  # of the client's own; the other models go on
            return self._outcome(model, "failed", _words(error))

    def _update(
        self, model: str, offers: list[Offer], verified: Verified, faults: list[str]
    ) -> Outcome:
        state = self._mended(model)
        failed = set(state.failed)
        rests = state.resting(self.clock())
        best = choose(model, offers, self.device, state.holds(), failed)
        offer = choose(model, offers, self.device, state.holds(), failed | rests)
        allowed = {o.sha256 for o in offers if refusal(o.entry, self.device) is None}
        try:
            new = self._install(state, offer, verified) if offer else None
        except (ArchiveError, ProbeError) as error:
            assert offer is not None
            self._give_up(model, offer.sha256)
            return self._outcome(model, "refused", f"{offer.entry.version}: {error}")
        except (*REFUSALS, QuotaError, *SHORTAGE) as error:
            assert offer is not None
            return self._outcome(model, "failed", f"{offer.entry.version}: {_words(error)}")
        after = state.switched(new, allowed - failed)
        if after != state:
            self.shelf.save(after)
            self.shelf.clear()
        if best and best.sha256 in rests:
            reason = f"{best.entry.version}: its trial did not end; it is tried again later"
            return self._outcome(model, "failed", reason)
        return self._outcome(model, _status(state.current, new), "; ".join(faults))

    def _install(self, state: ModelState, offer: Offer, verified: Verified) -> Installed:
        for kept in (state.current, state.previous):
            if kept and kept.sha256 == offer.sha256:
                # Verified and tried before: going back costs nothing. The version is the list's:
                # the same bytes may have got a new number.
                return replace(kept, version=offer.entry.version)
        # What tuf itself says of the name; the list was only read to choose from it.
        target = verified.find(offer.target.path)
        if target is None or target != offer.target:
            raise RepositoryError(f"{offer.target.path}: the list is not what was verified")
        self._make_room(state, offer)
        archive = self.shelf.archive(offer.sha256)
        package = self.shelf.package(offer.sha256)
        fetch_archive(self.http, archive_url(self.base, offer), target, archive, self.disk)
        unpack(archive, package, offer.entry.unpacked_bytes, self.disk)
        self._try(state, offer, package)
        self.disk.remove(archive)
        tree = tree_sha256(package)
        return Installed(offer.sha256, offer.entry.version, offer.entry.contract, tree)

    def _try(self, state: ModelState, offer: Offer, package: Path) -> None:
        self.shelf.save(state.trying(offer.sha256, self.clock()))
        try:
            self.probe(offer.entry.model, package)
        except SHORTAGE:
            self.shelf.save(state)  # it ended, and is not counted; the archive stays
            raise

    def _make_room(self, state: ModelState, offer: Offer) -> None:
        """Clear away old parts, then the previous package, until the new one fits."""
        archive = self.shelf.archive(offer.sha256)
        wanted = offer.target.length + offer.entry.unpacked_bytes
        part = archive.stat().st_size if archive.is_file() else 0
        for path in sorted(archive.parent.glob("*.zip")):
            if path != archive and self.shelf.used() - part + wanted > self.quota:
                self.disk.remove(path)
        if state.previous and self.shelf.used() - part + wanted > self.quota:
            self.shelf.clear(also=[state.previous.sha256])
        over = self.shelf.used() - part + wanted - self.quota
        if over > 0:
            raise QuotaError(f"{over} bytes more than the quota of {self.quota}")

    def _mended(self, model: str) -> ModelState:
        """Forget packages whose files are not what was verified; they may come again."""
        state = self.shelf.state(model)
        current, previous = (
            kept if kept and not self.shelf.damaged(kept) else None
            for kept in (state.current, state.previous)
        )
        if (current, previous) != (state.current, state.previous):
            kept = previous if current else None
            state = replace(state, current=current or previous, previous=kept)
            self.shelf.save(state)
            self.shelf.clear()
        return state

    def _give_up(self, model: str, sha256: str) -> None:
        self.shelf.save(self.shelf.state(model).without(sha256))
        self.shelf.clear()

    def _outcome(self, model: str, status: str, reason: str) -> Outcome:
        current = self.shelf.state(model).current
        return Outcome(model, status, current.version if current else "embedded", reason)


def _status(old: Installed | None, new: Installed | None) -> str:
    if old == new:
        return "unchanged"
    before = layout.number(old.version) if old else (0, 0, 0)
    after = layout.number(new.version) if new else (0, 0, 0)
    return "updated" if after >= before else "went back"


def _words(error: BaseException) -> str:
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return "the disk is full" if full else str(error) or type(error).__name__
