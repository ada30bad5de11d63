"""The app's flow on a desk: detect, crop, segment, fit and refine a quad, and look again.

A second look is the detector's on a square around the fitted quad: it has judged the frame from
afar, where a block or a tile may pass for a card; close by, at several sizes, it seldom does.
Then a classifier looks at each, flat: is it a card, and which way up does it read? At last another
segmenter sees the cards that are left, flat with a margin, and corrects the quads.

The same function serves `meishi capture` and the evaluation. It takes the networks as
callables, so that any runtime can stand behind it: LiteRT here, a Core ML package in a test.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from meishi.capture import looking
from meishi.capture.card import LEAST_AGREEMENT, CapturedCard
from meishi.capture.fitting import fit_in_image
from meishi.capture.flattening import FlatSegmenter
from meishi.capture.judging import judge, without_others
from meishi.capture.ranking import distinct, joint_score, may_follow
from meishi.geometry import crops, cutting, directions, quads
from meishi.geometry.fitting import proportions, refinement
from meishi.params import CaptureParams
from meishi.ssd.postprocess import select

Network = Callable[[np.ndarray], dict[str, np.ndarray]]
# Of a live frame: what suits a score that nothing confirms, and the NMS that leaves one box a card,
# for only as many boxes are segmented as there may be cards (docs/experiments.md).
LIVE_CONFIDENCE, LIVE_IOU = 0.4, 0.45
# Of a quad's area: cards side by side, and quads a little too large, share less.
LEAST_COVERED = 0.005


@dataclass(frozen=True)
class CardCapture:
    """Finds cards in photos.

    Attributes:
        detector, segmenter: image squares to named arrays, as exported.
        detector_px, segmenter_px: sides of their inputs.
        margin: of the crop, `unet.margin`.
        params: thresholds.
        thorough: whether frame and crops are resampled as in training, the segmenter also sees the
            mirror image of a crop, and of the quads of one card clearer edges are preferred.
        classifier: of cards and their direction: a flat view to `start`; None to believe the other
            two, whose merit the threshold then is of, and to leave cards as the photo has them.
        view_px: side of that view.
        mirrored: whether the detector also sees the mirror image, of the photo and of each second
            look. It errs differently there: surer, for two to three times the work.
        flat: segments the cards that are found once more; None to leave their quads.
    """

    detector: Network
    segmenter: Network
    detector_px: int
    segmenter_px: int
    margin: float
    params: CaptureParams
    thorough: bool = True
    classifier: Network | None = None
    view_px: int = 0
    mirrored: bool = False
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

    def detect(
        self,
        image: np.ndarray,
        score_threshold: float | None = None,
        max_boxes: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find boxes in a photo.

        Args:
            image: (H, W, 3) RGB uint8.
            score_threshold: instead of the configured one.
            max_boxes: instead of the configured number of candidates.

        Returns:
            boxes_xyxy (N, 4) relative, scores (N,), best first.
        """
        rows = self.detector(_stretched(image, self.detector_px, self.thorough))
        threshold = self.params.score_threshold if score_threshold is None else score_threshold
        limits = (threshold, self.params.iou_threshold, max_boxes or self.params.candidates)
        return select(rows["coordinates"], rows["confidence"], *limits)

    def segment(self, image: np.ndarray, box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment the card in a box.

        The segmenter errs differently on a crop and on its mirror image, so the mean of the two,
        given where `thorough`, is nearer to the card.

        Returns:
            mask (M, M) float32 in [0, 1] and `image_from_crop`, (3, 3) on pixels.
        """
        crop, crop_from_image = self._crop(image, box_xyxy)
        mask = self.segmenter(crop)["mask"][..., 0]
        if self.thorough:
            turned = self.segmenter(looking.mirror_image(crop))["mask"][:, ::-1, 0]
            mask = (mask + turned) / 2
        return mask, np.linalg.inv(crop_from_image)

    def _crop(self, image: np.ndarray, box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut out a box as in training, or quickly; returns the crop and crop_from_image."""
        side_px, margin = self.segmenter_px, self.margin
        if not self.thorough:
            return cutting.cut(image, box_xyxy, side_px, margin)
        size_px = (image.shape[1], image.shape[0])
        crop_from_image = crops.crop_from_image(box_xyxy, size_px, side_px, margin)
        return crops.warp(image, crop_from_image, (side_px, side_px)), crop_from_image

    def fit(self, image: np.ndarray, box_xyxy: np.ndarray, score: float) -> CapturedCard | None:
        """Fit a quad to the card in a box; None where the mask has no four sides."""
        mask, image_from_crop = self.segment(image, box_xyxy)
        mask_pixel = image_from_crop[0, 0] * self.segmenter_px / mask.shape[0]
        found = fit_in_image(image, mask, image_from_crop, self.segmenter_px, mask_pixel)
        if found is None:
            return None
        quad_px, agreement = found
        card = CapturedCard(float(score), agreement, quad_px, box_xyxy)
        if agreement < LEAST_AGREEMENT:  # a second look cannot save it
            return card
        views = [self.look(image, quad_px, share) for share in self.params.looks]
        clear = refinement.edge_strength(image, quad_px, mask_pixel) if self.thorough else 1.0
        return replace(card, score=joint_score(np.array([score, *views])), edge_strength=clear)

    def look(self, image: np.ndarray, quad_px: np.ndarray, share: float) -> float:
        """Look at a quad again, see `looking.look`."""
        settings = (self.detector_px, self.params.iou_threshold)
        return looking.look(self.detector, *settings, image, quad_px, share, self.mirrored)

    def _candidates(self, image: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        yield from zip(*self.detect(image), strict=True)
        if self.mirrored:
            boxes_xyxy, scores = self.detect(looking.mirror_image(image))
            yield from zip(looking.mirror_boxes(boxes_xyxy), scores, strict=True)

    def __call__(self, image: np.ndarray) -> list[CapturedCard]:
        """Find the cards of a photo.

        Args:
            image: (H, W, 3) RGB uint8, upright.

        Returns:
            At most `max_cards` cards, the most confident first.
        """
        fits = [self.fit(image, *candidate) for candidate in self._candidates(image)]
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
        return cards

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
        left: list[CapturedCard] = []
        for card in cards:
            least = LEAST_COVERED * quads.area(card.quad_px)
            others = [other.quad_px for other in left]
            others = [other for other in others if quads.intersection(other, card.quad_px) > least]
            if self.classifier and others:
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

    def _may_be_sure(self, card: CapturedCard) -> bool:
        """Tell whether a card is sure, or would be if the classifier had no doubt."""
        return self._is_sure(card.judged(1.0, self.params.confidence) if self.classifier else card)

    def _is_sure(self, card: CapturedCard) -> bool:
        if card.agreement < LEAST_AGREEMENT or self._is_slender(card.quad_px):
            return False
        return card.confidence >= self.params.confidence_threshold

    def _is_slender(self, quad_px: np.ndarray) -> bool:
        return proportions.side_ratio(quad_px) > self.params.max_side_ratio


def _stretched(image: np.ndarray, side_px: int, thorough: bool) -> np.ndarray:
    """Fill the detector's input with an image, resampled as in training or quickly.

    No side is turned or cut, so a mean over areas does nearly the same in a quarter of the time. An
    image that is smaller has no areas to take the mean of.
    """
    size_px = (image.shape[1], image.shape[0])
    if not thorough and min(size_px) >= side_px:
        return cutting.scale_down(image, (side_px, side_px))
    return crops.warp(image, crops.stretch(size_px, side_px), (side_px, side_px))
