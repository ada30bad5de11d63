"""Training the direction classifier: flat views to the corner a card begins at, the shared loop."""

from functools import partial
from pathlib import Path

import numpy as np

from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.direction import pp_lcnet
from meishi.direction.model import build_trainer
from meishi.geometry import quads
from meishi.geometry.directions import STARTS, start_of
from meishi.keras import keras, tf
from meishi.params import DirectionParams, TrainDirectionParams
from meishi.training import distribution, loop
from meishi.training.starting import start


def train_classifier(
    views: SampleSet,
    direction: DirectionParams,
    train: TrainDirectionParams,
    plan: loop.Plan,
    weights: Path,
) -> tuple[keras.Model, list[dict]]:
    """Train a direction classifier on flat views of cards.

    Args:
        views: the samples; the quad of each is the view itself, from the card's own top left.
        direction: shape of the classifier.
        train: schedule.
        plan: order and checkpoints.
        weights: published ones to begin with, see `pp_lcnet`; used if `train.pretrained`.

    Returns:
        The trainer (see `direction.model.build_trainer`) and the history.
    """
    prepare = partial(_begin, train=train, weights=weights) if train.pretrained else None
    trainer, optimizer = start(partial(build_trainer, direction), train, plan, prepare)
    signature = (tf.TensorSpec((), tf.int64),)
    batches = partial(input_pipeline.batches, views, _encode, signature)
    losses = partial(_losses, smoothing=train.label_smoothing)
    history = loop.fit(trainer, optimizer, losses, batches, plan)
    return distribution.collected(trainer, partial(build_trainer, direction)), history


def _encode(card_quads: np.ndarray) -> tuple[np.ndarray]:
    return (np.array(start_of(card_quads[0], quads.FRAME), np.int64),)


def _begin(trainer: keras.Model, train: TrainDirectionParams, weights: Path) -> None:
    """Load published weights; the first blocks and all statistics stay as they are."""
    pp_lcnet.load(trainer, weights)
    frozen = ("stem", *(f"block{number}_" for number in range(train.frozen_blocks)))
    for layer in trainer.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not (norm or layer.name.startswith(frozen))


def _losses(logits, targets, smoothing: float) -> dict:
    (starts,) = targets
    wanted = tf.one_hot(starts, STARTS)
    wanted = wanted * (1 - smoothing) + smoothing / STARTS
    entropy = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
    right = tf.cast(tf.argmax(logits, axis=-1) == starts, tf.float32)
    return {"loss": tf.reduce_mean(entropy), "right": tf.reduce_mean(right)}
