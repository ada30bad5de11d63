"""The simulation: its expectation, its faults, and a small run of the whole."""

import json

import pytest

from meishi.collections import simulated
from meishi.collections.scenario import CLOCKS_MENDED, STEPS, Shelves, Step
from meishi.collections.simulation import FAULTS, Network, simulate


def shelves(*steps):
    made = Shelves()
    for step in steps:
        made.take(step)
    return made


PUBLISH = Step("", "publish", "1.0.0")
PROMOTE = Step("", "promote", "1.0.0", rollout=30)


def test_testers_get_what_is_published_and_users_what_is_promoted():
    staged, released = shelves(PUBLISH), shelves(PUBLISH, PROMOTE)
    numbers = range(500)
    testers = [n for n in numbers if simulated.collection_of(n) == "staging"]
    assert 10 < len(testers) < 50
    assert {n for n in numbers if staged.expected(n, True) == "1.0.0"} == set(testers)
    users = {n for n in numbers if released.expected(n, True) == "1.0.0"} - set(testers)
    assert 100 < len(users) < 200


def test_a_withdrawn_version_is_expected_nowhere():
    gone = shelves(PUBLISH, PROMOTE, Step("", "withdraw", "1.0.0"))
    users = (n for n in range(200) if simulated.collection_of(n) == "release")
    assert {gone.expected(n, True) for n in users} == {"embedded"}


def test_a_flaky_version_is_expected_where_it_does_not_fail():
    flaky = shelves(Step("", "publish", "1.0.0", "flaky"), Step("", "promote", "1.0.0"))
    found = {n: flaky.expected(n, True) for n in range(300)}
    assert {v for n, v in found.items() if simulated.fails_in_use(n, "flaky")} == {"embedded"}
    assert {v for n, v in found.items() if not simulated.fails_in_use(n, "flaky")} == {"1.0.0"}


def test_the_scenario_withdraws_what_it_publishes_badly():
    end = shelves(*STEPS)
    assert {end.expected(n, True) for n in range(200)} == {"1.4.0"}
    assert 0 < CLOCKS_MENDED < len(STEPS)


def test_the_network_draws_each_fault_at_its_rate():
    network = Network(1)
    answers = [network.twist("x") for _ in range(20_000)]
    for name, (percent, _) in FAULTS.items():
        expected = 200 * percent
        assert abs(network.counts[name] - expected) < 6 * max(expected, 1) ** 0.5, name
    assert sum(answer is not None for answer in answers) == sum(network.counts.values())


def test_the_killing_disk_kills_at_its_write(tmp_path):
    disk = simulated.KillingDisk(3)
    disk.write(tmp_path / "a", b"one")  # a write and a rename
    with pytest.raises(simulated.KilledError):
        disk.append(tmp_path / "b", b"four")
    assert (tmp_path / "b").read_bytes() == b"fo"


def test_a_small_simulation_leaves_no_device_behind():
    steps = (PUBLISH, PROMOTE, Step("bad", "publish", "1.1.0", "bad"), Step("", "rotate"))
    report = simulate(10, 1, 0, steps)
    assert (report["stuck"], report["unverified"]) == (0, 0)
    assert report["polls"] >= 10 * len(steps)
    assert report["idle_requests_per_poll"] >= 1
    assert json.loads(json.dumps(report)) == report
