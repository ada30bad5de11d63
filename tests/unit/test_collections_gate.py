"""What of a package's figures, apps and share decides at the limit itself."""

import dataclasses
import hashlib

import pytest

from meishi.collections import contract, edits, entries, gate, selection
from meishi.collections.entries import Entry, Offer
from meishi.collections.selection import Device, choose
from tests.collections_world import CONTRACT, DETECTOR, OTHER_CONTRACT

ENTRY = Entry(
    DETECTOR, "1.0.0", "", CONTRACT, "15.0", "1.0", "", 10, 100, "1.0.0", "live", {}, "", "test"
)
FALSE_CARDS = gate.Bound("evaluate:capture.false", at_most=0.05)
PRECISION = gate.Bound("evaluate:capture.false", at_least=0.05)
DESCRIBED = {"inputs": [], "outputs": [], "metadata": {"classes": "card"}}


def checked(bound, value):
    model = gate.Model(DETECTOR, "models/x", (bound,), ())
    return gate.check_metrics(model, {"evaluate": {"capture": {"false": value}}})


def is_offered(os="17.4", app="1.2", **changes):
    entry = dataclasses.replace(ENTRY, **changes)
    sha256 = hashlib.sha256(b"package").hexdigest()
    offer = Offer(entry, entries.write_target("release", entry, 100, sha256))
    phone = Device("phone", os, app, "release", {DETECTOR: CONTRACT})
    return choose(DETECTOR, [offer], phone, (), set()) is not None


def test_a_figure_above_the_most_that_it_may_be_is_refused():
    with pytest.raises(gate.GateError, match="evaluate:capture.false: 0.06 is above 0.05"):
        checked(FALSE_CARDS, 0.06)


@pytest.mark.parametrize("bound", [FALSE_CARDS, PRECISION], ids=["at most", "at least"])
def test_a_figure_at_its_bound_passes(bound):
    assert checked(bound, 0.05) == {"evaluate:capture.false": 0.05}


def test_a_package_for_older_systems_than_it_needs_is_refused():
    with pytest.raises(gate.GateError, match="--min-os 15.0: the package needs system 16.0"):
        gate.check_system("15.0", "16.0")


@pytest.mark.parametrize(("min_os", "offered"), [("", "16.0"), ("16.0", "16.0"), ("17.1", "17.1")])
def test_a_package_is_offered_to_the_system_that_it_needs_or_to_a_newer_one(min_os, offered):
    assert gate.check_system(min_os, "16.0") == offered


@pytest.mark.parametrize("drawn", [0.0, 25.0, 99.99])
def test_a_share_is_of_the_devices_that_draw_less(monkeypatch, drawn):
    monkeypatch.setattr(selection, "bucket", lambda *_: drawn)
    shares = [share for share in (0, 25, 26, 100) if is_offered(rollout=share)]
    assert shares == [share for share in (0, 25, 26, 100) if share > drawn]


@pytest.mark.parametrize(("app", "offered"), [("1.9", True), ("1.9.1", False)])
def test_the_newest_app_of_the_range_is_one_of_it(app, offered):
    assert is_offered(app=app, max_app="1.9") == offered


@pytest.mark.parametrize(("system", "offered"), [("15.0", True), ("14.8", False)])
def test_the_oldest_system_of_a_package_is_one_of_its_own(system, offered):
    assert is_offered(os=system) == offered


@pytest.mark.parametrize(
    "key",
    ["confidence_threshold", "crop_margin", "iou_threshold", "max_boxes", "view_margin"],
)
def test_whatever_number_an_app_reads_is_of_the_contract(key):
    hashes = {
        contract.make_contract(
            DESCRIBED | {"metadata": {"classes": "card"} | ({key: value} if value else {})}
        ).sha256
        for value in ("", "0.2", "0.3")
    }
    assert len(hashes) == 3


@pytest.mark.parametrize("source", ["folder Other.mlpackage", f"{DETECTOR}@v1.0.0 dvc:0f.dir"])
def test_a_contract_that_is_refused_is_that_of_what_is_published(source):
    model = gate.Model(DETECTOR, "models/configured", (), (gate.App("1.0", CONTRACT),))
    with pytest.raises(gate.GateError) as refused:
        gate.check_contract(model, OTHER_CONTRACT, "1.0", "", source)
    said = f"collections.yaml takes that of {source}: contract: {OTHER_CONTRACT}"
    assert str(refused.value).endswith(said) and "configured" not in str(refused.value)


def test_the_gate_is_told_where_a_package_is_from(world):
    with pytest.raises(gate.GateError, match=f"of folder 1.0.0: contract: {OTHER_CONTRACT}$"):
        world.publish("1.0.0", contract=OTHER_CONTRACT)


def overtaken(world, version, **changes):
    entry = dataclasses.replace(ENTRY, version=version, **changes)
    return edits.overtaken(world.repository.load(), "staging", entry)


def test_who_publishes_below_the_newest_version_is_told_what_devices_do(world):
    for name in ("1.9.0", "1.10.0"):
        world.publish(name)
    assert "card-detector 1.10.0 is newer than 1.2.0: devices" in overtaken(world, "1.2.0")
    assert "rollback card-detector --in staging --to 1.2.0" in overtaken(world, "1.2.0")
    world.withdraw("1.10.0", "staging")
    assert "card-detector 1.9.0 is newer" in overtaken(world, "1.2.0")


def test_a_newer_version_for_others_or_none_overtakes_nothing(world):
    assert overtaken(world, "1.0.0") == ""
    world.publish("1.9.0")
    for version in ("1.9.0", "1.10.0"):
        assert overtaken(world, version) == ""
    assert overtaken(world, "1.0.0", contract=OTHER_CONTRACT) == ""
    assert overtaken(world, "1.0.0", model="card-segmenter") == ""


@pytest.mark.parametrize(("to", "withdrawn"), [("", ["1.11.0"]), ("1.9.0", ["1.10.0", "1.11.0"])])
def test_a_rollback_tells_newer_from_older_by_the_numbers_of_a_version(world, to, withdrawn):
    for name in ("1.9.0", "1.10.0", "1.11.0"):
        world.publish(name)
    gone = []
    world.repository.change(
        lambda state: gone.extend(edits.roll_back(state, "staging", DETECTOR, to))
    )
    assert gone == withdrawn


def test_the_share_that_a_version_has_may_be_given_again(world):
    world.publish("1.0.0")
    for _ in range(2):
        world.promote("1.0.0", 50)
    (released,) = edits.offers(world.repository.load(), "release")
    assert released.entry.rollout == 50


def test_other_bytes_of_one_version_do_not_take_the_place_of_those_released(world):
    world.publish("1.0.0")
    world.publish("1.0.0", b"other", to="release")
    with pytest.raises(edits.StateError, match="release/.*: is there with other bytes"):
        world.promote("1.0.0")
