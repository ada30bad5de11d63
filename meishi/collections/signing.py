"""Signing a change: each altered role anew, then the snapshot, and the timestamp last of all.

Files with a version in their name are only ever created. Until the timestamp is replaced no client
sees any of them, so a publisher may stop anywhere; whoever finds a version's name taken, by such
a leftover or by someone at work, takes the next number.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from meishi.collections import layout
from meishi.collections.keys import Keyring, signers
from meishi.collections.store import ConflictError, Store
from meishi.collections.trust import size_fault
from meishi.errors import InputError, summary

SAME_DAYS = 1  # by which clocks of publishers may differ


class SizeError(InputError):
    """A file would be longer than devices accept."""


@dataclass
class State:
    """What is published: the verified metadata of every role, to be changed in place.

    Attributes:
        root: top of the trust.
        timestamp: with the version of the snapshot.
        snapshot: with the version of each role below.
        targets: delegates to the collections.
        collections: by name.
        raw_timestamp: its bytes, to tell whether someone else has published since; None before
            the first time.
    """

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    collections: dict[str, Metadata[Targets]]
    raw_timestamp: bytes | None

    def roles(self) -> dict[str, Metadata[Targets]]:
        """Return what the snapshot lists, by name."""
        return {"targets": self.targets, **self.collections}

    def signers(self, role: str, keys: Keyring) -> list[CryptoSigner]:
        """Return the keys that sign for a role; KeyringError if there are too few."""
        if role in self.collections:
            delegations = self.targets.signed.delegations
            assert delegations is not None and delegations.roles is not None
            return signers(keys, role, delegations.roles[role])
        return signers(keys, role, self.root.signed.roles[role])


Extra = dict[str, list[CryptoSigner]]  # further keys that sign a role, while its key is changed


class Signer:
    """Signs and writes changed roles into a store."""

    def __init__(self, store: Store, keys: Keyring, now: datetime) -> None:
        """Sign with `keys`; expiry counts from `now`."""
        self.store = store
        self.keys = keys
        self.now = now

    def rehearse(self, state: State, roles: Iterable[str], extra: Extra) -> None:
        """Sign what is to be written, and write nothing.

        Raises:
            KeyringError: if there are too few keys for a role.
            SizeError: if a file would be longer than devices accept.
        """
        all_roles: dict[str, Metadata] = {
            **state.roles(),
            "snapshot": state.snapshot,
            "timestamp": state.timestamp,
        }
        faults = []
        for role in dict.fromkeys(("snapshot", "timestamp", *roles)):
            # The file's own number may be longer than this one's by a digit, which is checked
            # again when it is signed.
            content = self._sign(state, role, copy.deepcopy(all_roles[role]), extra)
            faults.append(size_fault(role, len(content)))
        if found := [fault for fault in faults if fault]:
            raise SizeError(f"nothing was published: {summary(found)}")

    def write_role(self, state: State, role: str, extra: Extra) -> None:
        """Create the next version of `targets` or of a collection and note it in the snapshot."""
        metadata = state.roles()[role]
        content = self._create(state, role, metadata, extra)
        state.snapshot.signed.meta[f"{role}.json"] = _meta(metadata, content)

    def write_snapshot(self, state: State, extra: Extra) -> None:
        """Create the next version of the snapshot and note it in the timestamp."""
        content = self._create(state, "snapshot", state.snapshot, extra)
        state.timestamp.signed.snapshot_meta = _meta(state.snapshot, content)

    def signed_timestamp(self, state: State, extra: Extra) -> bytes:
        """Return the next timestamp, not written yet."""
        state.timestamp.signed.version += 1
        return self._sign(state, "timestamp", state.timestamp, extra)

    def _create(self, state: State, role: str, metadata: Metadata, extra: Extra) -> bytes:
        while True:
            metadata.signed.version += 1
            content = self._sign(state, role, metadata, extra)
            if fault := size_fault(role, len(content)):
                raise SizeError(fault)
            try:
                self.store.create(layout.metadata_path(role, metadata.signed.version), content)
                return content
            except ConflictError:
                continue

    def _sign(self, state: State, role: str, metadata: Metadata, extra: Extra) -> bytes:
        before, metadata.signed.expires = metadata.signed.expires, expiry(role, self.now)
        if timedelta() < before - metadata.signed.expires <= timedelta(days=SAME_DAYS):
            metadata.signed.expires = before  # of a clock that is a little ahead: never earlier
        metadata.signatures.clear()
        for signer in [*state.signers(role, self.keys), *extra.get(role, [])]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()


def expiry(role: str, now: datetime) -> datetime:
    """Return when a file that is signed now expires."""
    return now.replace(microsecond=0) + timedelta(days=layout.EXPIRY_DAYS[role])


def _meta(metadata: Metadata, content: bytes) -> MetaFile:
    return MetaFile.from_data(metadata.signed.version, content, ["sha256"])
