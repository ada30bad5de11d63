"""Who gets what: rollout, selection, gate, contract, archives, keys."""

import dataclasses
import hashlib
import json
import os
import stat
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from meishi.collections import (
    archive,
    contract,
    edits,
    entries,
    founding,
    gate,
    keys,
    layout,
    registry,
)
from meishi.collections.disk import QuickDisk
from meishi.collections.entries import Entry, Offer
from meishi.collections.selection import Device, bucket, choose
from meishi.errors import InputError
from tests.collections_world import (
    CONTRACT,
    DETECTOR,
    OTHER_CONTRACT,
    config,
    keyid_of,
    open_world,
    write_package,
)

ENTRY = Entry(
    DETECTOR, "1.0.0", "", CONTRACT, "15.0", "1.0", "", 10, 100, "1.0.0", "live", {}, "", "test"
)


def offer(version="1.0.0", size=100, **changes):
    entry = dataclasses.replace(ENTRY, version=version, salt=version, **changes)
    sha256 = hashlib.sha256(repr((version, changes)).encode()).hexdigest()
    return Offer(entry, entries.write_target("release", entry, size, sha256))


def device(name="phone", os="17.4", app="1.2"):
    return Device(name, os, app, "release", {DETECTOR: CONTRACT})


def version(offers, one=None, holds=(), failed=frozenset()):
    found = choose(DETECTOR, offers, one or device(), holds, set(failed))
    return found.entry.version if found else None


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_bucket_is_a_share_and_stays(name, salt):
    drawn = bucket(DETECTOR, name, salt)
    assert 0 <= drawn < 100
    assert drawn == bucket(DETECTOR, name, salt)


def test_buckets_are_spread_evenly():
    drawn = [bucket(DETECTOR, str(i), "1.0.0") for i in range(10_000)]
    counts = [sum(low <= value < low + 10 for value in drawn) for low in range(0, 100, 10)]
    # Standard deviation of each count is 30.
    assert min(counts) > 850 and max(counts) < 1150


def test_another_salt_draws_other_devices():
    first = {i for i in range(2000) if bucket(DETECTOR, str(i), "1.0.0") < 10}
    second = {i for i in range(2000) if bucket(DETECTOR, str(i), "1.1.0") < 10}
    assert len(first & second) < len(first) / 3


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=10), st.integers(0, 100), st.integers(0, 100))
def test_raising_a_share_only_adds_devices(name, one, two):
    low, high = sorted((one, two))
    if version([offer(rollout=low)], device(name)):
        assert version([offer(rollout=high)], device(name))


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=10), st.integers(0, 100))
def test_halting_keeps_who_has_it_and_offers_it_to_no_one_else(name, share):
    halted = offer(rollout=share, state="halted")
    assert version([halted], device(name)) is None
    assert version([halted], device(name), holds={halted.sha256}) == "1.0.0"


def test_a_withdrawn_version_is_left_for_the_one_before():
    old, new = offer("1.0.0"), offer("1.1.0", state="withdrawn")
    assert version([old, new], holds={new.sha256}) == "1.0.0"
    assert version([new], holds={new.sha256}) is None


def test_what_failed_is_not_offered():
    old, new = offer("1.0.0"), offer("1.1.0")
    assert version([old, new], failed={new.sha256}) == "1.0.0"


def test_versions_are_compared_as_numbers():
    assert version([offer("1.9.0"), offer("1.10.0")]) == "1.10.0"


@pytest.mark.parametrize(
    ("system", "expected"), [("15.0", "plain"), ("16.5", "int8"), ("18.0", "pal"), ("26.1", "pal")]
)
def test_the_variant_for_the_newest_system_that_the_device_has(system, expected):
    offers = [
        offer(variant="plain", min_os="15.0", size=300),
        offer(variant="int8", min_os="16.0", size=200),
        offer(variant="pal", min_os="18.0", size=100),
    ]
    found = choose(DETECTOR, offers, device(os=system), (), set())
    assert found.entry.variant == expected


def test_of_equal_variants_the_smaller_one():
    offers = [offer(variant="a", size=300), offer(variant="b", size=200)]
    assert choose(DETECTOR, offers, device(), (), set()).entry.variant == "b"


