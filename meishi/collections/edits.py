"""The changes that a publisher can make to the collections, as functions on the loaded state.

Each checks what it is asked for against what is published and raises before it alters anything.
"""

import dataclasses

from tuf.api.metadata import TargetFile

from meishi.collections import entries, layout
from meishi.collections.entries import Entry, Offer, write_target
from meishi.collections.repository import StateError
from meishi.collections.signing import State
from meishi.collections.trust import read_offers
from meishi.errors import summary


def add(state: State, collection: str, entry: Entry, length: int, sha256: str) -> None:
    """Add a package to a collection.

    Raises:
        StateError: if its version and variant are there, with these bytes or others.
    """
    target = write_target(collection, entry, length, sha256)
    targets = state.collections[collection].signed.targets
    if target.path in targets:
        same = targets[target.path].hashes == target.hashes
        raise StateError(
            f"{target.path}: is there already, with {'the same' if same else 'other'} bytes; a "
            "version is never published twice: give it a new number"
        )
    targets[target.path] = target


def overtaken(state: State, collection: str, entry: Entry) -> str:
    """Say that devices pass over an entry for a newer version of its contract; "" if they do not.

    What is unsound in the list devices pass over, too.
    """
    sound, _ = read_offers(state.collections[collection].signed, collection)
    rivals = [
        o.entry.version
        for o in sound
        if (o.entry.model, o.entry.contract) == (entry.model, entry.contract)
        and o.entry.state != entries.WITHDRAWN
    ]
    newest = max(rivals, key=layout.number, default=entry.version)
    if layout.number(newest) <= layout.number(entry.version):
        return ""
    back = f"rollback {entry.model} --in {collection} --to {entry.version}"
    return (
        f"{collection}: {entry.model} {newest} is newer than {entry.version}: devices that may "
        f"have it pass over {entry.version}; `meishi collections {back}` withdraws all newer ones"
    )


def promote(
    state: State,
    model: str,
    version: str,
    source: str,
    to: str,
    rollout: int,
    resume: bool = False,
) -> None:
    """List a version's packages, the same bytes, in another collection; or raise its share there.

    A version that was published to `to` itself, and is not in `source`, can be raised, too.

    Args:
        state: to change.
        model: name.
        version: three numbers.
        source: collection it is in.
        to: collection it goes to.
        rollout: percent of the devices.
        resume: make it live again if it was halted in `to`.

    Raises:
        StateError: if it is not live in `source` and not in `to` alone, was withdrawn in `to`, was
            halted there and `resume` is not set, or the share would fall: a device that has it
            would lose it.
    """
    if source == to:
        raise StateError(f"from {source} to {to}: nothing to promote")
    live = promotable(state, model, version, source, to)
    there = {o.target.path: o for o in offers(state, to)}
    targets = state.collections[to].signed.targets
    for offer in live:
        raised = dataclasses.replace(offer.entry, state=entries.LIVE, rollout=rollout)
        target = write_target(to, raised, offer.target.length, offer.sha256)
        _check_raise(there.get(target.path), target, rollout, resume)
        targets[target.path] = target


def promotable(state: State, model: str, version: str, source: str, to: str) -> list[Offer]:
    """Return what a promotion lists: what is live in `source`, and the builds in `to` alone.

    Raises:
        StateError: if there is nothing.
    """
    known, there = (
        [o for o in offers(state, name) if (o.entry.model, o.entry.version) == (model, version)]
        for name in (source, to)
    )
    if not known and not there:
        find(state, source, model, version)  # says what there is
    builds = {o.entry.variant for o in known}
    live = [o for o in known if o.entry.state == entries.LIVE]
    if known and not live:
        raise StateError(f"{model} {version} is not live in {source}: nothing to promote")
    alone = [o for o in there if o.entry.variant not in builds]
    left = [o for o in alone if o.entry.state != entries.WITHDRAWN]
    return [*live, *left] or alone


def forget_withdrawn(state: State) -> list[str]:
    """Take withdrawn versions off the lists: devices left them, and pass over what is not listed.

    Returns:
        The names of the targets.
    """
    gone = []
    for collection in state.collections:
        for offer in offers(state, collection):
            if offer.entry.state == entries.WITHDRAWN:
                del state.collections[collection].signed.targets[offer.target.path]
                gone.append(offer.target.path)
    return gone


def _check_raise(old: Offer | None, target: TargetFile, rollout: int, resume: bool) -> None:
    if old is None:
        return
    if old.entry.state == entries.WITHDRAWN:
        raise StateError(f"{target.path}: was withdrawn; publish it under a new version")
    if old.entry.state == entries.HALTED and not resume:
        raise StateError(
            f"{target.path}: was halted at {old.entry.rollout} %; `promote --resume --rollout N` "
            "goes on with it, `withdraw` takes it back"
        )
    if old.target.hashes != target.hashes:
        raise StateError(f"{target.path}: is there with other bytes")
    if rollout < old.entry.rollout:
        raise StateError(
            f"{target.path}: its share is {old.entry.rollout} %, it cannot fall to {rollout} "
            "%; `halt` stops it there, `withdraw` takes it back"
        )


def set_state(state: State, collection: str, model: str, version: str, wanted: str) -> None:
    """Halt or withdraw a version in a collection: those of its builds that are not withdrawn.

    Raises:
        StateError: if it is not there, or all of it is withdrawn already.
    """
    found = find(state, collection, model, version)
    left = [o for o in found if o.entry.state != entries.WITHDRAWN]
    if not left:
        raise StateError(f"{found[0].target.path}: is withdrawn already")
    for offer in left:
        entry = dataclasses.replace(offer.entry, state=wanted)
        target = write_target(collection, entry, offer.target.length, offer.sha256)
        state.collections[collection].signed.targets[target.path] = target


def roll_back(state: State, collection: str, model: str, to: str) -> list[str]:
    """Withdraw every version newer than `to`; without it, the newest that is not withdrawn.

    Returns:
        The versions that were withdrawn.

    Raises:
        StateError: if `to` is not there, or there is nothing to go back from.
    """
    versions = sorted(
        {
            o.entry.version
            for o in offers(state, collection)
            if o.entry.model == model and o.entry.state != entries.WITHDRAWN
        },
        key=layout.number,
    )
    if to and to not in versions:
        raise StateError(f"{model} {to}: not in {collection}; there is {versions or 'none'}")
    newer = [v for v in versions if layout.number(v) > layout.number(to)] if to else versions[-1:]
    if not newer:
        raise StateError(f"{model}: nothing newer than {to or 'the embedded'} in {collection}")
    for version in newer:
        set_state(state, collection, model, version, entries.WITHDRAWN)
    return newer


def find(state: State, collection: str, model: str, version: str) -> list[Offer]:
    """Return every variant of a version.

    Raises:
        StateError: if there is none.
    """
    mine = [o for o in offers(state, collection) if o.entry.model == model]
    found = [o for o in mine if o.entry.version == version]
    if not found:
        known = ", ".join(sorted({o.entry.version for o in mine}, key=layout.number)) or "none"
        raise StateError(f"{model} {version}: not in {collection}; there is {known}")
    return found


def offers(state: State, collection: str) -> list[Offer]:
    """Return the entries of a collection.

    Raises:
        StateError: if one is unsound.
    """
    found, faults = read_offers(state.collections[collection].signed, collection)
    if faults:
        raise StateError(summary(faults))
    return found
