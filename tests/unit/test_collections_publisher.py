"""What a publisher is kept from: a list that is too long, and a clock that cannot be right."""

from datetime import timedelta

import pytest

from meishi.collections import edits, founding, signing, trust
from meishi.collections.clocks import ClockError
from meishi.collections.signing import SizeError
from tests.collections_world import NOW, at, days, files_of, keyid_of

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
    before = files_of(world)
    with pytest.raises(SizeError, match=r"nothing was published: .*: [0-9],[0-9]{3} bytes, of"):
        if act == "publish":
            world.publish("1.2.0", notes="y" * 3000)
        else:
            world.promote("1.1.0")
    after = files_of(world)
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


@pytest.mark.parametrize("off", [-400, -9, -1.1])
def test_a_clock_that_contradicts_the_last_signature_signs_nothing(world, off):
    world.publish("1.0.0")
    wrong = at(world, days(off))
    before = files_of(world)
    acts = [
        lambda: wrong.change(lambda state: None),
        lambda: founding.renew(wrong, ["root"]),
        lambda: founding.rotate_key(wrong, "root", keyid_of(world, "root"), world.folder / "new"),
        lambda: publish_at(world, wrong),
    ]
    for act in acts:
        with pytest.raises(ClockError, match=r"refresh --clock-is-right"):
            act()
    kept = {p: c for p, c in files_of(world).items() if "packages" not in p.parts}
    assert kept == {p: c for p, c in before.items() if "packages" not in p.parts}
    assert not (world.folder / "new").exists()


def publish_at(world, repository):
    world.repository = repository
    world.publish("1.1.0")


@pytest.mark.parametrize("off", [-0.9, 0, 8, 31, 90])
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
