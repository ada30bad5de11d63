"""What every training begins with: a network on its devices, with weights, and an optimizer.

And what is left of that beginning in the end, where training went on from a network of before.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from meishi.backbone.efficientnet import freeze, load_imagenet
from meishi.keras import keras
from meishi.train_params import ContinuedTrainParams, TrainParams
from meishi.training import distribution, loop, schedule
from meishi.training.continuing import load_trained


def start(
    build: Callable[[], keras.Model],
    train: TrainParams,
    plan: loop.Plan,
    prepare: Callable[[keras.Model], None] | None = None,
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Build a network and its optimizer in the scope of the strategy that the params name.

    Args:
        build: the network, new.
        train: its section of params.yaml: strategy and schedule.
        plan: of the run.
        prepare: loads weights into it and freezes layers, see `begin_with`.

    Returns:
        Both, made for `loop.fit`.

    Raises:
        InputError: if weights are missing or damaged, or a batch does not divide.
    """
    strategy = distribution.choose(train.strategy, plan.batch)
    with strategy.scope():
        trainer = distribution.synchronised(build())
        if prepare:
            prepare(trainer)
        optimizer = schedule.make_optimizer(
            train.learning_rate, train.warmup_steps, plan.steps, train.weight_decay
        )
    return trainer, optimizer


def begin_with(train: ContinuedTrainParams, weights: Path) -> Callable[[keras.Model], None] | None:
    """Return what loads the weights that a training begins with; None where it begins with none.

    Args:
        train: its section of params.yaml.
        weights: the file, see `training.continuing`.
    """
    return partial(_begin, train, weights) if train.pretrained else None


def _begin(train: ContinuedTrainParams, weights: Path, trainer: keras.Model) -> None:
    load_imagenet(trainer, weights)
    if train.continued:
        load_trained(trainer, weights)
    freeze(trainer, train.frozen_blocks)


def blended(
    trained: keras.Model,
    build: Callable[[], keras.Model],
    train: ContinuedTrainParams,
    weights: Path,
) -> keras.Model:
    """Take the network between the one that a continued training began with and what it made of it.

    It keeps more of what the first one knew and the samples do not show (Wortsman et al. 2022, sec.
    3, where the middle is the choice if nothing decides). All weights are mixed, batch norms' too.

    Args:
        trained: on one device.
        build: the same network, new.
        train: section of params.yaml with what `begin_with` reads, and `trained_share`.
        weights: that it began with.

    Returns:
        `trained` itself where the training is not a continued one, or its share is 1.
    """
    prepare = begin_with(train, weights)
    if prepare is None or not train.continued or train.trained_share == 1:
        return trained
    mixed, share = build(), np.float32(train.trained_share)
    prepare(mixed)
    pairs = zip(mixed.get_weights(), trained.get_weights(), strict=True)
    # In this form frozen weights stay what they were, to the bit.
    mixed.set_weights([first + share * (last - first) for first, last in pairs])
    return mixed