@pytest.mark.parametrize(("app", "expected"), [("1.1", None), ("1.2", "1.0.0"), ("1.10", None)])
def test_only_apps_of_the_range(app, expected):
    assert version([offer(min_app="1.2", max_app="1.9")], device(app=app)) == expected


@settings(deadline=None, max_examples=40)
@given(
    st.builds(
        dataclasses.replace,
        st.just(ENTRY),
        version=st.from_regex(r"[1-9][0-9]?\.[0-9]\.[0-9]", fullmatch=True),
        variant=st.sampled_from(["", "int8", "pal-4"]),
        rollout=st.integers(0, 100),
        notes=st.text(max_size=50),
        unpacked_bytes=st.integers(1, 10**8),
        metrics=st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
    )
)
def test_an_entry_survives_signing_and_reading(entry):
    target = entries.write_target("staging", entry, 10, "0" * 64)
    again = TargetFile.from_dict(json.loads(json.dumps(target.to_dict())), target.path)
    assert entries.read_target(again).entry == entry


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1.2",
        "1.2.3.4",
        "1\u0660.2.3",
        "01.2.3",
        "1.2.x",
        "v1.2.3",
        "1.2.3 ",
        "",
        "-1.2.3",
        "1.2.3/4",
    ],
)
def test_is_no_version_of_a_model(text):
    assert not layout.is_version(text)


@pytest.mark.parametrize("text", ["", "1.", "17.4.1.2", "iOS17", "١٧"])
def test_is_no_version_of_a_system(text):
    with pytest.raises(InputError, match="expected one to three numbers"):
        layout.number(text)


# The publisher's rules


def shares(world, collection="release"):
    state = world.repository.load()
    return {o.entry.version: o.entry.rollout for o in edits.offers(state, collection)}


def test_a_share_is_raised_and_cannot_fall(world):
    world.publish("1.0.0")
    world.promote("1.0.0", 10)
    world.promote("1.0.0", 50)
    assert shares(world) == {"1.0.0": 50}
    with pytest.raises(InputError, match="cannot fall to 20 %"):
        world.promote("1.0.0", 20)
    assert shares(world) == {"1.0.0": 50}


def test_a_halted_version_goes_on_only_if_that_is_asked_for(world):
    world.publish("1.0.0")
    world.promote("1.0.0", 10)
    world.set_state("1.0.0", "halted")
    with pytest.raises(InputError, match="halted at 10 %; `promote --resume --rollout N`"):
        world.promote("1.0.0", 100)
    (halted,) = edits.offers(world.repository.load(), "release")
    assert (halted.entry.state, halted.entry.rollout) == ("halted", 10)
    world.promote("1.0.0", 20, resume=True)
    (live,) = edits.offers(world.repository.load(), "release")
    assert (live.entry.state, live.entry.rollout) == ("live", 20)


def test_promotion_lists_the_same_bytes(world):
    world.publish("1.0.0")
    world.promote("1.0.0")
    state = world.repository.load()
    (staged,), (released,) = (edits.offers(state, name) for name in layout.COLLECTIONS)
    assert staged.sha256 == released.sha256
    assert len(list((world.public / "archives").iterdir())) == 1


@pytest.mark.parametrize("how", ["withdrawn", "halted", "rolled back"])
def test_a_withdrawn_build_does_not_keep_the_others(world, how):
    world.publish("0.9.0", to="release")
    world.publish("1.0.0", to="release")
    world.withdraw("1.0.0")
    world.publish("1.0.0", b"smaller", to="release", variant="int8")
    if how == "rolled back":
        world.repository.change(lambda s: edits.roll_back(s, "release", DETECTOR, ""))
    else:
        world.set_state("1.0.0", how)
    found = edits.find(world.repository.load(), "release", DETECTOR, "1.0.0")
    states = {offer.entry.variant: offer.entry.state for offer in found}
    assert states == {"": "withdrawn", "int8": "halted" if how == "halted" else "withdrawn"}


def test_a_folder_of_keys_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "keys"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(keys.KeyringError, match="is no folder"):
            keys.make_key(folder, "root-1")


