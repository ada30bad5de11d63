"""A card found in a photo."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from meishi.geometry import directions

SCORE_POWER = 0.6  # of the detector's score in the confidence


@dataclass(frozen=True, eq=False)
class CapturedCard:
    """A card found in a photo.

    What is said of how sure it is, is said of the first quad, before another segmentation.

    Attributes:
        score: of the detector in the frame and in the second looks, joined, in [0, 1].
        agreement: soft IoU of the mask and the quad, in [0, 1].
        quad_px: (4, 2) in pixels of the photo, clockwise; may leave it. It begins at the card's own
            top left corner where that is certain enough, and is canonical otherwise.
        box_xyxy: (4,) the detector's box, relative.
        edge_strength: how clear the edges along the quad are, in (0, 1), see
            `refinement.edge_strength`; 1 where it was not asked.
        likeness: of the classifier: how likely it is a card, in [0, 1]; 1 where it was not asked.
        direction_deg: 0, 90, 180 or 270: how far the card is turned clockwise in the photo; 0 also
            where that is in doubt.
        direction_confidence: of the classifier in the likeliest direction, if it is a card, in
            [0, 1]; None where it was not asked.
    """

    score: float
    agreement: float
    quad_px: np.ndarray
    box_xyxy: np.ndarray
    edge_strength: float = 1.0
    likeness: float = 1.0
    direction_deg: int = 0
    direction_confidence: float | None = None

    @property
    def confidence(self) -> float:
        """Say how sure the networks are, in [0, 1]: what cards are refused by.

        The powers are those that count cards best on the validation split. The detector, which has
        learnt from photos without a card, doubts real ones of which the other two are sure.
        """
        return self.score**SCORE_POWER * self.agreement**2 * self.likeness

    def begun_at(self, canonical_px: np.ndarray, start: int) -> Self:
        """Return the card with a canonical quad that begins at another of its corners.

        Args:
            canonical_px: (4, 2) in pixels of the photo.
            start: the corner, 0 to 3, at which the card itself begins.
        """
        quad_px = np.roll(canonical_px, -start, axis=0)
        return replace(self, quad_px=quad_px, direction_deg=directions.QUARTER_DEG * start)
