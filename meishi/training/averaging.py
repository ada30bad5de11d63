"""Several runs of one training, each in an order of its own, and the mean of what they arrive at.

Networks that went on from one beginning mostly lie in one basin of the loss, where their mean comes
near an ensemble of them at the price of one (Wortsman et al. 2022, sec. 2, the uniform soup).
"""

from collections.abc import Callable
from typing import Any

from meishi.keras import keras
from meishi.training.loop import Plan

Run = Callable[[Plan], tuple[keras.Model, list[dict]]]


def average_runs(
    run: Run, build: Callable[[], keras.Model], train: Any, plan: Plan
) -> tuple[keras.Model, list[dict]]:
    """Train as often as the params say, and take the mean of all weights, batch norms' too.

    Args:
        run: trains once: the network on one device, and its history.
        build: the same network, new.
        train: section of params.yaml with `pretrained`, `continued` and `runs`. What begins with
            random weights is trained once: there is no mean of two networks that began apart.
        plan: of the first run; each has its own order and checkpoints.

    Returns:
        The network and the histories, one after the other: `step` goes on from run to run.
    """
    runs = train.runs if train.pretrained and train.continued else 1
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
