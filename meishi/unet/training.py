"""Training the segmenter: samples to masks, loss, the shared loop."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from meishi.backbone.efficientnet import freeze
from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.files.saved import load_weights
from meishi.geometry import crops
from meishi.keras import keras, tf
from meishi.params import UnetParams
from meishi.train_params import TrainFlatParams, TrainUnetParams
from meishi.training import distribution, loop
from meishi.training.averaging import average_runs
from meishi.training.starting import begin_with, blended, start
from meishi.unet.loss import segmenter_loss
from meishi.unet.model import build_trainer


def train_segmenter(
    samples: SampleSet, unet: UnetParams, train: TrainUnetParams, plan: loop.Plan, weights: Path
) -> tuple[keras.Model, list[dict]]:
    """Train a segmenter on augmented crops.

    Args:
        samples: the crops.
        unet: shape of the segmenter.
        train: schedule and loss.
        plan: order and checkpoints.
        weights: to begin with, used if `train.pretrained`: see `training.continuing`.

    Returns:
        The trainer (see `unet.model.build_trainer`), the mean of all runs, and their history.
    """
    build = partial(build_trainer, unet)
    run = partial(train_once, samples, unet, train, prepare=begin_with(train, weights))
    trained, history = average_runs(run, build, train, plan)
    return blended(trained, build, train, weights), history


def train_once(
    samples: SampleSet,
    unet: UnetParams,
    train: TrainUnetParams | TrainFlatParams,
    plan: loop.Plan,
    prepare: Callable[[keras.Model], None] | None,
) -> tuple[keras.Model, list[dict]]:
    """Train a segmenter in one run.

    Args:
        samples: pictures, with the quad of the card that the mask is of.
        unet: shape of the segmenter.
        train: schedule and loss.
        plan: order and checkpoints.
        prepare: loads weights and freezes layers, see `training.starting.start`.

    Returns:
        The trainer and its history.
    """
    build = partial(build_trainer, unet)
    trainer, optimizer = start(build, train, plan, prepare)
    side = trainer.output_shape[1]
    signature = (tf.TensorSpec((side, side, 1), tf.float32),)
    batches = partial(input_pipeline.batches, samples, partial(_encode, side=side), signature)
    losses = partial(_losses, dice_weight=train.dice_weight)
    history = loop.fit(trainer, optimizer, losses, batches, plan)
    return distribution.collected(trainer, build), history


def begin_at(folder: Path, frozen_blocks: int) -> Callable[[keras.Model], None]:
    """Return what lets a training go on from a saved segmenter.

    Args:
        folder: of `files.saved.save_network`.
        frozen_blocks: backbone blocks whose weights stay as they are.
    """

    def prepare(trainer: keras.Model) -> None:
        load_weights(trainer, folder)
        freeze(trainer, frozen_blocks)

    return prepare


def _encode(quads: np.ndarray, side: int) -> tuple[np.ndarray]:
    mask = crops.soft_mask(quads[0], side) if len(quads) else np.zeros((side, side), np.float32)
    return (mask[..., None],)


def _losses(logits, targets, dice_weight: float) -> dict:
    (mask,) = targets
    total, entropy, dice = segmenter_loss(logits, mask, dice_weight)
    return {"loss": total, "entropy": entropy, "dice_loss": dice}
