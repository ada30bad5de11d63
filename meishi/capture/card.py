"""A card found in a photo."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from meishi.capture.ranking import logits
from meishi.geometry import directions
from meishi.params import ConfidenceParams

SCORE_POWER = 0.6  # of the detector's score in the merit
LEAST_AGREEMENT = 0.5  # below, what was segmented is taken to have no four sides


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
        likeness: of the classifier: how likely it is a card, in [0, 1]; None if it was not asked.
        probability: of its being a card, by all three, in (0, 1), see `judged`; None without the
            classifier.
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
    likeness: float | None = None
    probability: float | None = None
    direction_deg: int = 0
    direction_confidence: float | None = None

    @property
    def merit(self) -> float:
        """Say how good a quad is beside others of the same card, in [0, 1].

        Here agreement counts for more than in the confidence: a quad that fits its mask ill is none
        the less a card's.
        """
        likeness = 1.0 if self.likeness is None else self.likeness
        return self.score**SCORE_POWER * self.agreement**2 * likeness

    @property
    def confidence(self) -> float:
        """Say how sure it is, in [0, 1], what cards are refused by: the probability, or the merit.

        The merit where the classifier was not asked: with two networks alone, logits tell cards
        from others no better. Then a threshold of its own suits it.
        """
        return self.merit if self.probability is None else self.probability

    def judged(self, likeness: float, weights: ConfidenceParams) -> Self:
        """Return the card with the classifier's word, and how likely the quad then shows a card.

        A logistic regression on the logits of all three answers, within the limits of
        `ranking.SURE`. One that is nearly certain outweighs another that doubts, which no product
        of their answers allows: of a card without a letter the detector is, and the classifier is
        not. So none of them has a veto.

        Args:
            likeness: in [0, 1].
            weights: of the logits.
        """
        said = logits(np.array([self.score, self.agreement, likeness]))
        evidence = said @ (weights.score, weights.agreement, weights.likeness) + weights.bias
        probability = float(1 / (1 + np.exp(-evidence)))
        return replace(self, likeness=likeness, probability=probability)

    def begun_at(self, canonical_px: np.ndarray, start: int) -> Self:
        """Return the card with a canonical quad that begins at another of its corners.

        Args:
            canonical_px: (4, 2) in pixels of the photo.
            start: the corner, 0 to 3, at which the card itself begins.
        """
        quad_px = np.roll(canonical_px, -start, axis=0)
        return replace(self, quad_px=quad_px, direction_deg=directions.QUARTER_DEG * start)
