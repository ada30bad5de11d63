"""The detector's loss: focal on scores, smooth L1 on offsets, GIoU on boxes where it has a weight.

Focal loss (Lin et al. 2017, eq. 5) takes the place of SSD's hard-negative mining: it weighs every
anchor, so the few hard rectangles of an empty frame count without a ratio to tune. Its target for a
matched anchor is 1, or how well the anchor's box fits (Li et al. 2020, eq. 2): then the box that
NMS keeps, the surest, is the one that fits best.
"""

from collections.abc import Callable

from meishi.keras import tf
from meishi.ssd.targets import CARD, IGNORED
from meishi.train_params import TrainSsdParams

TINY_AREA = 1e-7  # of the frame: keeps a ratio of areas defined


def focal_loss(logits, roles, quality, alpha: float, gamma: float):
    """Sum the focal loss over the anchors of a batch.

    Args:
        logits: (B, A, 1).
        roles: (B, A) int32 of each anchor, see `ssd.targets`.
        quality: (B, A) in [0, 1], the target of matched anchors; None if that is 1 for all.
        alpha: weight of cards against background.
        gamma: focus on hard anchors: 1 at least, or 0 for none.

    Returns:
        Scalar sum; divide by the number of matched anchors.
    """
    logits = logits[..., 0]
    card = tf.cast(roles == CARD, tf.float32)
    counted = tf.cast(roles != IGNORED, tf.float32)
    target = card if quality is None else card * quality
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
    score = tf.sigmoid(logits)
    gap = 1 - score if quality is None else tf.abs(quality - score)
    miss = card * gap + (1 - card) * score
    weight = card * alpha + (1 - card) * (1 - alpha)
    # Where nothing is missed powers below 1 have no gradient, and that of 0 is no factor.
    focus = miss**gamma if gamma else 1.0
    return tf.reduce_sum(counted * weight * focus * entropy)


def offset_loss(offsets, gt_offsets, roles, beta: float):
    """Sum the smooth L1 loss over the matched anchors of a batch: scalar.

    Args:
        offsets: (B, A, 4).
        gt_offsets: (B, A, 4).
        roles: (B, A) int32.
        beta: above 0; the error at which it turns from a square to a line (Girshick 2015, eq. 3,
            has 1). The smaller it is, the harder small errors pull beside large ones.
    """
    difference = tf.abs(offsets - gt_offsets)
    smooth = tf.where(difference < beta, 0.5 * difference**2 / beta, difference - 0.5 * beta)
    return tf.reduce_sum(tf.cast(roles == CARD, tf.float32) * tf.reduce_sum(smooth, axis=-1))


def overlap_loss(boxes_cxcywh, gt_boxes_cxcywh, roles):
    """Sum 1 - GIoU (Rezatofighi et al. 2019, algorithm 2) over the matched anchors of a batch.

    Args:
        boxes_cxcywh: (B, A, 4) relative, with area.
        gt_boxes_cxcywh: (B, A, 4).
        roles: (B, A) int32.

    Returns:
        Scalar.
    """
    low, high = _corners(boxes_cxcywh)
    gt_low, gt_high = _corners(gt_boxes_cxcywh)
    shared, union = _shared_and_union(boxes_cxcywh, gt_boxes_cxcywh)
    hull = _area(tf.maximum(high, gt_high) - tf.minimum(low, gt_low))
    giou = shared / (union + TINY_AREA) - (hull - union) / (hull + TINY_AREA)
    return tf.reduce_sum(tf.cast(roles == CARD, tf.float32) * (1 - giou))


def box_iou(boxes_cxcywh, gt_boxes_cxcywh):
    """Measure how well boxes (B, A, 4) fit those of the same place: (B, A) IoU in [0, 1]."""
    shared, union = _shared_and_union(boxes_cxcywh, gt_boxes_cxcywh)
    return shared / (union + TINY_AREA)


def _shared_and_union(boxes_cxcywh, gt_boxes_cxcywh):
    low, high = _corners(boxes_cxcywh)
    gt_low, gt_high = _corners(gt_boxes_cxcywh)
    shared = _area(tf.nn.relu(tf.minimum(high, gt_high) - tf.maximum(low, gt_low)))
    return shared, _area(high - low) + _area(gt_high - gt_low) - shared


def _corners(boxes_cxcywh):
    return (
        boxes_cxcywh[..., :2] - boxes_cxcywh[..., 2:] / 2,
        boxes_cxcywh[..., :2] + boxes_cxcywh[..., 2:] / 2,
    )


def _area(sides):
    return sides[..., 0] * sides[..., 1]


def detector_loss(outputs, targets, decode: Callable, train: TrainSsdParams):
    """Combine the losses, normalised by the matched anchors of the batch.

    Args:
        outputs: offsets (B, A, 4), logits (B, A, 1).
        targets: roles (B, A) int32, ground-truth offsets (B, A, 4), zero where there is no card.
        decode: offsets to boxes, cxcywh relative: that of the box coder, with the anchors.
        train: focal parameters and weights.

    Returns:
        total, score part, box part: scalars.
    """
    offsets, logits = outputs
    roles, gt_offsets = targets
    matched = tf.maximum(tf.reduce_sum(tf.cast(roles == CARD, tf.float32)), 1.0)
    quality = None
    if train.score_target == "iou":  # no gradient: a box is not to fit worse for a surer score
        quality = tf.stop_gradient(box_iou(decode(offsets), decode(gt_offsets)))
    scores = focal_loss(logits, roles, quality, train.focal_alpha, train.focal_gamma) / matched
    boxes = offset_loss(offsets, gt_offsets, roles, train.offset_beta) / matched
    boxes *= train.offset_weight
    if train.overlap_weight:
        overlap = overlap_loss(decode(offsets), decode(gt_offsets), roles) / matched
        boxes += train.overlap_weight * overlap
    return scores + boxes, scores, boxes
