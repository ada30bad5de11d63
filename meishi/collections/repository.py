"""The publisher's side: load what is published, change it, publish it; or start anew.

A change is a function that edits the loaded state. If someone else publishes meanwhile, the state
is loaded again and the function called again: nothing is lost, and nothing that one of the two
would have refused passes.
"""

import copy
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import ExpiredMetadataError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from meishi.collections import clocks, layout
from meishi.collections.entries import Offer, needed_archives
from meishi.collections.keys import Keyring
from meishi.collections.signing import Extra, Signer, State
from meishi.collections.store import ConflictError, Store
from meishi.collections.trust import (
    REFUSALS,
    STORE_BASE,
    StoreFetcher,
    make_updater,
    read_offers,
    size_fault,
    verified_targets,
)
from meishi.errors import InputError

ATTEMPTS = 20
# A publisher must be able to mend what has expired: for it, nothing has.
BEFORE_ALL_EXPIRY = datetime(1970, 1, 1, tzinfo=UTC)

Edit = Callable[[State], None]


class StateError(InputError):
    """What is published is not what it should be, or the change cannot be made."""


class Repository:
    """A published folder, with the keys to change it."""

    def __init__(self, store: Store, root: bytes, keys: Keyring, now: datetime) -> None:
        """Open a store.

        Args:
            store: where.
            root: trusted `root.json`, as the app embeds it.
            keys: private keys at hand; none are needed to read.
            now: time at which a change is signed.
        """
        self.store = store
        self.root = root
        self.keys = keys
        self.now = now
        self.clock_is_right = False  # whatever the last signature says

    def load(self) -> State:
        """Read and verify all that is published, expired or not.

        Raises:
            StateError: if anything is missing or refused.
        """
        return self._verified(BEFORE_ALL_EXPIRY, {})

    def change(self, edit: Edit, extra: Extra | None = None) -> State:
        """Publish what `edit` makes of the state; only roles that it altered are signed anew.

        Raises:
            InputError: whatever `edit` raises; nothing is published then.
            StateError: if a client would refuse the result, or others publish all the time.
        """
        for _ in range(ATTEMPTS):
            state, changed = self._edited(edit)
            try:
                self._publish(state, [*changed, *(set(extra or {}) & set(state.roles()))], extra)
                return state
            except ConflictError:
                continue
        raise StateError(
            f"{self.store.address}: others published {ATTEMPTS} times meanwhile; try again"
        )

    def rehearse(self, edit: Edit) -> None:
        """Look whether a change could be published, and write nothing.

        Raises:
            InputError: as `change` does.
        """
        state, changed = self._edited(edit)
        self.require_clock(state)
        Signer(self.store, self.keys, self.now).rehearse(state, changed, {})

    def require_clock(self, state: State) -> None:
        """Refuse to sign by a clock that contradicts the last signature; see clocks.py."""
        if state.raw_timestamp is not None and not self.clock_is_right:
            clocks.require_clock(state, self.now)

    def _edited(self, edit: Edit) -> tuple[State, list[str]]:
        """Return what an edit makes of what is published, and the roles that it altered."""
        state = self.load()
        before = copy.deepcopy({role: m.signed.to_dict() for role, m in state.roles().items()})
        edit(state)
        return state, [r for r, m in state.roles().items() if m.signed.to_dict() != before[r]]

    def publish_first(self, state: State) -> None:
        """Publish a state where nothing was before.

        Raises:
            ConflictError: if someone else does the same.
        """
        self._publish(state, state.roles(), None)

    def check(self, now: datetime) -> list[str]:
        """Verify as a client would, and that every archive is there with its sha256.

        An archive that is withdrawn wherever it is listed may be missing: `gc` removes it.

        And that no file is longer than devices accept, or holds longer than one signed now.

        Returns:
            Faults of what the metadata say; none if all is well.

        Raises:
            StateError: if the metadata are refused.
        """
        state = self._verified(now, {})
        offers: list[Offer] = []
        faults = [*self._size_faults(state), *clocks.ahead(state, now)]
        for name in layout.COLLECTIONS:
            sound, bad = read_offers(state.collections[name].signed, name)
            offers += sound
            faults += bad
        return faults + self.archive_faults(offers, needed_archives(offers))

    @staticmethod
    def _size_faults(state: State) -> list[str]:
        lengths = {"root": len(state.root.to_bytes()), "timestamp": len(state.raw_timestamp or b"")}
        lengths["snapshot"] = state.timestamp.signed.snapshot_meta.length or 0
        for name, meta in state.snapshot.signed.meta.items():
            lengths[name.removesuffix(".json")] = meta.length or 0
        return [fault for role, n in lengths.items() if (fault := size_fault(role, n))]

    def archive_faults(self, offers: Iterable[Offer], needed: set[str]) -> list[str]:
        """Say what is wrong with archives, once each; one not in `needed` may be missing."""
        listed: dict[str, list[Offer]] = {}
        for offer in offers:
            listed.setdefault(layout.archive_path(offer.sha256), []).append(offer)
        return [
            f"{path}: {fault}; listed as {', '.join(o.target.path for o in found)}; put it back "
            "from a copy"
            for path, found in listed.items()
            if (fault := self._archive_fault(path, found, path in needed))
        ]

    def _archive_fault(self, path: str, offers: list[Offer], needed: bool) -> str:
        content = self.store.read(path)
        if content is None:
            return "is missing" if needed else ""
        for offer in offers:
            try:
                offer.target.verify_length_and_hashes(content)
            except REFUSALS as error:
                return str(error)
        return ""

    def _publish(self, state: State, roles: Iterable[str], extra: Extra | None) -> None:
        extra = extra or {}
        signer = Signer(self.store, self.keys, self.now)
        self.require_clock(state)
        signer.rehearse(state, roles, extra)  # what is refused: before anything is written
        for role in dict.fromkeys(roles):
            signer.write_role(state, role, extra)
        signer.write_snapshot(state, extra)
        timestamp = signer.signed_timestamp(state, extra)
        if state.raw_timestamp is not None:
            self._verified(self.now, {layout.TIMESTAMP: timestamp})
        self.store.replace(layout.TIMESTAMP, timestamp, state.raw_timestamp)
        state.raw_timestamp = timestamp

    def _verified(self, now: datetime, unwritten: dict[str, bytes]) -> State:
        raw = unwritten.get(layout.TIMESTAMP) or self.store.read(layout.TIMESTAMP)
        if raw is None:
            others = self.store.ages("metadata", self.now)
            raise StateError(
                f"{self.store.address}: {layout.TIMESTAMP} is missing, though other metadata are "
                "here: a copy that is not whole, or an `init` that has not ended"
                if others
                else f"{self.store.address}: nothing is published here; `meishi collections init`"
            )
        fetcher = StoreFetcher(self.store, {layout.TIMESTAMP: raw, **unwritten})
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            try:
                updater = make_updater(folder, STORE_BASE, fetcher, self.root, now)
                for name in layout.COLLECTIONS:
                    verified_targets(updater, name)
            except REFUSALS as error:
                raise StateError(
                    f"{self.store.address}: refused: {_reason(error, fetcher.last)}"
                ) from error
            return State(
                Metadata[Root].from_file(str(folder / "root.json")),
                Metadata[Timestamp].from_file(str(folder / "timestamp.json")),
                Metadata[Snapshot].from_file(str(folder / "snapshot.json")),
                Metadata[Targets].from_file(str(folder / "targets.json")),
                {
                    name: Metadata[Targets].from_file(str(folder / f"{name}.json"))
                    for name in layout.COLLECTIONS
                },
                raw,
            )


def _reason(error: Exception, file: str) -> str:
    """Say what tuf refuses, of which file, and what helps; `file` is what it asked for last."""
    words = str(error) or type(error).__name__
    if isinstance(error, ExpiredMetadataError):  # names its file, which may be an earlier one
        return f"{words}; `meishi collections refresh` signs anew, with --roles what it leaves out"
    if not file:
        return f"{words}; the fault is in the trusted root: name the root.json that `init` wrote"
    place = words if words.startswith(file) else f"{file}: {words}"
    other = "is the trusted root that of this publication? If so, "
    doubt = other if isinstance(error, UnsignedMetadataError) else ""
    return f"{place}; {doubt}put the file back from the newest copy: `refresh` cannot mend it"
