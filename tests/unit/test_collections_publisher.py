"""What a publisher is kept from: a list too long, a wrong clock, what is damaged or none."""

import shutil
from datetime import timedelta

import pytest

from meishi.collections import cli_devices, edits, founding, publishing, signing, trust
from meishi.collections.clocks import ClockError
from meishi.collections.signing import SizeError
from meishi.collections.store import Store
from meishi.errors import InputError
from tests.collections_world import DETECTOR, NOW, at, days, files_of, keyid_of

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


# Packages


@pytest.mark.parametrize(
    ("model", "version", "told"),
    [
        ("", "", "--model, --version: not given; what is no tag needs --model and --version"),
        (DETECTOR, "", "--version: not given"),
        ("", "1.0", "--model: not given.*\n--version '1.0': expected three numbers, as 1.4.0"),
    ],
)
def test_all_that_a_package_lacks_is_told_at_once(tmp_path, model, version, told):
    with pytest.raises(InputError, match=f"^{told}"):
        publishing.from_folder(tmp_path, model, version, [])
    nonsense = tmp_path / "nonsense"
    neither = "nonsense: neither a tag MODEL@vVERSION, .* nor a package: .*, got nothing here"
    with pytest.raises(InputError, match=f"{neither}\n{told}"):
        publishing.from_folder(nonsense, model, version, [])


def test_a_file_is_no_package(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"x")
    with pytest.raises(InputError, match="x.zip: neither a tag .* got a file$"):
        publishing.from_folder(tmp_path / "x.zip", DETECTOR, "1.0.0", [])


# Damage


def verify(world):
    """Run the command; return what it refuses."""
    with pytest.raises(InputError) as refused:
        cli_devices.verify(str(world.public), world.folder / "keys" / "root.json")
    return str(refused.value).removeprefix(f"{world.public}: refused: ")


@pytest.mark.parametrize("file", ["timestamp", "3.snapshot", "3.staging", "2.release", "2.targets"])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_damaged_metadata_are_named_once_with_what_helps(world, file, content):
    world.publish("1.0.0")
    path = world.public / "metadata" / f"{file}.json"
    path.write_bytes(content)
    told = verify(world)
    assert told.startswith(f"metadata/{file}.json: ") and "refused" not in told
    assert told.endswith("; put the file back from the newest copy: `refresh` cannot mend it")
    path.unlink()
    assert f"metadata/{file}.json" in verify(world)


def test_a_root_that_is_none_is_told_from_damage(world):
    (world.folder / "keys" / "root.json").write_text("{}")
    assert "the fault is in the trusted root" in verify(world)


def test_the_root_of_another_publication_is_asked_for(world, tmp_path):
    founding.found(Store(str(tmp_path / "other" / "public")), tmp_path / "other" / "keys", NOW)
    shutil.copy(tmp_path / "other" / "keys" / "root.json", world.folder / "keys" / "root.json")
    assert "is the trusted root that of this publication?" in verify(world)


def test_what_has_expired_is_no_damage(world):
    with pytest.raises(edits.StateError, match=r"is expired; `meishi collections refresh` signs"):
        world.repository.check(days(500))


@pytest.mark.parametrize("left", [b"", b"x", None], ids=["empty", "other", "missing"])
def test_a_damaged_archive_is_told_once_with_all_that_lists_it(world, left):
    world.publish("1.0.0")
    world.promote("1.0.0")
    (archive,) = (world.public / "archives").iterdir()
    archive.unlink()
    if left is not None:
        archive.write_bytes(left)
    told = verify(world)
    listed = f"listed as staging/{DETECTOR}/1.0.0.zip, release/{DETECTOR}/1.0.0.zip"
    assert told.count(archive.name) == 1 and len(told.splitlines()) == 1
    assert told.startswith(f"archives/{archive.name}: ") and listed in told
