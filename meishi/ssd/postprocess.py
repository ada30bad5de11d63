"""From the detector's rows to boxes: threshold, then greedy non-maximum suppression.

This is the NMS that an app applies to the raw head. The shipped pipeline compares boxes as they
are, too: they end at the frame after it.
"""

import numpy as np

from meishi.geometry import boxes


def select(
    coordinates: np.ndarray,
    confidence: np.ndarray,
    score_threshold: float,
    iou_threshold: float,
    max_boxes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the boxes that stand for cards.

    Args:
        coordinates: (A, 4) cxcywh relative to the frame.
        confidence: (A, 1) scores in [0, 1].
        score_threshold: rows below it are dropped.
        iou_threshold: of two boxes that overlap more, the better one stays.
        max_boxes: how many to keep.

    Returns:
        boxes_xyxy (N, 4) clipped to the frame, scores (N,), best first.
    """
    scores = confidence[:, 0]
    rows = np.flatnonzero(scores >= score_threshold)
    boxes_xyxy = boxes.xyxy_from_cxcywh(coordinates[rows])
    kept = boxes.nms(boxes_xyxy, scores[rows], iou_threshold, max_boxes)
    return boxes.clip(boxes_xyxy[kept]), scores[rows][kept]
