"""MIL's non-maximum suppression, and the label of a classifier."""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, integer
from meishi.geometry.boxes import nms, xyxy_from_cxcywh
from meishi.keras import tf


def _suppression(o: Arguments) -> tuple:
    """Boxes (n, B, 4) and scores (n, B, K), or the other way round without a score threshold."""
    boxes, scores = concrete(o.boxes), concrete(o.scores)
    newer = o.score_threshold is None  # iOS 17: the number of boxes is the last axis
    if newer:
        boxes, scores = boxes.swapaxes(1, 2), scores.swapaxes(1, 2)
    limit = integer(o.max_boxes)
    chosen = [_chosen(o, b, s)[:limit] for b, s in zip(boxes, scores, strict=True)]
    rows = zip(boxes, scores, chosen, strict=True)
    results = [
        (_filled(b[i], limit), _filled(s[i], limit), _filled(i, limit, -1)) for b, s, i in rows
    ]
    kept_boxes, kept_scores, indices = (np.stack(part) for part in zip(*results, strict=True))
    if newer:
        return kept_boxes.swapaxes(1, 2), kept_scores.swapaxes(1, 2), indices.astype(np.int32)
    counts = np.array([len(rows) for rows in chosen], np.int32)
    return kept_boxes, kept_scores, indices.astype(np.int32), counts


def _chosen(o: Arguments, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    best, labels = scores.max(axis=1), scores.argmax(axis=1)
    threshold = -np.inf if o.score_threshold is None else float(concrete(o.score_threshold))
    candidates = np.flatnonzero(best >= threshold)
    groups = labels[candidates] if o.per_class_suppression else np.zeros_like(candidates)
    kept = [np.empty(0, np.int64)]
    for group in np.unique(groups):
        rows = candidates[groups == group]
        corners = xyxy_from_cxcywh(boxes[rows].astype(np.float64))
        kept.append(rows[nms(corners, best[rows], float(concrete(o.iou_threshold)), len(rows))])
    rows = np.concatenate(kept)
    if not rows.size:  # the best one stays: so coremltools' tests expect it of Core ML
        return best.argmax()[None]
    return rows[np.lexsort((rows, -best[rows]))]


def _filled(values: np.ndarray, length: int, value: int = 0) -> np.ndarray:
    """Pad the first axis to `length`."""
    result = np.full((length, *values.shape[1:]), value, values.dtype)
    result[: len(values)] = values
    return result


def _classify(o: Arguments) -> tuple:
    """The place of the best label and all probabilities; `Program` gives them their names."""
    flat = tf.reshape(o.probabilities, [-1])
    return tf.argmax(flat, output_type=tf.int32), flat


OPS: dict[str, Kernel] = {"classify": _classify, "non_maximum_suppression": _suppression}
