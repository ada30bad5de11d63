"""What a machine that falls short, or another client, may not do: refuse a good package."""

import errno
import threading

import filelock
import pytest

from meishi.collections import installed, trials
from meishi.collections.archive import tree_sha256
from meishi.collections.installed import BusyError
from meishi.collections.trials import ShortageError, Trial, is_shortage
from tests.collections_world import DETECTOR, NOW, days, runs
from tests.unit.collections_scene import NEW, OLD

SHORT = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOSPC, "No space left on device"),
    MemoryError(),
    ShortageError("no thread"),
]


class EndedError(Exception):
    """Stands for an app that ends in a trial."""


def failing(error):
    def probe(model, package):
        raise error

    return probe


@pytest.mark.parametrize("error", SHORT, ids=repr)
def test_a_trial_that_lacks_something_says_nothing_of_the_package(scene, error):
    for _ in range(4):  # more than the trials that may not end: these did
        phone = scene.world.client(scene.site, probe=failing(error))
        outcome = phone.update()[0]
        assert (outcome.status, outcome.version) == ("failed", "1.0.0")
        assert runs(phone) == OLD
    asked = len(scene.site.asked)
    assert scene.phone.update()[0].version == "1.1.0" and runs(scene.phone) == NEW
    assert not any(path.startswith("archives/") for path in scene.site.asked[asked:])


def end(scene, now):
    """Let an app end in a trial, if there is one; return the outcome if not."""
    phone = scene.world.client(scene.site, probe=failing(EndedError()), clock=lambda: now)
    try:
        return phone.update()[0]
    except EndedError:
        return None


def test_a_package_whose_trial_does_not_end_rests_longer_each_time(scene):
    assert end(scene, NOW) is None and end(scene, NOW) is None
    outcome = end(scene, NOW)
    assert (outcome.status, outcome.version) == ("failed", "1.0.0")
    assert "1.1.0: its trial did not end; it is tried again later" in outcome.reason
    assert end(scene, days(0.9)).status == "failed"
    assert end(scene, days(1)) is None  # tried again
    assert end(scene, days(2.9)).status == "failed"
    # It was the system that ended it: the package is good, and taken.
    phone = scene.world.client(scene.site, clock=lambda: days(3))
    assert phone.update()[0].version == "1.1.0"
    assert phone.shelf.state(DETECTOR).begun == ()


def test_another_package_is_tried_while_one_rests(scene):
    for _ in range(2):
        end(scene, NOW)
    scene.world.publish("1.0.5")
    scene.world.promote("1.0.5")
    outcome = scene.world.client(scene.site, clock=lambda: NOW).update()[0]
    assert (outcome.status, outcome.version) == ("failed", "1.0.5")
    assert end(scene, NOW).version == "1.0.5"  # 1.1.0 still rests


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, 0), (2, 1), (3, 2), (7, 32), (8, 32), (10**9, 32)]
)
def test_a_rest_grows_to_a_month(count, wanted):
    trial = Trial("a" * 64, count, int(NOW.timestamp()))
    assert trial.wait_days() == wanted
    assert trial.rests(days(wanted - 0.1)) == (wanted > 0)
    assert not trial.rests(days(wanted))


def test_a_clock_that_was_ahead_lets_no_package_rest():
    assert not Trial("a" * 64, 5, int(days(400).timestamp())).rests(NOW)


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (FileNotFoundError(errno.ENOENT, "no weights"), False),
        (OSError("not a file of ours"), False),
        (ValueError(), False),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("shapes differ"), False),
        (type("ResourceExhaustedError", (Exception,), {})(), True),
        (caused(ValueError(), OSError(errno.EIO, "")), True),
    ],
    ids=repr,
)
def test_is_a_shortage_of_the_machine(error, short):
    assert is_shortage(error) == short


def test_a_shortage_while_the_packages_are_checked_drops_none(scene, monkeypatch):
    scene.attacked()

    def short(path):
        raise OSError(errno.EMFILE, "Too many open files")

    asked = len(scene.site.asked)
    with monkeypatch.context() as patch:
        patch.setattr(installed, "tree_sha256", short)
        assert scene.phone.update()[0].status == "failed"
    assert (scene.phone.update()[0].status, runs(scene.phone)) == ("unchanged", NEW)
    assert not any(path.startswith("archives/") for path in scene.site.asked[asked:])


def test_a_state_that_cannot_be_read_for_now_is_not_thrown_away(scene, monkeypatch):
    scene.attacked()
    read = type(scene.phone.folder).read_text

    def short(path, **options):
        if path.name == "state.json":
            raise OSError(errno.EMFILE, "Too many open files")
        return read(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(scene.phone.folder), "read_text", short)
        phone = scene.world.client(scene.site)
        assert runs(phone) == b"embedded"
        assert phone.update()[0].status == "failed"
    assert runs(scene.world.client(scene.site)) == NEW


def test_two_clients_on_one_folder_wait_for_one_another(scene):
    inside, go_on = threading.Event(), threading.Event()

    def slow(model, package):
        before = tree_sha256(package)
        inside.set()
        go_on.wait(10)
        if tree_sha256(package) != before:
            raise trials.ProbeError("its files changed in the trial")

    first, second = (scene.world.client(scene.site, probe=slow) for _ in range(2))
    found = {}
    threads = [
        threading.Thread(target=lambda one=one, name=name: found.update({name: one.update()[0]}))
        for name, one in (("first", first), ("second", second))
    ]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert [found[name].status for name in ("first", "second")] == ["updated", "unchanged"]
    assert runs(second) == NEW and second.shelf.state(DETECTOR).failed == ()


def test_a_client_that_waits_in_vain_is_told(scene, monkeypatch):
    monkeypatch.setattr(installed, "LOCK_SECONDS", 0.05)
    with filelock.FileLock(scene.phone.folder / ".lock"):
        outcome = scene.attacked()
        assert (outcome.status, outcome.version) == ("failed", "1.0.0")
        assert "another client was at work here" in outcome.reason
        with pytest.raises(BusyError):
            scene.phone.report_failure(DETECTOR)
    assert scene.attacked().version == "1.1.0"


def test_a_failure_in_use_is_of_the_package_that_ran(scene):
    first = scene.world.client(scene.site)
    scene.world.client(scene.site).update()  # another client goes on to 1.1.0
    assert first.report_failure(DETECTOR).version == "1.1.0"
