"""Several runs of one training, each in an order of its own, and the mean of what they arrive at.

Networks that went on from one beginning mostly lie in one basin of the loss, where their mean comes
near an ensemble of them at the price of one (Wortsman et al. 2022, sec. 2, the uniform soup).
"""

import sys
from collections.abc import Callable

from meishi.keras import keras
from meishi.train_params import ContinuedTrainParams, RepeatedTrainParams
from meishi.training.loop import Plan

Run = Callable[[Plan], tuple[keras.Model, list[dict]]]


def average_runs(
    run: Run, build: Callable[[], keras.Model], train: RepeatedTrainParams, plan: Plan
) -> tuple[keras.Model, list[dict]]:
    """Train as often as the params say, and take the mean of all weights, batch norms' too.

    Args:
        run: trains once: the network on one device, and its history.
        build: the same network, new.
        train: its section of params.yaml. What begins with random weights is trained once: there is
            no mean of two networks that began apart. stderr then gets a line for `runs` and for
            `trained_share` if they ask for more.
        plan: of the first run; each has its own order and checkpoints.

    Returns:
        The network and the histories, one after the other: `step` goes on from run to run.
    """
    if train.missing:
        _say_what_is_idle(train)
    runs = 1 if train.missing else train.runs
    network, history = run(plan.of_run(0))
    mean = network.get_weights()
    for number in range(1, runs):
        trained, rows = run(plan.of_run(number))
        # In this form weights that are the same in all, frozen ones, stay the same to the bit.
        pairs = zip(mean, trained.get_weights(), strict=True)
        mean = [value + (new - value) / (number + 1) for value, new in pairs]
        history += [row | {"step": row["step"] + number * plan.steps} for row in rows]
    if runs > 1:
        network = build()
        network.set_weights(mean)
    return network, history


def _say_what_is_idle(train: RepeatedTrainParams) -> None:
    # No fault: who sets `continued: false` alone, as CONTRIBUTING says, means just that.
    idle = {}
    if train.runs > 1:
        idle[f"runs {train.runs}"] = "trained once"
    if isinstance(train, ContinuedTrainParams) and train.trained_share < 1:
        idle[f"trained_share {train.trained_share:g}"] = "all is trained"
    for what, instead in idle.items():
        of_no_use = f"is of no use without `{train.missing}`"
        print(f"training: {what} {of_no_use}: {instead}", file=sys.stderr)
