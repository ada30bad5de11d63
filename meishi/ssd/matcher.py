"""Assigning ground-truth boxes to anchors (SSD sec. 2.2, matching strategy)."""

from dataclasses import dataclass

import numpy as np

from meishi.geometry import boxes

NO_MATCH = -1  # background: the anchor learns to be silent
IGNORE = -2  # too near a card to be background, too far to be responsible


@dataclass(frozen=True)
class Matcher:
    """Matches by IoU.

    Attributes:
        match_iou: an anchor with at least this IoU to a card becomes responsible for it.
        ignore_iou: below it an anchor is background; in between it takes no part in the loss.
    """

    match_iou: float
    ignore_iou: float

    def __call__(self, gt_boxes_xyxy: np.ndarray, anchors_xyxy: np.ndarray) -> np.ndarray:
        """Find each anchor's ground truth.

        Args:
            gt_boxes_xyxy: (N, 4) relative; N may be 0.
            anchors_xyxy: (A, 4) relative.

        Returns:
            (A,) int64: index of the matched box, NO_MATCH or IGNORE. A box
            also gets its best anchor, whatever the IoU, unless a later box has the same best.
        """
        if len(gt_boxes_xyxy) == 0:
            return np.full(len(anchors_xyxy), NO_MATCH)
        overlap = boxes.iou_matrix(gt_boxes_xyxy, anchors_xyxy)  # (N, A)
        best = overlap.argmax(axis=0)
        best_iou = overlap.max(axis=0)
        match = np.where(best_iou >= self.match_iou, best, IGNORE)
        match = np.where(best_iou < self.ignore_iou, NO_MATCH, match)
        match[overlap.argmax(axis=1)] = np.arange(len(gt_boxes_xyxy))
        return match
