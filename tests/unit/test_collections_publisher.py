"""What a publisher is kept from: too long a list, a wrong clock, half a key, waste; and a share."""

import errno
import os
import time
from datetime import timedelta

import pytest

from meishi.collections import edits, founding, keys, publishing, signing, trust
from meishi.collections.clocks import ClockError
from meishi.collections.disk import Disk
from meishi.collections.signing import SizeError
from meishi.collections.store import StoreError
from meishi.errors import InputError
from tests.collections_world import DETECTOR, NOW, days, make_world, open_world


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    return tmp_path_factory.mktemp("founded")


@pytest.fixture
def world(founded, tmp_path):
    return make_world(founded, tmp_path)


def files(world):
    return {p: p.read_bytes() for p in world.folder.rglob("*") if p.is_file()}


def at(world, now):
    """The same publisher at another time by its clock."""
    return open_world(world.folder, world.repository.root, now)


# Size


def narrow(monkeypatch, limit):
    """Let devices accept less, so that a few entries are too many."""
    monkeypatch.setattr(trust.CONFIG, "targets_max_length", limit)


def test_the_limit_of_a_list_is_the_devices_own():
    assert trust.max_bytes("release") == trust.CONFIG.targets_max_length == 1_000_000
    assert trust.size_fault("release", 1_000_000) is None
    assert "1,000,001 bytes" in trust.size_fault("release", 1_000_001)


@pytest.mark.parametrize("act", ["publish", "promote"])
def test_a_list_that_devices_would_refuse_is_not_written(world, monkeypatch, act):
    world.publish("1.0.0")
    world.publish("1.1.0", notes="x" * 3000)
    narrow(monkeypatch, 6000 if act == "publish" else 3500)
    before = files(world)
    with pytest.raises(SizeError, match=r"nothing was published: .*: [0-9],[0-9]{3} bytes, of"):
        if act == "publish":
            world.publish("1.2.0", notes="y" * 3000)
        else:
            world.promote("1.1.0")
    after = files(world)
    archives = {path for path in after if path.parent.name == "archives"}
    assert {p: c for p, c in after.items() if "packages" not in p.parts} == {
        p: c for p, c in before.items() if "packages" not in p.parts
    }
    assert len(archives) == 2


def test_verify_names_a_list_that_is_too_long(world, monkeypatch):
    world.publish("1.0.0", notes="x" * 3000)
    assert world.repository.check(NOW) == []
    narrow(monkeypatch, 3000)
    (fault,) = world.repository.check(NOW)
    assert fault.startswith("staging: ") and "accept at most 3,000" in fault


def test_withdrawn_versions_can_be_taken_off_the_lists(world):
    for version in ("1.0.0", "1.1.0"):
        world.publish(version)
    world.withdraw("1.0.0", "staging")
    world.repository.change(lambda state: edits.forget_withdrawn(state))
    state = world.repository.load()
    assert [o.entry.version for o in edits.offers(state, "staging")] == ["1.1.0"]
    assert edits.forget_withdrawn(state) == []


# Clocks


@pytest.mark.parametrize("off", [-400, -9, -1.1, 31, 4000])
def test_a_clock_that_contradicts_the_last_signature_signs_nothing(world, off):
    world.publish("1.0.0")
    wrong = at(world, days(off))
    before = files(world)
    acts = [
        lambda: wrong.change(lambda state: None),
        lambda: founding.renew(wrong, ["root"]),
        lambda: founding.rotate_key(wrong, "root", key(world, "root"), world.folder / "new"),
        lambda: publish_at(world, wrong),
    ]
    for act in acts:
        with pytest.raises(ClockError, match=r"refresh --clock-is-right"):
            act()
    kept = {p: c for p, c in files(world).items() if "packages" not in p.parts}
    assert kept == {p: c for p, c in before.items() if "packages" not in p.parts}
    assert not (world.folder / "new").exists()


def key(world, role):
    return keys.read_key(world.folder / "keys" / f"{role}-1.pem").public_key.keyid


def publish_at(world, repository):
    world.repository = repository
    world.publish("1.1.0")


@pytest.mark.parametrize("off", [-0.9, 0, 8, 29])
def test_a_clock_that_can_be_right_signs(world, off):
    world.publish("1.0.0")
    before = world.repository.load().timestamp.signed.expires
    at(world, days(off)).change(lambda state: None)
    assert world.repository.load().timestamp.signed.expires >= before  # never earlier


@pytest.mark.parametrize("off", [-400, 400])
def test_who_knows_that_the_clock_is_right_can_go_on(world, off):
    world.publish("1.0.0")
    right = at(world, days(off))
    right.clock_is_right = True
    founding.renew(right, ["root", "targets", "staging", "release"])
    assert right.check(days(off)) == []
    at(world, days(off)).change(lambda state: None)  # now the last signature agrees


def test_verify_names_what_a_clock_that_was_ahead_signed(world):
    world.publish("1.0.0")
    early = at(world, days(20))
    early.change(lambda state: None)
    faults = world.repository.check(NOW)
    assert [fault.split(" ")[0] for fault in faults] == ["timestamp", "snapshot"]
    assert "signed by a clock that was ahead" in faults[0]


