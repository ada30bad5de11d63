import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.errors import InputError
from meishi.params import load_params
from meishi.report.figures import FIGURES
from meishi.report.gate import GateError, check, judge
from meishi.report.revisions import Snapshot, snapshot
from meishi.rules import GateParams, LimitParams
from tests.unit import history as repository

HIGHER, LOWER = "capture.iou_mean", "capture.corner_error_mean_pct"


@pytest.fixture
def repo(workspace):
    repository.start(workspace)
    repository.change(workspace, "evaluate", HIGHER, 0.9)
    repository.change(workspace, "evaluate", LOWER, 2.0)
    repository.commit(workspace)
    return workspace


def gate(name, limit, loss=1e9):
    return GateParams((LimitParams(name, limit, loss),))


@pytest.mark.parametrize(
    ("name", "limit", "holds"),
    [
        (HIGHER, 0.89, True),
        (HIGHER, 0.9, True),
        (HIGHER, 0.91, False),
        (LOWER, 2.1, True),
        (LOWER, 2.0, True),
        (LOWER, 1.9, False),
    ],
)
def test_a_limit_is_a_floor_or_a_ceiling(repo, name, limit, holds):
    verdict = judge(gate(name, limit), Snapshot(), None)
    assert (len(verdict.passed), len(verdict.failed)) == ((1, 0) if holds else (0, 1))


@pytest.mark.parametrize(
    ("name", "value", "loss", "holds"),
    [
        (HIGHER, 0.88, 0.03, True),
        (HIGHER, 0.89, 0.01, True),  # in floats .9 - .89 is more than .01
        (LOWER, 2.1, 0.1, True),
        (HIGHER, 0.88, 0.01, False),
        (HIGHER, 0.95, 0.0, True),
        (LOWER, 2.2, 0.3, True),
        (LOWER, 2.2, 0.1, False),
        (LOWER, 1.5, 0.0, True),
    ],
)
def test_a_loss_is_measured_against_the_base(repo, name, value, loss, holds):
    repository.change(repo, "evaluate", name, value)
    limit = 0.0 if name == HIGHER else 99.0
    verdict = judge(gate(name, limit, loss), Snapshot(), snapshot("HEAD"))
    assert bool(verdict.failed) is not holds


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.88, "0.880, lost 0.020 against 0.900 of HEAD, allowed 0.010"),
        (0.895, "0.895, lost 0.005 against 0.900 of HEAD, allowed 0.010"),
        (0.91, "0.910, lost nothing against 0.900 of HEAD, allowed 0.010"),
    ],
)
def test_a_loss_is_told_beside_what_is_allowed(repo, value, told):
    repository.change(repo, "evaluate", HIGHER, value)
    verdict = judge(gate(HIGHER, 0.0, 0.01), Snapshot(), snapshot("HEAD"))
    assert (*verdict.passed, *verdict.failed)[-1] == f"{HIGHER}: {told}"


def test_a_loss_on_other_scenes_is_said_to_be_not_judged(repo):
    repository.change(repo, "evaluate", HIGHER, 0.1)
    repository.lock(repo, "scenes of the second day")
    verdict = judge(gate(HIGHER, 0.0, 0.0), Snapshot(), snapshot("HEAD"))
    assert verdict.failed == ()
    assert "HEAD was measured on other scenes" in verdict.open[0]


def test_a_lock_that_records_nothing_is_not_taken_for_the_same_scenes(repo):
    (repo / "dvc.lock").unlink()
    repository.commit(repo)
    assert judge(gate(HIGHER, 0.0, 0.0), Snapshot(), snapshot("HEAD")).open


def test_every_reason_is_in_the_message(repo):
    params = GateParams((LimitParams(HIGHER, 0.95, 0.0), LimitParams(LOWER, 1.0, 0.0)))
    with pytest.raises(GateError) as error:
        list(check(params, Snapshot(), None))
    assert "capture.iou_mean: 0.900, at least 0.950" in str(error.value)
    assert "capture.corner_error_mean_pct: 2.00, at most 1.00" in str(error.value)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([("capture.iou", 0.9, 0.0)], "no headline figure 'capture.iou'"),
        ([("ssd.tflite.one_thread.p50_ms", 9.0, 0.0)], "no headline figure"),
        ([("", 0.9, 0.0)], "no headline figure ''"),
        ([(HIGHER, 0.9, 0.0), (HIGHER, 0.8, 0.0)], "'capture.iou_mean' has two limits"),
    ],
)
def test_an_unusable_limit_is_refused(repo, limits, message):
    params = GateParams(tuple(LimitParams(*limit) for limit in limits))
    with pytest.raises(InputError) as error:
        judge(params, Snapshot(), None)
    assert message in str(error.value)


def test_our_metrics_pass_our_gate(root, monkeypatch):
    monkeypatch.chdir(root)
    assert judge(load_params("gate").gate, Snapshot(), None).failed == ()


class Fixed(Snapshot):
    """A revision whose every figure is one number, measured on scenes that are known."""

    def __init__(self, value):
        super().__init__("fixed")
        object.__setattr__(self, "value", value)

    def metrics(self, name):
        whole = {}
        for figure in FIGURES:
            *parents, last = figure.path.split(".")
            inner = whole
            for key in parents:
                inner = inner.setdefault(key, {})
            inner[last] = self.value
        return whole

    def test_data(self):
        return "known"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from([HIGHER, LOWER]))
def test_a_change_that_is_no_worse_passes_whatever_the_loss(value, gain, loss, name):
    better = value + gain if name == HIGHER else value - gain
    limit = -1.0 if name == HIGHER else 3.0
    verdict = judge(gate(name, limit, loss), Fixed(better), Fixed(value))
    assert verdict.failed == ()
