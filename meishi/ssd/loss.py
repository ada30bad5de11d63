"""The detector's loss: focal on scores, Huber on offsets, per matched anchor.

Focal loss (Lin et al. 2017, eq. 5) takes the place of SSD's hard-negative mining: it weighs every
anchor, so the few hard rectangles of an empty frame count without a ratio to tune.
"""

from meishi.keras import tf


def focal_loss(logits, match, alpha: float, gamma: float):
    """Sum the focal loss over the anchors of a batch.

    Args:
        logits: (B, A, 1).
        match: (B, A) int32: 1 card, 0 background, -1 ignored.
        alpha: weight of cards against background.
        gamma: focus on hard anchors.

    Returns:
        Scalar sum; divide by the number of matched anchors.
    """
    logits = logits[..., 0]
    card = tf.cast(match == 1, tf.float32)
    counted = tf.cast(match >= 0, tf.float32)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(card, logits)
    score = tf.sigmoid(logits)
    miss = card * (1 - score) + (1 - card) * score
    weight = card * alpha + (1 - card) * (1 - alpha)
    return tf.reduce_sum(counted * weight * miss**gamma * entropy)


def offset_loss(offsets, gt_offsets, match):
    """Sum the Huber loss (smooth L1) over the matched anchors of a batch: scalar."""
    difference = tf.abs(offsets - gt_offsets)
    huber = tf.where(difference < 1, 0.5 * difference**2, difference - 0.5)
    return tf.reduce_sum(tf.cast(match == 1, tf.float32) * tf.reduce_sum(huber, axis=-1))


def detector_loss(
    offsets, logits, match, gt_offsets, alpha: float, gamma: float, box_weight: float
):
    """Combine both losses, normalised by the matched anchors of the batch.

    Returns:
        total, score part, box part: scalars.
    """
    matched = tf.maximum(tf.reduce_sum(tf.cast(match == 1, tf.float32)), 1.0)
    scores = focal_loss(logits, match, alpha, gamma) / matched
    boxes = offset_loss(offsets, gt_offsets, match) / matched
    return scores + box_weight * boxes, scores, boxes
