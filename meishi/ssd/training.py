"""Training the detector: samples to targets, loss, the shared loop."""

from functools import partial
from pathlib import Path

from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.geometry import boxes
from meishi.keras import keras, tf
from meishi.params import SsdParams, TrainSsdParams
from meishi.ssd.box_coder import BoxCoder
from meishi.ssd.loss import detector_loss
from meishi.ssd.matcher import Matcher
from meishi.ssd.model import build_trainer, detector_anchors
from meishi.ssd.targets import TargetEncoder
from meishi.training import distribution, loop
from meishi.training.starting import imagenet, start


def train_detector(
    frames: SampleSet, ssd: SsdParams, train: TrainSsdParams, plan: loop.Plan, weights: Path
) -> tuple[keras.Model, list[dict]]:
    """Train a detector on augmented frames.

    Args:
        frames: the samples.
        ssd: shape of the detector.
        train: schedule, matcher, loss.
        plan: order and checkpoints.
        weights: the backbone's ImageNet weights, used if `train.pretrained`.

    Returns:
        The trainer (see `ssd.model.build_trainer`) and the history.
    """
    prepare = imagenet(train, weights)
    trainer, optimizer = start(partial(build_trainer, ssd), train, plan, prepare)
    encoder = TargetEncoder(
        detector_anchors(ssd), Matcher(train.match_iou, train.ignore_iou), BoxCoder(ssd.variances)
    )
    rows = len(encoder.anchors_cxcywh)
    signature = (tf.TensorSpec((rows,), tf.int32), tf.TensorSpec((rows, 4), tf.float32))
    encode = partial(_encode, encoder=encoder)
    batches = partial(input_pipeline.batches, frames, encode, signature)
    losses = partial(_losses, train=train)
    history = loop.fit(trainer, optimizer, losses, batches, plan, _matched)
    return distribution.collected(trainer, partial(build_trainer, ssd)), history


def _encode(quads, encoder: TargetEncoder):
    return encoder(boxes.from_quads(quads))


def _losses(outputs, targets, train: TrainSsdParams) -> dict:
    offsets, logits = outputs
    match, gt_offsets = targets
    total, score, box = detector_loss(
        offsets, logits, match, gt_offsets, train.focal_alpha, train.focal_gamma, train.box_weight
    )
    return {"loss": total, "score_loss": score, "box_loss": box}


def _matched(targets) -> tf.Tensor:
    match, _ = targets
    return tf.reduce_sum(tf.cast(match == 1, tf.float32))
