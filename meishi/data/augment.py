"""Augmentation: from a prepared scene to frames for the detector and crops for the segmenter.

All geometry of a sample (flip, turn, perspective, scale, stretch to the input) is one homography
and one resampling, so quads stay exact to rounding and pictures are blurred once; albumentations'
own keypoints would pass through several of each. What changes colours, light and noise is an
albumentations recipe, one for frames and one for crops. Every sample has its own seed: the result
does not depend on the workers.
"""

from dataclasses import dataclass

import albumentations
import numpy as np

from meishi.data import framing, lookalikes
from meishi.geometry import boxes, crops, quads
from meishi.recipe import AugmentParams, LightParams, RangeParams

TRIES = 12  # geometries tried for a frame; the last is none: it is shown as it is


@dataclass(frozen=True)
class Sample:
    """An augmented picture: RGB uint8 square; quads (N, 4, 2) relative to it, canonical."""

    image: np.ndarray
    quads: np.ndarray


def photometric(params: LightParams) -> albumentations.Compose:
    """Build the recipe of light, colour and sensor; seed it before each sample."""
    color, cast = params.color, params.cast
    blur_px = (int(params.blur.low), int(params.blur.high))
    return albumentations.Compose(
        [
            albumentations.ColorJitter(
                brightness=(1 - color.brightness, 1 + color.brightness),
                contrast=(1 - color.contrast, 1 + color.contrast),
                saturation=(1 - color.saturation, 1 + color.saturation),
                hue=(-color.hue, color.hue),
                p=color.probability,
            ),
            albumentations.RGBShift(cast.red, cast.green, cast.blue, p=cast.probability),
            albumentations.RandomShadow(
                num_shadows_limit=(1, 2),
                shadow_intensity_range=_range(params.shadow),
                p=params.shadow.probability,
            ),
            albumentations.Illumination(
                intensity_range=_range(params.illumination), p=params.illumination.probability
            ),
            albumentations.OneOf(
                [
                    albumentations.GaussianBlur(blur_limit=blur_px),
                    albumentations.MotionBlur(blur_limit=blur_px),
                ],
                p=params.blur.probability,
            ),
            albumentations.OneOf(
                [
                    albumentations.GaussNoise(std_range=_range(params.noise)),
                    albumentations.ISONoise(),
                ],
                p=params.noise.probability,
            ),
            albumentations.ImageCompression(
                quality_range=(int(params.jpeg.low), int(params.jpeg.high)),
                p=params.jpeg.probability,
            ),
            albumentations.ToGray(p=params.grey),
        ]
    )


def _range(params: RangeParams) -> tuple[float, float]:
    return params.low, params.high


