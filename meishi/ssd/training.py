"""Training the detector: samples to targets, loss, the shared loop."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.geometry import boxes
from meishi.keras import keras, tf
from meishi.params import SsdParams
from meishi.ssd.box_coder import BoxCoder
from meishi.ssd.loss import detector_loss
from meishi.ssd.matcher import Matcher
from meishi.ssd.model import build_trainer, detector_anchors
from meishi.ssd.targets import CARD, TargetEncoder
from meishi.train_params import TrainSsdParams
from meishi.training import distribution, loop
from meishi.training.averaging import average_runs
from meishi.training.starting import begin_with, blended, start


def train_detector(
    frames: SampleSet, ssd: SsdParams, train: TrainSsdParams, plan: loop.Plan, weights: Path
) -> tuple[keras.Model, list[dict]]:
    """Train a detector on augmented frames.

    Args:
        frames: the samples.
        ssd: shape of the detector.
        train: schedule, matcher, loss.
        plan: order and checkpoints.
        weights: to begin with, used if `train.pretrained`: see `training.continuing`.

    Returns:
        The trainer (see `ssd.model.build_trainer`), the mean of all runs, and their history.
    """
    build = partial(build_trainer, ssd)
    anchors_cxcywh, box_coder = detector_anchors(ssd), BoxCoder(ssd.variances)
    encoder = TargetEncoder(anchors_cxcywh, Matcher(train.match_iou, train.ignore_iou), box_coder)
    rows = len(anchors_cxcywh)
    signature = (tf.TensorSpec((rows,), tf.int32), tf.TensorSpec((rows, 4), tf.float32))
    encode = partial(_encode, encoder=encoder)
    batches = partial(input_pipeline.batches, frames, encode, signature)
    decode = partial(
        box_coder.decode, anchors_cxcywh=np.float32(anchors_cxcywh), exp=tf.exp, concat=tf.concat
    )
    losses = partial(_losses, decode=decode, train=train)

    def run(plan: loop.Plan) -> tuple[keras.Model, list[dict]]:
        trainer, optimizer = start(build, train, plan, begin_with(train, weights))
        history = loop.fit(trainer, optimizer, losses, batches, plan, _matched)
        return distribution.collected(trainer, build), history

    trained, history = average_runs(run, build, train, plan)
    return blended(trained, build, train, weights), history


def _encode(quads, encoder: TargetEncoder):
    return encoder(boxes.from_quads(quads))


def _losses(outputs, targets, decode: Callable, train: TrainSsdParams) -> dict:
    total, score, box = detector_loss(outputs, targets, decode, train)
    return {"loss": total, "score_loss": score, "box_loss": box}


def _matched(targets) -> tf.Tensor:
    roles, _ = targets
    return tf.reduce_sum(tf.cast(roles == CARD, tf.float32))
