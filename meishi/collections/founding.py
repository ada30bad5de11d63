"""The first publication, and new keys later: what concerns who may sign for what."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Role

from meishi.collections import beginning, layout
from meishi.collections.keys import KeyringError, load_keys, make_key, signers
from meishi.collections.repository import Repository, StateError
from meishi.collections.signing import State, expiry
from meishi.collections.store import ConflictError, Store
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes

_FIRST = re.compile(r"metadata/[12]\.")  # what `publish_first` writes, and the root before it
_LEFT = re.compile(r"metadata/2\.(?!root\.)")  # what of it an attempt leaves that ended half way
ROOT_FILE = "root.json"  # in the folder of keys: public, the one file that an app embeds


def found(store: Store, keys: Path, now: datetime) -> Repository:
    """Make keys and publish empty collections, or go on where an earlier attempt ended.

    Args:
        store: where; nothing may be published there.
        keys: folder for the private keys, outside any repository; made if missing. If an attempt
            ended after its root was written, the one with that attempt's keys.
        now: time of signing.

    Returns:
        The repository; its root lies in `keys` as root.json, too.

    Raises:
        InputError: if something is published there, keys exist that are not of an earlier attempt,
            or the store is unfit.
    """
    path = layout.metadata_path("root", 1)
    begun = store.read(path)
    if store.read(layout.TIMESTAMP) is not None:
        raise StateError(f"{store.address}: something is published here already")
    if later := _later(store, now):
        raise StateError(
            f"{store.address}: {layout.TIMESTAMP} is missing, but {later[0]} is here, which no "
            "first publication writes: copy the missing file from where this was copied from; "
            "devices would never follow a new beginning"
        )
    if begun is None and any(keys.glob("*.pem")):
        raise KeyringError(f"{keys}: holds keys already; name an empty folder")
    store.check()
    state = beginning.go_on(keys, begun) if begun else beginning.begin(keys, now)
    if state is None:
        raise StateError(
            f"{store.address}: a publication was begun here, not with the keys in {keys}; name the "
            "folder of those, or remove metadata/ here if nobody is at it any more"
        )
    root = begun or state.root.to_bytes()
    repository = Repository(store, root, load_keys([keys]), now)
    try:
        if begun:
            _clear(store, now)
        else:
            store.create(path, root)
        atomic_write_bytes(keys / ROOT_FILE, root)  # before a device can ask for it
        repository.publish_first(state)
    except ConflictError as error:
        raise StateError(f"{store.address}: someone else publishes here: {error}") from error
    return repository


def _later(store: Store, now: datetime) -> list[str]:
    """List what only stands where collections were published: later versions, and archives."""
    archives = store.ages("archives", now)
    return sorted([*archives, *(p for p in store.ages("metadata", now) if not _FIRST.match(p))])


def _clear(store: Store, now: datetime) -> None:
    """Remove what an attempt left: beside it this one's would be numbered as what comes later."""
    for path in store.ages("metadata", now):
        if _LEFT.match(path):
            store.remove(path)


def open_repository(store: Store, keys: Iterable[Path], root: Path, now: datetime) -> Repository:
    """Open what is published, with the keys of some folders.

    Raises:
        InputError: if `root` or a key cannot be read.
    """
    try:
        trusted = root.read_bytes()
    except OSError as error:
        raise InputError(f"{root}: the trusted root cannot be read: {error.strerror}") from error
    return Repository(store, trusted, load_keys(keys), now)


def rotate_key(repository: Repository, role: str, keyid: str, folder: Path) -> SSlibKey:
    """Replace one key of a role by a new one; devices follow at their next poll.

    Args:
        repository: with root's keys for a top role, with those of targets for a collection, and
            with those of every role that is signed anew. Of timestamp, snapshot and targets the
            old key itself is needed, of the others only if the threshold is not met without it.
        role: root, timestamp, snapshot, targets, staging or release.
        keyid: of the key to revoke, or its beginning.
        folder: where the new private key is written.

    Returns:
        The new public key.

    Raises:
        InputError: if there is no such role or key, or too few keys are at hand. No new key is
            left then, unless a part of the change was published and names it.
    """
    state = repository.load()
    old = _find_key(state, role, keyid)
    name = f"{role}-{_next_number(folder, role)}"
    new = make_key(folder, name)
    try:
        repository.keys.update(load_keys([folder]))
        if role in layout.COLLECTIONS:
            repository.change(lambda state: _exchange_delegated(state, role, old, new))
        else:
            _rotate_top(repository, role, old, new)
    except (Exception, KeyboardInterrupt) as error:
        _take_back(repository, new, folder / f"{name}.pem", error)
        raise
    return new