class Augmenter:
    """Makes the samples of one scene."""

    def __init__(self, params: AugmentParams, frame_px: int, crop_px: int, margin: float):
        """Keep the recipe; `frame_px` and `crop_px` are the networks' inputs."""
        self.params, self.frame_px, self.crop_px, self.margin = params, frame_px, crop_px, margin
        self.frame_light = photometric(params.frame_light)
        self.crop_light = photometric(params.crop_light)

    def frame(self, image: np.ndarray, card_quads: np.ndarray, seed: list[int]) -> Sample:
        """Augment a whole scene.

        Args:
            image: (H, W, 3) RGB uint8.
            card_quads: (N, 4, 2) relative.
            seed: of this sample.

        Returns:
            A square of `frame_px`. A card of which more than `cut_high` is visible keeps its whole
            quad, which then leaves the frame; one of which `cut_low` or less is visible has none.
            Between the two another geometry is drawn; at the last of TRIES the scene is only
            stretched, and cards it cuts itself stay.
        """
        params = self.params.frame
        rng = np.random.default_rng(seed)
        size_px = (image.shape[1], image.shape[0])
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            matrix = (
                crops.stretch(size_px, self.frame_px)
                if last
                else framing.frame_homography(rng, params, size_px, self.frame_px)
            )
            moved = framing.move(card_quads, size_px, matrix, self.frame_px)
            shares = np.array([quads.visible_share(quad) for quad in moved])
            if last or not ((shares > params.cut_low) & (shares < params.cut_high)).any():
                break
        kept = moved[shares > params.cut_low] if len(moved) else moved
        border = tuple(int(v) for v in rng.integers(0, 256, 3))
        square = crops.warp(image, matrix, (self.frame_px, self.frame_px), border)
        return Sample(develop(self.frame_light, square, rng), framing.canonical(kept))

    def crop(self, image: np.ndarray, quad: np.ndarray, seed: list[int]) -> Sample:
        """Cut a card out, as a detector that errs a little would.

        Args:
            image: (H, W, 3) RGB uint8.
            quad: (4, 2) relative to the image.
            seed: of this sample.

        Returns:
            A square of `crop_px` with the one card's quad, which may leave the square.
        """
        rng = np.random.default_rng(seed)
        size_px = (image.shape[1], image.shape[0])
        box = framing.jitter(rng, boxes.from_quads(quad[None])[0], self.params.crop)
        matrix = self._crop_homography(rng, box, size_px)
        moved = framing.move(quad[None], size_px, matrix, self.crop_px)
        return Sample(self._developed(rng, image, matrix), framing.canonical(moved))

    def empty_crop(self, image: np.ndarray, seed: list[int]) -> Sample:
        """Cut a box out of a scene without cards: the segmenter must find none in it.

        The box is one round an outline with the probability `outlined`, else a random one.
        """
        rng = np.random.default_rng(seed)
        outlined = self.params.crop.outlined
        if outlined and rng.random() < outlined:
            crop = self._lookalike(rng, image, np.zeros((0, 4, 2)))
            if crop is not None:
                return crop
        size = rng.uniform(self.params.crop.empty_low, self.params.crop.empty_high, 2)
        low = rng.uniform(0, 1 - size)
        size_px = (image.shape[1], image.shape[0])
        matrix = self._crop_homography(rng, np.concatenate([low, low + size]), size_px)
        return self._cardless(rng, image, matrix)

    def lookalike_crop(
        self, image: np.ndarray, card_quads: np.ndarray, seed: list[int]
    ) -> Sample | None:
        """Cut out what has an outline but is no card; None where a scene has no such thing.

        Args:
            image: (H, W, 3) RGB uint8.
            card_quads: (N, 4, 2) relative; the crop shows nothing of these.
            seed: of this sample.
        """
        return self._lookalike(np.random.default_rng(seed), image, card_quads)

    def _lookalike(self, rng, image: np.ndarray, card_quads: np.ndarray) -> Sample | None:
        crop, size_px = self.params.crop, (image.shape[1], image.shape[0])
        found = lookalikes.outlined_boxes(image, crop.empty_low, crop.empty_high)
        for box in rng.permutation(found):
            matrix = self._crop_homography(rng, framing.jitter(rng, box, crop), size_px)
            moved = framing.move(card_quads, size_px, matrix, self.crop_px)
            if not any(quads.visible_share(quad) > 0 for quad in moved):
                return self._cardless(rng, image, matrix)
        return None

    def _cardless(self, rng, image: np.ndarray, matrix: np.ndarray) -> Sample:
        return Sample(self._developed(rng, image, matrix), np.zeros((0, 4, 2)))

    def _developed(self, rng, image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Resample and develop a crop; what lies beyond the scene stays grey, as in the app."""
        side_px, size_px = self.crop_px, (image.shape[1], image.shape[0])
        crop = develop(self.crop_light, crops.warp(image, matrix, (side_px, side_px)), rng)
        beyond = ~crops.inside(side_px, side_px, np.linalg.inv(matrix), size_px)
        crop[beyond] = crops.PADDING
        return crop

    def _crop_homography(self, rng, box_xyxy: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
        turn = np.deg2rad(rng.uniform(-1, 1) * self.params.crop.rotate_deg)
        upright = crops.crop_from_image(box_xyxy, size_px, self.crop_px, self.margin)
        return (
            framing.symmetry(rng, self.crop_px, self.params.crop.flip, self.params.crop.rotate90)
            @ framing.rotation(turn, self.crop_px)
            @ upright
        )


def develop(
    light: albumentations.Compose, image: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Apply a photometric recipe with a seed drawn from `rng`."""
    light.set_random_seed(int(rng.integers(2**31)))
    return light(image=image)["image"]
