"""Proposing quads: the detector's boxes, the segmenter's masks, and quads fitted to them.

Each may be looked at again: the detector's second looks are on a square around the fitted quad. It
has judged the frame from afar, where a block or a tile may pass for a card; close by, at several
sizes, it seldom does. Which of the quads are cards, and which is a card's best, others decide.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from meishi.capture import looking
from meishi.capture.card import LEAST_AGREEMENT, CapturedCard
from meishi.capture.fitting import fit_in_image
from meishi.capture.ranking import joint_score
from meishi.geometry import crops, cutting
from meishi.geometry.fitting import refinement
from meishi.params import CaptureParams
from meishi.ssd.postprocess import select

Network = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class QuadProposer:
    """Proposes quads in photos.

    Attributes:
        detector, segmenter: image squares to named arrays, as exported.
        detector_px, segmenter_px: sides of their inputs.
        margin: of the crop, `unet.margin`.
        params: thresholds.
        thorough: whether frame and crops are resampled as in training, the segmenter also sees the
            mirror image of a crop, sides are refined twice, and how clear the edges along a quad
            are is measured.
        mirrored: whether the detector also sees the mirror image, of the photo and of each second
            look. It errs differently there: surer, for two to three times the work.
    """

    detector: Network
    segmenter: Network
    detector_px: int
    segmenter_px: int
    margin: float
    params: CaptureParams
    thorough: bool = True
    mirrored: bool = False

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
        """Fit a quad to the card in a box; None where the mask has no four sides.

        Args:
            image: (H, W, 3) RGB uint8.
            box_xyxy: (4,) relative.
            score: of the detector, in [0, 1].
        """
        mask, image_from_crop = self.segment(image, box_xyxy)
        mask_pixel = image_from_crop[0, 0] * self.segmenter_px / mask.shape[0]
        found = fit_in_image(
            image, mask, image_from_crop, self.segmenter_px, mask_pixel, quick=not self.thorough
        )
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

    def candidates(self, image: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Yield the boxes of a photo that are worth a fit, (4,) xyxy relative, and their scores.

        Args:
            image: (H, W, 3) RGB uint8.
        """
        yield from zip(*self.detect(image), strict=True)
        if self.mirrored:
            boxes_xyxy, scores = self.detect(looking.mirror_image(image))
            yield from zip(looking.mirror_boxes(boxes_xyxy), scores, strict=True)


def _stretched(image: np.ndarray, side_px: int, thorough: bool) -> np.ndarray:
    """Fill the detector's input with an image, resampled as in training or quickly.

    No side is turned or cut, so a mean over areas does nearly the same in a quarter of the time. An
    image that is smaller has no areas to take the mean of.
    """
    size_px = (image.shape[1], image.shape[0])
    if not thorough and min(size_px) >= side_px:
        return cutting.scale_down(image, (side_px, side_px))
    return crops.warp(image, crops.stretch(size_px, side_px), (side_px, side_px))