REFUSED = {
    "a version that is there": (lambda w: w.publish("1.0.0"), "with the same bytes"),
    "a version that is there with other bytes": (
        lambda w: w.publish("1.0.0", b"other"),
        "with other bytes",
    ),
    "promotion of what is not in staging": (lambda w: w.promote("3.0.0"), "there is 1.0.0"),
    "promotion of a withdrawn one": (
        lambda w: (w.withdraw("1.0.0", "staging"), w.promote("1.0.0")),
        "not live in staging",
    ),
    "withdrawal twice": (
        lambda w: (w.withdraw("1.0.0", "staging"), w.withdraw("1.0.0", "staging")),
        "withdrawn already",
    ),
    "rollback with nothing before": (
        lambda w: w.repository.change(lambda s: edits.roll_back(s, "release", DETECTOR, "")),
        "nothing newer",
    ),
    "rollback to what is not there": (
        lambda w: w.repository.change(lambda s: edits.roll_back(s, "staging", DETECTOR, "0.1.0")),
        "0.1.0: not in staging",
    ),
    "metrics below the floor": (
        lambda w: publish_with(w, {"evaluate": b'{"detection": {"ap50": 0.8}}'}),
        "0.8 is below 0.9",
    ),
    "metrics that are missing": (lambda w: publish_with(w, {"evaluate": b"{}"}), "got None"),
    "metrics that are no number": (
        lambda w: publish_with(w, {"evaluate": b'{"detection": {"ap50": true}}'}),
        "got True",
    ),
    "metrics that are not finite": (
        lambda w: publish_with(w, {"evaluate": b'{"detection": {"ap50": NaN}}'}),
        "got nan",
    ),
    "metrics that are no JSON": (lambda w: publish_with(w, {"evaluate": b"ap"}), "no JSON"),
    "a contract that the apps do not read": (
        lambda w: w.publish("2.0.0", contract=OTHER_CONTRACT),
        "breaks apps that it claims to serve: apps from 1.0 on read contract",
    ),
    "apps of no contract": (lambda w: w.publish("2.0.0", min_app="0.5"), "no contract is stated"),
    "an unknown model": (lambda w: w.publish("1.0.0", model="face-finder"), "not in the configura"),
    "a system that is none": (lambda w: w.publish("2.0.0", min_os="iOS"), "min_os"),
    "a share over 100": (lambda w: w.publish("2.0.0", rollout=101), "rollout"),
    "a variant with a slash": (lambda w: w.publish("2.0.0", variant="a/b"), "variant"),
}


def publish_with(world, metrics):
    from meishi.collections import publishing

    package = write_package(world.folder / "packages" / "x", b"x")
    candidate = publishing.Candidate(package, DETECTOR, "2.0.0", metrics, "test")
    terms = publishing.Terms("15.0", "1.0")
    publishing.publish(
        world.repository, "staging", candidate, terms, config(), lambda package: CONTRACT
    )


@pytest.mark.parametrize("name", REFUSED)
def test_publisher_refuses(world, name):
    world.publish("1.0.0")
    act, reason = REFUSED[name]
    with pytest.raises(InputError, match=reason):
        act(world)
    assert set(shares(world, "staging")) == {"1.0.0"} and shares(world) == {}
    assert world.repository.check(world.repository.now) == []
    assert len(list((world.public / "archives").iterdir())) == 1


def test_rollback_to_a_version_withdraws_all_newer_ones(world):
    for name in ("1.0.0", "1.1.0", "1.2.0"):
        world.publish(name)
    gone = []
    world.repository.change(
        lambda state: gone.extend(edits.roll_back(state, "staging", DETECTOR, "1.0.0"))
    )
    assert gone == ["1.1.0", "1.2.0"]


def test_apps_of_two_contracts_get_a_package_each(world):
    apps = (gate.App("1.0", CONTRACT), gate.App("2.0", OTHER_CONTRACT))
    model = config(*apps).model(DETECTOR)
    gate.check_contract(model, CONTRACT, "1.0", "1.9")
    gate.check_contract(model, OTHER_CONTRACT, "2.0", "")
    for args in [(CONTRACT, "1.0", ""), (CONTRACT, "1.0", "2.0"), (OTHER_CONTRACT, "1.9", "")]:
        with pytest.raises(gate.GateError, match="breaks apps"):
            gate.check_contract(model, *args)


