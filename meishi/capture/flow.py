"""The app's flow on a desk: detect, crop, segment, fit and refine a quad, and look again.

Then a classifier looks at each quad, flat: is it a card, and which way up does it read? At last
another segmenter sees the cards that are left, flat with a margin, and corrects the quads; and a
side that the photo does not show is placed by the proportions that cards have.

The same function serves `meishi capture` and the evaluation. It takes the networks as
callables, so that any runtime can stand behind it: LiteRT here, a Core ML package in a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from meishi.capture.card import LEAST_AGREEMENT, CapturedCard
from meishi.capture.flattening import FlatSegmenter
from meishi.capture.judging import judge, without_others
from meishi.capture.proposing import Network, QuadProposer
from meishi.capture.ranking import distinct, may_follow
from meishi.geometry import directions, quads
from meishi.geometry.fitting import proportions
from meishi.geometry.fitting.hidden_sides import place_hidden_side

# Of a live frame: what suits a score that nothing confirms, and the NMS that leaves one box a card,
# for only as many boxes are segmented as there may be cards (docs/experiments.md).
LIVE_CONFIDENCE, LIVE_IOU = 0.4, 0.45
# Of a quad's area: cards side by side, and quads a little too large, share less.
LEAST_COVERED = 0.005


@dataclass(frozen=True)
class CardCapture(QuadProposer):
    """Finds cards in photos: of the quads that are proposed it takes each card's best.

    In a thorough capture, of two quads of a card the one with clearer edges is preferred.

    Attributes:
        classifier: of cards and their direction: a flat view to `start`; None to believe the other
            two, whose merit the threshold then is of, and to leave cards as the photo has them.
        view_px: side of that view.
        flat: segments the cards that are found once more; None to leave their quads.
    """

    classifier: Network | None = None
    view_px: int = 0
    flat: FlatSegmenter | None = None

    def live(self) -> "CardCapture":
        """Return the quick way for a video: each box is segmented once and not judged again.

        What second looks and mirror images would tell, a tracker learns from the next frames.
        """
        params = replace(
            self.params,
            candidates=self.params.max_cards,
            confidence_threshold=LIVE_CONFIDENCE,
            iou_threshold=min(LIVE_IOU, self.params.iou_threshold),
            looks=(),
        )
        quick = replace(self, params=params, thorough=False, mirrored=False)
        return replace(quick, classifier=None, flat=None)

    def __call__(self, image: np.ndarray) -> list[CapturedCard]:
        """Find the cards of a photo.

        Args:
            image: (H, W, 3) RGB uint8, upright.

        Returns:
            At most `max_cards` cards, the most confident first.
        """
        fits = [self.fit(image, *candidate) for candidate in self.candidates(image)]
        likely = [card for card in fits if card and self._may_be_sure(card)]
        sure = [card for card in (self.read(image, card) for card in likely) if self._is_sure(card)]
        kept = distinct(
            [card.quad_px for card in sure],
            [card.merit for card in sure],
            [card.edge_strength for card in sure],
        )
        cards = self._on_their_own(image, [sure[index] for index in kept])
        cards = sorted(cards, key=lambda card: -card.confidence)[: self.params.max_cards]
        for number, card in enumerate(cards):
            cards[number] = self.correct(image, card, [*cards[:number], *cards[number + 1 :]])
        return [self._completed(image, card) for card in cards] if self.thorough else cards

    def read(self, image: np.ndarray, card: CapturedCard) -> CapturedCard:
        """Let the classifier judge a card, and its quad begin at its own top left corner.

        The corner stays the photo's where the card's is not certain enough.

        Args:
            image: (H, W, 3) RGB uint8.
            card: with a canonical quad.
        """
        if self.classifier is None:
            return card
        found = judge(self.classifier, image, card.quad_px, self.view_px)
        card = card.judged(found.card, self.params.confidence)
        card = replace(card, direction_confidence=found.confidence)
        if found.confidence < self.params.direction_threshold:
            return card
        return card.begun_at(card.quad_px, found.start)

    def _on_their_own(self, image: np.ndarray, cards: list[CapturedCard]) -> list[CapturedCard]:
        """Refuse what the classifier takes for a card by the print of a better one on it.

        Args:
            image: (H, W, 3) RGB uint8.
            cards: distinct, by merit, the best first.
        """
        if self.classifier is None:
            return cards
        left: list[CapturedCard] = []
        for card in cards:
            least = LEAST_COVERED * quads.area(card.quad_px)
            others = [other.quad_px for other in left]
            others = [other for other in others if quads.intersection(other, card.quad_px) > least]
            if others:
                alone = without_others(image, card.quad_px, others)
                found = judge(self.classifier, alone, card.quad_px, self.view_px)
                if not self._is_sure(card.judged(found.card, self.params.confidence)):
                    continue
            left.append(card)
        return left

    def correct(
        self, image: np.ndarray, card: CapturedCard, others: Sequence[CapturedCard]
    ) -> CapturedCard:
        """Let the flat segmenter correct a card's quad; a corner that was read stays the first.

        A quad stays as it was where the new one could not follow it, or would be no card's.

        Args:
            image: (H, W, 3) RGB uint8.
            card: as `read` returns it.
            others: found in the photo beside it.
        """
        if self.flat is None:
            return card
        quad_px = self.flat.quad_again(image, card.quad_px)
        if quad_px is None or self._is_slender(quad_px):
            return card
        if not may_follow(quad_px, card.quad_px, [other.quad_px for other in others]):
            return card
        if (card.direction_confidence or 0.0) < self.params.direction_threshold:
            return replace(card, quad_px=quad_px)
        return card.begun_at(quad_px, directions.start_of(card.quad_px, quad_px))

    @staticmethod
    def _completed(image: np.ndarray, card: CapturedCard) -> CapturedCard:
        """Place the side of a card that the photo does not show by what cards measure."""
        size_px = (image.shape[1], image.shape[0])
        return replace(card, quad_px=place_hidden_side(card.quad_px, size_px))

    def _may_be_sure(self, card: CapturedCard) -> bool:
        """Tell whether a card is sure, or would be if the classifier had no doubt."""
        return self._is_sure(card.judged(1.0, self.params.confidence) if self.classifier else card)

    def _is_sure(self, card: CapturedCard) -> bool:
        return self.is_shaped(card) and card.confidence >= self.params.confidence_threshold

    def is_shaped(self, card: CapturedCard) -> bool:
        """Tell whether a quad fits its mask and has a card's proportions; if not, it is none."""
        return card.agreement >= LEAST_AGREEMENT and not self._is_slender(card.quad_px)

    def _is_slender(self, quad_px: np.ndarray) -> bool:
        return proportions.side_ratio(quad_px) > self.params.max_side_ratio
