"""The state of a first publication: with new keys, or those of an attempt that ended half way."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)

from meishi.collections import layout
from meishi.collections.keys import load_keys, make_key, read_key, signers
from meishi.collections.signing import State, expiry

Made = dict[str, list[SSlibKey]]  # public keys by role


def begin(keys: Path, now: datetime) -> State:
    """Make keys, and a signed root that names them.

    Args:
        keys: folder for the private keys.
        now: time of signing.

    Raises:
        KeyringError: if a key cannot be made.
    """
    made = {role: [make_key(keys, name) for name in _names(role)] for role in layout.KEYS}
    root = Root(version=1, consistent_snapshot=True)
    for role in _top_roles():
        root.roles[role].threshold = layout.KEYS[role][1]
        for key in made[role]:
            root.add_key(key, role)
    root.expires = expiry("root", now)
    signed = Metadata(root)
    for signer in signers(load_keys([keys]), "root", root.roles["root"]):
        signed.sign(signer, append=True)
    return _empty_state(signed, made)


def go_on(keys: Path, published: bytes) -> State | None:
    """Take up an attempt that published a root and nothing that a device sees.

    Args:
        keys: folder with the private keys of that attempt.
        published: the root.

    Returns:
        The state; None if the root names other keys, or was not signed by them.

    Raises:
        KeyringError: if a key of the folder cannot be read.
    """
    if not keys.is_dir():
        return None
    load_keys([keys])  # says in words which one cannot be read
    try:
        made = {
            role: [read_key(keys / f"{name}.pem").public_key for name in _names(role)]
            for role in layout.KEYS
        }
        signed = Metadata[Root].from_bytes(published)
        root = signed.signed
        root.verify_delegate("root", signed.signed_bytes, signed.signatures)
    except (FileNotFoundError, RepositoryError):
        return None
    for role in _top_roles():
        if {key.keyid for key in made[role]} != set(root.roles[role].keyids):
            return None
    return _empty_state(signed, made)


def _names(role: str) -> list[str]:
    return [f"{role}-{number + 1}" for number in range(layout.KEYS[role][0])]


def _top_roles() -> Iterable[str]:
    return (role for role in layout.KEYS if role not in layout.COLLECTIONS)


def _empty_state(root: Metadata[Root], made: Made) -> State:
    collections = {name: Metadata(Targets()) for name in layout.COLLECTIONS}
    return State(
        root,
        Metadata(Timestamp(snapshot_meta=MetaFile(1))),
        Metadata(Snapshot()),
        Metadata(Targets(delegations=_delegations(made))),
        collections,
        None,
    )


def _delegations(made: Made) -> Delegations:
    roles = {
        name: DelegatedRole(
            name,
            [key.keyid for key in made[name]],
            layout.KEYS[name][1],
            terminating=True,
            paths=[layout.pattern(name)],
        )
        for name in layout.COLLECTIONS
    }
    keys: dict[str, Key] = {key.keyid: key for name in layout.COLLECTIONS for key in made[name]}
    return Delegations(keys, roles)
