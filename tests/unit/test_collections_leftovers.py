"""What a publisher that fails leaves behind, and how the share of a version is raised."""

import errno
import os
import time

import pytest

from meishi.collections import edits, founding, keys, publishing
from meishi.collections.disk import Disk
from meishi.collections.store import StoreError
from meishi.errors import InputError
from tests.collections_world import DETECTOR, NOW, at, files_of, keyid_of

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
    old, new = keyid_of(world, role), world.folder / "new"
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
            founding.rotate_key(world.repository, "timestamp", keyid_of(world, "timestamp"), new)
    founding.renew(at_with(world, new), [])
    assert at_with(world, new).check(NOW) == []


def at_with(world, folder):
    repository = at(world, NOW)
    repository.keys.update(keys.load_keys([folder]))
    return repository


def test_a_failed_change_leaves_the_other_keys_of_the_folder(world, monkeypatch):
    fail_at(world, monkeypatch, "metadata/3.targets")
    before = files_of(world)
    with pytest.raises(StoreError):
        founding.rotate_key(
            world.repository, "staging", keyid_of(world, "staging"), world.folder / "keys"
        )
    assert files_of(world) == before


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
