"""Training the segmenter: samples to masks, loss, the shared loop."""

from functools import partial
from pathlib import Path

import numpy as np

from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.geometry import crops
from meishi.keras import keras, tf
from meishi.params import TrainUnetParams, UnetParams
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

    def run(plan: loop.Plan) -> tuple[keras.Model, list[dict]]:
        trainer, optimizer = start(build, train, plan, begin_with(train, weights))
        side = trainer.output_shape[1]
        signature = (tf.TensorSpec((side, side, 1), tf.float32),)
        batches = partial(input_pipeline.batches, samples, partial(_encode, side=side), signature)
        history = loop.fit(trainer, optimizer, partial(_losses, train=train), batches, plan)
        return distribution.collected(trainer, build), history

    trained, history = average_runs(run, build, train, plan)
    return blended(trained, build, train, weights), history


def _encode(quads: np.ndarray, side: int) -> tuple[np.ndarray]:
    mask = crops.soft_mask(quads[0], side) if len(quads) else np.zeros((side, side), np.float32)
    return (mask[..., None],)


def _losses(logits, targets, train: TrainUnetParams) -> dict:
    (mask,) = targets
    total, entropy, dice = segmenter_loss(logits, mask, train.dice_weight)
    return {"loss": total, "entropy": entropy, "dice_loss": dice}