def test_garbage_is_what_nothing_refers_to(world):
    from meishi.collections import publishing

    for name in ("1.0.0", "1.1.0"):
        world.publish(name)
    world.withdraw("1.0.0", "staging")
    (world.public / "archives" / "left-over.zip").write_bytes(b"x")
    assert publishing.collect_garbage(world.repository, 3600) == []
    for file in world.public.rglob("*"):
        os.utime(file, (time.time() - 9999,) * 2)
    gone = publishing.collect_garbage(world.repository, 3600)
    assert sum(path.startswith("archives/") for path in gone) == 2
    assert not any("root" in path for path in gone)
    assert world.repository.check(world.repository.now) == []


def test_a_missing_archive_is_a_fault_as_long_as_one_collection_offers_it(world):
    world.publish("1.0.0")
    world.promote("1.0.0")
    world.withdraw("1.0.0", "staging")
    (archive,) = (world.public / "archives").iterdir()
    archive.unlink()
    (fault,) = world.repository.check(world.repository.now)
    listed = "staging/card-detector/1.0.0.zip, release/card-detector/1.0.0.zip"
    assert fault.startswith(f"archives/{archive.name}: is missing; listed as {listed};")
    world.withdraw("1.0.0")
    assert world.repository.check(world.repository.now) == []


def test_an_archive_that_is_collected_while_it_is_published_is_put_back(world, monkeypatch):
    change = world.repository.change

    def collected(edit):
        (archive,) = (world.public / "archives").iterdir()
        archive.unlink()
        return change(edit)

    monkeypatch.setattr(world.repository, "change", collected)
    world.publish("1.0.0")
    assert world.repository.check(world.repository.now) == []


def test_too_few_keys_are_named_before_anything_is_written(world):
    world.publish("1.0.0")
    before = sorted(p.name for p in world.public.rglob("*"))
    for file in sorted((world.folder / "keys").glob("release-*.pem"))[:2]:
        file.unlink()
    world.repository.keys = open_world(world.folder, world.repository.root).keys
    with pytest.raises(InputError, match="release: needs 2 of its 3 keys, 1 are at hand"):
        world.promote("1.0.0")
    assert sorted(p.name for p in world.public.rglob("*")) == before


def without_key(world, role):
    (world.folder / "keys" / f"{role}-1.pem").unlink()
    return open_world(world.folder, world.repository.root)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_lost_key_of_these_cannot_be_replaced(world, role):
    keyid = keyid_of(world, role)
    with pytest.raises(InputError, match=f"{role}: needs 1 of its 1 keys, 0 are at hand"):
        founding.rotate_key(without_key(world, role), role, keyid, world.folder / "new")


@pytest.mark.parametrize("role", ["staging", "release", "root"])
def test_a_lost_key_of_these_can_be_replaced(world, role):
    keyid = keyid_of(world, role)
    founding.rotate_key(without_key(world, role), role, keyid, world.folder / "new")
    assert world.repository.check(world.repository.now) == []


def test_a_new_key_has_a_number_that_no_key_beside_it_has(world):
    (world.folder / "keys" / "timestamp-1.pem").rename(world.folder / "keys" / "timestamp-2.pem")
    keyid = keys.read_key(world.folder / "keys" / "timestamp-2.pem").public_key.keyid
    founding.rotate_key(world.repository, "timestamp", keyid, world.folder / "keys")
    found = sorted(file.name for file in (world.folder / "keys").glob("timestamp-*.pem"))
    assert found == ["timestamp-2.pem", "timestamp-3.pem"]


def test_keys_are_private_files_and_can_have_a_password(tmp_path, monkeypatch):
    monkeypatch.setenv(keys.PASSWORD, "secret")
    made = keys.make_key(tmp_path / "k", "root-1")
    file = tmp_path / "k" / "root-1.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in file.read_bytes()
    assert list(keys.load_keys([tmp_path / "k"])) == [made.keyid]
    with pytest.raises(InputError, match="never overwritten"):
        keys.make_key(tmp_path / "k", "root-1")
    for password in ("wrong", ""):
        monkeypatch.setenv(keys.PASSWORD, password)
        with pytest.raises(InputError, match="root-1.pem: cannot be read"):
            keys.load_keys([tmp_path / "k"])


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_is_no_key(tmp_path, content):
    (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(InputError, match="x.pem: cannot be read"):
        keys.load_keys([tmp_path])


def test_an_archive_depends_on_the_content_alone(tmp_path):
    one = write_package(tmp_path / "a" / "One.mlpackage", b"weights")
    time.sleep(0.01)
    two = write_package(tmp_path / "b" / "Two.mlpackage", b"weights")
    os.chmod(two / "Manifest.json", 0o600)
    os.utime(two / "Manifest.json", (0, 0))
    assert archive.pack(one) == archive.pack(two)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(), max_size=5))
