"""Training targets of the detector: the role of each anchor, and its offsets to its card."""

from dataclasses import dataclass

import numpy as np

from meishi.geometry import boxes
from meishi.ssd.box_coder import BoxCoder
from meishi.ssd.matcher import NO_MATCH, Matcher

CARD, BACKGROUND, IGNORED = 1, 0, -1  # the roles of an anchor


@dataclass(frozen=True)
class TargetEncoder:
    """Encodes the boxes of one frame as dense targets.

    Attributes:
        anchors_cxcywh: (A, 4) relative.
        matcher: says which box each anchor matches.
        box_coder: the object that evaluation and export share.
    """

    anchors_cxcywh: np.ndarray
    matcher: Matcher
    box_coder: BoxCoder

    def __call__(self, gt_boxes_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode boxes.

        Args:
            gt_boxes_xyxy: (N, 4) relative.

        Returns:
            roles: (A,) int32, CARD, BACKGROUND or IGNORED.
            offsets: (A, 4) float32, zero where there is no card.
        """
        anchors_xyxy = boxes.xyxy_from_cxcywh(self.anchors_cxcywh)
        match = self.matcher(gt_boxes_xyxy, anchors_xyxy)
        card = match >= 0
        offsets = np.zeros((len(match), 4), np.float32)
        if card.any():
            gt = boxes.cxcywh_from_xyxy(gt_boxes_xyxy)[match[card]]
            offsets[card] = self.box_coder.encode(gt, self.anchors_cxcywh[card])
        roles = np.select([card, match == NO_MATCH], [CARD, BACKGROUND], IGNORED)
        return roles.astype(np.int32), offsets
