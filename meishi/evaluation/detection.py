"""Quality of a box detector: average precision and counts, as COCO defines them.

Detections of all images are ranked by score; each takes the best box of its image that no better
detection took. Average precision is the mean over 101 recalls of the precision, made monotone
first (pycocotools). Boxes are `boxes_xyxy`; their frame does not matter, as IoU has no scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meishi.geometry import boxes

COCO_THRESHOLDS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())
# Average precision wants the whole curve: nearly every score, more boxes than there are cards.
CURVE_SCORE, CURVE_BOXES = 0.02, 16
RECALL_LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image.

    Attributes:
        boxes_xyxy: (N, 4) boxes.
        scores: (N,) scores, in any order.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve of a detector as its score threshold falls.

    Attributes:
        precision: (N,) share of the first i + 1 detections that are right, not made monotone.
        recall: (N,) share of the ground truth that they find.
        scores: (N,) score of detection i, falling.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray


def precision_recall_curve(
    detections: Sequence[Detections], gt_boxes: Sequence[np.ndarray], iou_threshold: float
) -> PrecisionRecall:
    """Trace precision and recall over all score thresholds.

    Args:
        detections: one entry an image.
        gt_boxes: (M, 4) boxes an image, in the same order.
        iou_threshold: the least overlap of a right detection.

    Returns:
        The curve; empty when nothing was detected.

    Raises:
        ValueError: if the two lists differ in length, or no image has a ground-truth box.
    """
    gt_count = _gt_count(detections, gt_boxes)
    scores = np.concatenate([np.asarray(found.scores, dtype=np.float64) for found in detections])
    right = np.concatenate(
        [
            _matched(found, gt, iou_threshold) >= 0
            for found, gt in zip(detections, gt_boxes, strict=True)
        ]
    )
    order = np.argsort(-scores, kind="stable")
    found_so_far = np.cumsum(right[order])
    ranks = np.arange(1, len(order) + 1)
    return PrecisionRecall(found_so_far / ranks, found_so_far / gt_count, scores[order])


def average_precision(
    detections: Sequence[Detections], gt_boxes: Sequence[np.ndarray], iou_threshold: float
) -> float:
    """Average the precision over 101 recalls, as COCO does.

    Args:
        detections: one entry an image.
        gt_boxes: (M, 4) boxes an image, in the same order.
        iou_threshold: the least overlap of a right detection.

    Returns:
        Average precision in [0, 1].

    Raises:
        ValueError: if the two lists differ in length, or no image has a ground-truth box.
    """
    curve = precision_recall_curve(detections, gt_boxes, iou_threshold)
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    reached = np.searchsorted(curve.recall, RECALL_LEVELS, side="left")
    return float(np.append(envelope, 0.0)[reached].mean())


def detection_metrics(
    detections: Sequence[Detections], gt_boxes: Sequence[np.ndarray], score_threshold: float
) -> dict[str, float]:
    """Summarise a detector.

    Args:
        detections: one entry an image, with low scores too: they belong to average precision.
        gt_boxes: (M, 4) boxes an image, in the same order.
        score_threshold: the least score of a detection that recall and counts consider.

    Returns:
        ap50, ap75, ap50_95: average precision at an IoU of 0.5, 0.75, and over COCO's ten.
        recall: share of the ground truth found at an IoU of 0.5.
        exact_count: share of the images with as many detections as boxes.
        false_positive_empty: share of the images without a card where something was detected;
            0 when there is no such image.

    Raises:
        ValueError: if the two lists differ in length, or no image has a ground-truth box.
    """
    gt_count = _gt_count(detections, gt_boxes)
    precisions = {
        threshold: average_precision(detections, gt_boxes, threshold)
        for threshold in COCO_THRESHOLDS
    }
    sure = [_over(found, score_threshold) for found in detections]
    found_count = sum(
        int((_matched(found, gt, 0.5) >= 0).sum()) for found, gt in zip(sure, gt_boxes, strict=True)
    )
    detected = np.array([len(found.scores) for found in sure])
    present = np.array([len(gt) for gt in gt_boxes])
    empty = present == 0
    return {
        "ap50": precisions[0.5],
        "ap75": precisions[0.75],
        "ap50_95": float(np.mean(list(precisions.values()))),
        "recall": found_count / gt_count,
        "exact_count": float((detected == present).mean()),
        "false_positive_empty": float((detected[empty] > 0).mean()) if empty.any() else 0.0,
    }


def _gt_count(detections: Sequence[Detections], gt_boxes: Sequence[np.ndarray]) -> int:
    if len(detections) != len(gt_boxes):
        raise ValueError(
            f"expected one entry an image in both lists, got detections of {len(detections)} "
            f"images and ground truth of {len(gt_boxes)}"
        )
    count = sum(len(gt) for gt in gt_boxes)
    if count == 0:
        raise ValueError(
            f"average precision is undefined: none of the {len(gt_boxes)} images has a "
            "ground-truth box; evaluate on images with cards too"
        )
    return count


def _over(found: Detections, score_threshold: float) -> Detections:
    sure = np.asarray(found.scores) >= score_threshold
    return Detections(boxes.as_rows(found.boxes_xyxy)[sure], np.asarray(found.scores)[sure])


def _matched(found: Detections, gt_boxes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """(N,) index of the box that each detection of an image takes, -1 for none."""
    overlaps = boxes.iou_matrix(found.boxes_xyxy, gt_boxes)
    matched = np.full(len(overlaps), -1)
    for index in np.argsort(-np.asarray(found.scores), kind="stable"):
        if overlaps.shape[1] == 0:
            break
        best = overlaps[index].argmax()
        if overlaps[index, best] >= iou_threshold:
            matched[index] = best
            overlaps[:, best] = -1.0  # taken
    return matched