def test_unpacking_inverts_packing(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("pack")
    package = write_package(folder / "in", b"w")
    for name, content in files.items():
        (package / "Data" / f"{name}.bin").write_bytes(content)
    content, size = archive.pack(package)
    (folder / "x.zip").write_bytes(content)
    archive.unpack(folder / "x.zip", folder / "out", size, QuickDisk())
    assert archive.tree_sha256(folder / "out") == archive.tree_sha256(package)


def test_packages_with_links_are_not_packed(tmp_path):
    package = write_package(tmp_path / "p", b"w")
    (package / "Data" / "link").symlink_to("/etc/hosts")
    with pytest.raises(InputError, match="only files and folders"):
        archive.pack(package)


DESCRIBED = {
    "inputs": [{"name": "image", "kind": "image", "type": "RGB", "shape": [256, 256]}],
    "outputs": [{"name": "confidence", "kind": "array", "type": "fp32", "shape": [4, 1]}],
    "metadata": {"classes": "card", "iou_threshold": "0.45", "author": "one"},
}


def altered(path, value):
    copied = json.loads(json.dumps(DESCRIBED))
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return contract.make_contract(copied).sha256


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", 0, "shape"), [320, 320]),
        (("inputs", 0, "type"), "BGR"),
        (("inputs", 0, "name"), "picture"),
        (("outputs", 0, "type"), "fp16"),
        (("outputs", 0, "shape"), [4, 2]),
        (("metadata", "classes"), "card,note"),
        (("metadata", "iou_threshold"), "0.5"),
        (("metadata", "max_boxes"), "4"),
    ],
)
def test_a_contract_changes_with_what_an_app_reads(path, value):
    assert altered(path, value) != contract.make_contract(DESCRIBED).sha256


def test_a_contract_does_not_change_with_what_is_for_people():
    assert altered(("metadata", "author"), "two") == contract.make_contract(DESCRIBED).sha256


CONFIG = f"""
models:
  - name: card-detector
    package: models/coreml/CardDetector.mlpackage
    bounds:
      - {{metric: "evaluate:detection.ap50", at_least: 0.95}}
    apps:
      - {{since: "1.0", contract: {CONTRACT}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("name: card-detector", "nam: card-detector", "unknown key 'nam'"),
        ("name: card-detector", "name: Card_Detector", "lower case words"),
        ("at_least: 0.95", "at_leats: 0.95", "did you mean 'at_least'"),
        (", at_least: 0.95", "", "neither at_least nor at_most"),
        ("evaluate:detection", "detection", "expected FILE:KEY"),
        ('"1.0"', "1.0", "expected str"),
        ('"1.0"', '"one"', "expected a version"),
        ("models:", "models: 3 #", "cannot be read|expected a list"),
        ("models:", "models: [", "cannot be read"),
    ],
)
def test_a_fault_in_the_configuration_is_named(tmp_path, old, new, reason):
    file = tmp_path / "collections.yaml"
    file.write_text(CONFIG)
    gate.read_config(file)
    file.write_text(CONFIG.replace(old, new))
    with pytest.raises(gate.GateError, match=reason):
        gate.read_config(file)


@pytest.mark.parametrize(
    "text", ["card-detector", "card-detector@1.0.0", "card-detector@v1.0", "Card@v1.0.0", "@v1.0.0"]
)
def test_is_no_registered_version(text):
    assert registry.parse_tag(text) is None


def test_a_tag_names_model_and_version():
    assert registry.parse_tag("card-detector@v1.2.3") == registry.Tag(
        "card-detector@v1.2.3", "card-detector", "1.2.3"
    )