def _take_back(repository: Repository, new: SSlibKey, file: Path, error: BaseException) -> None:
    """Remove a new key that nothing published names.

    Raises:
        KeyringError: if it is named, or that cannot be told: then it must not be lost.
    """
    try:
        named = new.keyid in _key_ids(repository.load())
    except InputError:
        named = True  # for all that is known
    if named:
        raise KeyringError(
            f"{str(error) or type(error).__name__}; a part of the change may be published: keep "
            f"{file}, and end it with `meishi collections refresh`"
        ) from error
    repository.keys.pop(new.keyid, None)
    file.unlink(missing_ok=True)
    if not any(file.parent.iterdir()):
        file.parent.rmdir()


def _key_ids(state: State) -> set[str]:
    delegations = state.targets.signed.delegations
    return {*state.root.signed.keys, *(delegations.keys if delegations else ())}


def _rotate_top(repository: Repository, role: str, old: str, new: SSlibKey) -> None:
    state = repository.load()
    repository.require_clock(state)
    before = state.root.signed.roles
    roots = signers(repository.keys, "root", before["root"])
    state.root.signed.revoke_key(old, role)
    state.root.signed.add_key(new, role)
    # A client meets the change half way: what it loads must hold under the old root and the new.
    extra = {} if role == "root" else {role: [repository.keys[new.keyid]]}
    if extra:
        repository.change(lambda state: None, extra)
    _write_root(repository, state, roots)
    # A client that asks for a changed timestamp only has to see one, to look for a newer root.
    repository.change(lambda state: None, {role: []} if role == "targets" else {})


def renew(repository: Repository, roles: Iterable[str]) -> None:
    """Sign timestamp and snapshot anew, and further roles, so that they expire later.

    Raises:
        InputError: if there is no such role or too few keys are at hand.
    """
    wanted = set(roles)
    unknown = sorted(wanted - set(layout.KEYS))
    if unknown:
        raise KeyringError(f"roles {unknown}: expected some of {', '.join(layout.KEYS)}")
    if "root" in wanted:
        state = repository.load()
        repository.require_clock(state)
        _write_root(repository, state, signers(repository.keys, "root", _root_role(state)))
    repository.change(lambda state: None, {role: [] for role in wanted - {"root"}})


def _root_role(state: State) -> Role:
    return state.root.signed.roles["root"]


def _write_root(repository: Repository, state: State, before: list[CryptoSigner]) -> None:
    """Create the next root, signed by the keys of the one before and by its own."""
    root = state.root.signed
    root.version += 1
    root.expires = expiry("root", repository.now)
    state.root.signatures.clear()
    own = signers(repository.keys, "root", _root_role(state))
    for signer in {s.public_key.keyid: s for s in [*before, *own]}.values():
        state.root.sign(signer, append=True)
    path = layout.metadata_path("root", root.version)
    try:
        repository.store.create(path, state.root.to_bytes())
    except ConflictError:
        raise StateError(f"{path}: someone else changed the root meanwhile") from None


def _exchange_delegated(state: State, role: str, old: str, new: SSlibKey) -> None:
    signed = state.targets.signed
    signed.revoke_key(old, role)
    signed.add_key(new, role)
    # Any change of the role: it is signed anew, by the new key.
    state.collections[role].signed.version += 1


def _find_key(state: State, role: str, keyid: str) -> str:
    delegations = state.targets.signed.delegations
    assert delegations is not None and delegations.roles is not None
    roles = {**state.root.signed.roles, **delegations.roles}
    if role not in roles:
        raise KeyringError(f"role {role!r}: expected one of {', '.join(roles)}")
    found = [known for known in roles[role].keyids if keyid and known.startswith(keyid)]
    if len(found) != 1:
        raise KeyringError(
            f"{role}: key {keyid!r}: expected one of {', '.join(roles[role].keyids)}"
        )
    return found[0]


def _next_number(folder: Path, role: str) -> int:
    """Return one more than the highest number: keys may have been moved out of the folder."""
    found = (re.fullmatch(rf"{role}-(\d+)\.pem", file.name) for file in folder.glob("*.pem"))
    return max((int(match[1]) for match in found if match), default=0) + 1
