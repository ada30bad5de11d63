"""Quality of a box detector: average precision and counts, as COCO defines them.

Detections of all images are ranked by score; each takes the best box of its image that no better
detection took. Average precision is the mean over 101 recalls of the precision, made monotone
first (pycocotools). Boxes are `boxes_xyxy`; their frame does not matter, as IoU has no scale.
"""

from collections.abc import Mapping, Sequence
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
    right = [
        _matched(found, gt, iou_threshold) >= 0
        for found, gt in zip(detections, gt_boxes, strict=True)
    ]
    return _curve([found.scores for found in detections], right, gt_count)


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
    return _average(precision_recall_curve(detections, gt_boxes, iou_threshold))


def sliced_precision(
    detections: Sequence[Detections],
    gt_boxes: Sequence[np.ndarray],
    slices: Mapping[str, Sequence[np.ndarray]],
) -> dict[str, dict[str, float]]:
    """Average the precision on subsets of the boxes, as COCO does on boxes of one size.

    Only images with a box of the slice count. There a detection that takes a box of another slice
    is neither right nor wrong; one that takes none is wrong, in each slice that its image is of.
    Which box a detection takes does not hang on the slice.

    Args:
        detections: one entry an image.
        gt_boxes: (M, 4) boxes an image, in the same order.
        slices: by name, (M,) bool an image: which of its boxes belong to the slice.

    Returns:
        By slice, ap50 and ap50_95.

    Raises:
        ValueError: if the lists differ in length, or a slice has no box.
    """
    _gt_count(detections, gt_boxes)
    pairs = list(zip(detections, gt_boxes, strict=True))
    precisions = {name: np.zeros(len(COCO_THRESHOLDS)) for name in slices}
    for column, threshold in enumerate(COCO_THRESHOLDS):
        taken = [_matched(found, gt, threshold) for found, gt in pairs]
        for name, members in slices.items():
            precisions[name][column] = _average(_slice_curve(detections, taken, members))
    return {
        name: {"ap50": float(row[0]), "ap50_95": float(row.mean())}
        for name, row in precisions.items()
    }


def _slice_curve(
    detections: Sequence[Detections], taken: Sequence[np.ndarray], members: Sequence[np.ndarray]
) -> PrecisionRecall:
    scores, right = [], []
    for found, boxes_taken, inside in zip(detections, taken, members, strict=True):
        if not inside.any():
            continue
        member = (boxes_taken >= 0) & inside[boxes_taken]
        counts = member | (boxes_taken < 0)
        scores.append(np.asarray(found.scores)[counts])
        right.append(member[counts])
    return _curve(scores, right, sum(int(inside.sum()) for inside in members))


def _curve(
    scores: Sequence[np.ndarray], right: Sequence[np.ndarray], gt_count: int
) -> PrecisionRecall:
    """Rank the detections of all images, given by image."""
    if gt_count == 0:
        raise ValueError("average precision is undefined: the slice has no ground-truth box")
    ranked = np.concatenate([np.asarray(values, dtype=np.float64) for values in scores])
    order = np.argsort(-ranked, kind="stable")
    found_so_far = np.cumsum(np.concatenate(right)[order])
    ranks = np.arange(1, len(order) + 1)
    return PrecisionRecall(found_so_far / ranks, found_so_far / gt_count, ranked[order])


def _average(curve: PrecisionRecall) -> float:
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
