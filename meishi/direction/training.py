"""Training the direction classifier: flat views to a card's first corner, in the shared loop."""

from functools import partial
from pathlib import Path

import numpy as np

from meishi.data import input_pipeline
from meishi.data.choosing import spread
from meishi.data.samples import SampleSet
from meishi.direction import pp_lcnet
from meishi.direction.model import build_trainer
from meishi.geometry import quads
from meishi.geometry.directions import ANSWERS, NO_CARD, start_of
from meishi.keras import keras, tf
from meishi.params import DirectionParams
from meishi.pictures import images
from meishi.train_params import TrainDirectionParams
from meishi.training import distribution, loop
from meishi.training.averaging import average_runs
from meishi.training.starting import start

ABSORBED = 512  # views over which the published excitation's mean is taken


def train_classifier(
    views: SampleSet,
    direction: DirectionParams,
    train: TrainDirectionParams,
    plan: loop.Plan,
    weights: Path,
) -> tuple[keras.Model, list[dict]]:
    """Train a direction classifier on flat views of cards.

    Args:
        views: the samples; the quad of each is the view itself, from the card's own top left, and
            one that shows no card has none.
        direction: shape of the classifier.
        train: schedule.
        plan: order and checkpoints.
        weights: published ones to begin with, see `pp_lcnet`; used if `train.pretrained`.

    Returns:
        The trainer (see `direction.model.build_trainer`), the mean of all runs, and their history.
    """
    begin = partial(_begin, train=train, weights=weights, views=views)
    build = partial(build_trainer, direction, seed=plan.seed)
    signature = (tf.TensorSpec((), tf.int64),)
    batches = partial(input_pipeline.batches, views, _encode, signature)
    losses = partial(_losses, smoothing=train.label_smoothing)

    def run(plan: loop.Plan) -> tuple[keras.Model, list[dict]]:
        trainer, optimizer = start(build, train, plan, begin if train.pretrained else None)
        history = loop.fit(trainer, optimizer, losses, batches, plan)
        return distribution.collected(trainer, build), history

    return average_runs(run, build, train, plan)


def _encode(card_quads: np.ndarray) -> tuple[np.ndarray]:
    start = start_of(card_quads[0], quads.FRAME) if len(card_quads) else NO_CARD
    return (np.array(start, np.int64),)


def _begin(
    trainer: keras.Model, train: TrainDirectionParams, weights: Path, views: SampleSet
) -> None:
    """Load published weights; the first blocks and all statistics stay as they are."""
    pp_lcnet.load(trainer, weights)
    picks = spread(len(views.jpegs), ABSORBED)
    pictures = [images.decode(views.jpegs[index], "view") for index in picks]
    pp_lcnet.absorb_excitation(trainer, weights, np.stack(pictures))
    blocks = tuple(f"block{number}_" for number in range(train.frozen_blocks))
    frozen = ("stem", *blocks) if blocks else ()
    for layer in trainer.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not (norm or layer.name.startswith(frozen))


def _losses(logits, targets, smoothing: float) -> dict:
    (starts,) = targets
    wanted = tf.one_hot(starts, ANSWERS)
    wanted = wanted * (1 - smoothing) + smoothing / ANSWERS
    entropy = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
    right = tf.cast(tf.argmax(logits, axis=-1) == starts, tf.float32)
    return {"loss": tf.reduce_mean(entropy), "right": tf.reduce_mean(right)}