def test_a_signature_of_a_clock_that_is_a_little_late_holds_as_long(world):
    metadata = world.repository.load().timestamp
    hour = timedelta(hours=1)
    signer = signing.Signer(world.repository.store, world.repository.keys, NOW - hour)
    before = metadata.signed.expires
    state = world.repository.load()
    signer.signed_timestamp(state, {})
    assert state.timestamp.signed.expires == before


# Keys


def fail_at(world, monkeypatch, path):
    """Let the store fail at the first write of a path that begins so."""
    store = world.repository.store

    def failing(write):
        def act(name, *rest):
            if name.startswith(path):
                raise StoreError(f"{name}: cannot be written")
            return write(name, *rest)

        return act

    for name in ("create", "replace"):
        monkeypatch.setattr(store, name, failing(getattr(store, name)))


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("staging", "metadata/3.targets"),
        ("staging", "metadata/timestamp"),
        ("timestamp", "metadata/timestamp"),
        ("root", "metadata/2.root"),
    ],
)
def test_a_change_of_key_that_fails_leaves_no_key(world, monkeypatch, role, path):
    old, new = key(world, role), world.folder / "new"
    with monkeypatch.context() as patch:
        fail_at(world, patch, path)
        with pytest.raises(StoreError, match="cannot be written"):
            founding.rotate_key(world.repository, role, old, new)
    assert not new.exists()
    founding.rotate_key(world.repository, role, old, new)
    assert [p.name for p in new.iterdir()] == [f"{role}-1.pem"]
    assert world.repository.check(NOW) == []


def test_a_new_key_that_is_published_in_part_is_kept(world, monkeypatch):
    new = world.folder / "new"
    calls = []
    change = world.repository.change

    def second_fails(edit, extra=None):
        calls.append(1)
        if len(calls) == 2:
            raise StoreError("the disk is gone")
        return change(edit, extra)

    with monkeypatch.context() as patch:
        patch.setattr(world.repository, "change", second_fails)
        with pytest.raises(keys.KeyringError, match=r"keep .*timestamp-1.pem, and end it"):
            founding.rotate_key(world.repository, "timestamp", key(world, "timestamp"), new)
    founding.renew(at_with(world, new), [])
    assert at_with(world, new).check(NOW) == []


def at_with(world, folder):
    repository = at(world, NOW)
    repository.keys.update(keys.load_keys([folder]))
    return repository


def test_a_failed_change_leaves_the_other_keys_of_the_folder(world, monkeypatch):
    fail_at(world, monkeypatch, "metadata/3.targets")
    before = files(world)
    with pytest.raises(StoreError):
        founding.rotate_key(
            world.repository, "staging", key(world, "staging"), world.folder / "keys"
        )
    assert files(world) == before


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_key_that_cannot_be_written_whole_is_none(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            keys.make_key(tmp_path, "root-1")
    assert list(tmp_path.iterdir()) == []
    keys.make_key(tmp_path, "root-1")


# Waste


def test_a_write_that_fails_leaves_nothing_beside_the_file(tmp_path, monkeypatch):
    disk = Disk()
    disk.write(tmp_path / "a.zip", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            disk.write(tmp_path / "a.zip", b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.zip": b"old"}


def test_what_a_killed_publisher_left_half_written_is_collected(world):
    world.publish("1.0.0")
    left = [
        world.public / "archives" / f".{'a' * 64}.zip.writing",
        world.public / "metadata" / ".timestamp.json.writing",
    ]
    for file in left:
        file.write_bytes(b"x")
    assert publishing.collect_garbage(world.repository, 3600) == []  # someone may be at it
    for file in left:
        os.utime(file, (time.time() - 9999,) * 2)
    gone = publishing.collect_garbage(world.repository, 3600)
    assert gone == [f"{file.parent.name}/{file.name}" for file in left]
    assert not any(file.exists() for file in left)
    assert (world.public / ".lock").exists()


# Shares


def shares(world):
    found = edits.offers(world.repository.load(), "release")
    return {(o.entry.variant or "only"): (o.entry.rollout, o.entry.state) for o in found}


def test_a_share_of_what_was_published_to_release_is_raised(world):
    world.publish("1.0.0", to="release", rollout=10)
    publishing.require_archives(world.repository, "staging", "release", DETECTOR, "1.0.0")
    world.promote("1.0.0", 50)
    assert shares(world) == {"only": (50, "live")}
    with pytest.raises(InputError, match="cannot fall to 20 %"):
        world.promote("1.0.0", 20)
    world.set_state("1.0.0", "halted")
    with pytest.raises(InputError, match="was halted at 50 %"):
        world.promote("1.0.0", 60)
    world.promote("1.0.0", 60, resume=True)
    assert shares(world) == {"only": (60, "live")}
    world.withdraw("1.0.0")
    with pytest.raises(InputError, match="was withdrawn"):
        world.promote("1.0.0", 100, resume=True)


def test_builds_in_release_alone_are_raised_with_the_others(world):
    world.publish("1.0.0")
    world.publish("1.0.0", b"int8" * 99, to="release", variant="int8", rollout=10)
    world.promote("1.0.0", 30)
    assert shares(world) == {"only": (30, "live"), "int8": (30, "live")}


def test_what_testers_lost_is_not_raised_for_everyone(world):
    world.publish("1.0.0")
    world.promote("1.0.0", 10)
    world.withdraw("1.0.0", "staging")
    with pytest.raises(InputError, match="not live in staging"):
        world.promote("1.0.0", 100)
    assert shares(world) == {"only": (10, "live")}
