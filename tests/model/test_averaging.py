"""Several runs of one training: their orders, their mean, and where there is only one."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from meishi.keras import keras
from meishi.training.averaging import average_runs
from meishi.training.loop import Plan
from tests.small_models import TRAIN_UNET

TRAIN = dataclasses.replace(TRAIN_UNET, pretrained=True, continued=True, frozen_blocks=2, runs=3)
PLAN = Plan(samples=12, batch=4, epochs=2, seed=1, checkpoint_steps=5, folder=Path("of"))
FROZEN = np.float32(0.1) + np.zeros((2, 3), np.float32)


def build():
    """Return a frozen layer and one that is trained."""
    picture = keras.Input((2,))
    frozen = keras.layers.Dense(3, use_bias=False, trainable=False)(picture)
    return keras.Model(picture, keras.layers.Dense(2)(frozen))


class Trainings:
    """Stand-ins for trainings: each arrives at other weights."""

    def __init__(self):
        """Nothing is trained yet."""
        self.plans, self.networks = [], []

    def __call__(self, plan):
        """Train once."""
        network = build()
        rng = np.random.default_rng(len(self.plans))
        trained = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]
        network.set_weights([FROZEN, *trained])
        self.plans.append(plan)
        self.networks.append(network)
        return network, [{"step": step, "loss": float(len(self.plans))} for step in (3, 6)]


@pytest.fixture
def trainings():
    return Trainings()


@pytest.mark.parametrize("runs", [2, 3])
def test_the_mean_of_all_runs_is_kept(trainings, runs):
    train = dataclasses.replace(TRAIN, runs=runs)
    found = average_runs(trainings, build, train, PLAN)[0].get_weights()
    every = [network.get_weights() for network in trainings.networks]
    assert len(every) == runs
    for value, *of_runs in zip(found, *every, strict=True):
        np.testing.assert_allclose(value, np.mean(of_runs, axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[0], FROZEN)  # what no run changes, to the bit
    assert not np.allclose(found[1], every[0][1])


def test_each_run_has_its_own_order_and_checkpoints(trainings):
    average_runs(trainings, build, TRAIN, PLAN)
    orders = [plan.order().tolist() for plan in trainings.plans]
    assert orders[0] == PLAN.order().tolist()
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert [sorted(order) for order in orders] == [sorted(orders[0])] * 3
    assert [plan.folder for plan in trainings.plans] == [Path(f"of/run-{n}") for n in range(3)]


def test_the_history_goes_on_from_run_to_run(trainings):
    assert PLAN.steps == 6
    _, history = average_runs(trainings, build, TRAIN, PLAN)
    assert [row["step"] for row in history] == [3, 6, 9, 12, 15, 18]
    assert [row["loss"] for row in history] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("change", [{"runs": 1}, {"continued": False}, {"pretrained": False}])
def test_what_did_not_begin_alike_is_trained_once(trainings, change):
    train = dataclasses.replace(TRAIN, **change)
    network, history = average_runs(trainings, build, train, PLAN)
    assert network is trainings.networks[0] and len(trainings.networks) == 1
    assert [row["step"] for row in history] == [3, 6]


@pytest.mark.parametrize("missing", ["continued", "pretrained"])
def test_params_that_are_of_no_use_are_named(trainings, capsys, missing):
    train = dataclasses.replace(TRAIN, trained_share=0.5, **{missing: False})
    average_runs(trainings, build, train, PLAN)
    assert capsys.readouterr().err.splitlines() == [
        f"training: runs 3 is of no use without `{missing}`: trained once",
        f"training: trained_share 0.5 is of no use without `{missing}`: all is trained",
    ]


@pytest.mark.parametrize("change", [{"trained_share": 0.5}, {"continued": False, "runs": 1}])
def test_nothing_is_said_of_params_that_are_used_or_ask_for_nothing(trainings, capsys, change):
    average_runs(trainings, build, dataclasses.replace(TRAIN, **change), PLAN)
    assert capsys.readouterr().err == ""
