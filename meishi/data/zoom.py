"""Zoom: a window of a scene taken for the whole, so that a card fills as much as in users' photos.

Who photographs a card fills the frame with it; most cards of rendered scenes are small. SSD crops
pictures at random for the same reason (Liu et al. 2016, sec. 2.2, "data augmentation"); here the
window is drawn around a card, and what is drawn is the card's share of it.
"""

from collections.abc import Iterator

import numpy as np

from meishi.geometry import quads
from meishi.recipe import ZoomParams

TRIES = 12  # windows drawn before a scene is left as it is

Window = tuple[int, int, int, int]  # left, top, right, bottom in pixels; the last two are beyond it


class Zoom:
    """Takes windows around cards; both kinds share what a window may be."""

    def __init__(self, params: ZoomParams, cut: tuple[float, float]):
        """Keep how large a window is, and `cut`.

        Args:
            params: section of params.yaml.
            cut: (low, high) shares of a card's area: one of which `low` or less shows is not there,
                and one of which `high` or more shows is.
        """
        self.params, self.cut = params, cut

    def frame(
        self, image: np.ndarray, card_quads: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take a window around one of a scene's cards; where it has none, one around any place.

        Args:
            image: (H, W, 3) RGB uint8.
            card_quads: (N, 4, 2) relative.
            rng: of this sample.

        Returns:
            A view of `image` and the (M, 4, 2) quads, relative to it, of the cards that are there;
            of none does it show as much as lies between the two shares of `cut`. Both as they were
            where no window is found.
        """
        low, high = self.cut
        target = card_quads[int(rng.integers(len(card_quads)))] if len(card_quads) else _place(rng)
        for window in self._windows(target, image, rng):
            moved = _into(card_quads, image, window)
            shares = np.array([quads.visible_share(quad) for quad in moved])
            if not ((shares > low) & (shares < high)).any():
                return _part(image, window), moved[shares > low]
        return image, card_quads

    def card(
        self, image: np.ndarray, quad: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take a window around a card, in which it is there, whatever it leaves of others.

        Args:
            image: (H, W, 3) RGB uint8.
            quad: (4, 2) relative.
            rng: of this sample.

        Returns:
            A view of `image` and the card's quad, relative to it; both as they were where no
            window is found.
        """
        for window in self._windows(quad, image, rng):
            moved = _into(quad, image, window)
            if quads.visible_share(moved) >= self.cut[1]:
                return _part(image, window), moved
        return image, quad

    def _windows(
        self, quad: np.ndarray, image: np.ndarray, rng: np.random.Generator
    ) -> Iterator[Window]:
        """Draw windows that lie in the scene and show what it shows of a quad, but for a rim."""
        params, scene_px = self.params, _size_px(image)
        quad_px = np.asarray(quad) * scene_px
        low, high = (
            np.clip(edge, 0, scene_px) for edge in (quad_px.min(axis=0), quad_px.max(axis=0))
        )
        area_px = quads.visible_share(quad) * abs(quads.area(quad_px))
        for _ in range(TRIES):
            share = rng.uniform(params.share_low, params.share_high)
            aspect = np.exp(rng.uniform(-1, 1) * np.log(params.aspect))
            rim = params.cut * rng.uniform(size=2) ** 3 * (high - low)  # mostly next to nothing
            side_px = np.sqrt(area_px / share * np.array([aspect, 1 / aspect]))
            first = np.maximum(high - rim - side_px, 0)
            last = np.minimum(low + rim, scene_px - side_px)
            place = rng.uniform(size=2)
            if (first <= last).all() and side_px.min() >= 1:
                left_top = np.rint(first + place * (last - first)).astype(int)
                right_bottom = np.minimum(left_top + np.rint(side_px).astype(int), scene_px)
                yield (*left_top.tolist(), *right_bottom.tolist())


def _place(rng: np.random.Generator) -> np.ndarray:
    """Draw a box of a scene, as a quad: where a card might lie."""
    side = rng.uniform(0.15, 0.5, 2)
    return rng.uniform(0, 1 - side) + quads.FRAME * side


def _size_px(image: np.ndarray) -> np.ndarray:
    return np.array([image.shape[1], image.shape[0]])


def _into(quad: np.ndarray, image: np.ndarray, window: Window) -> np.ndarray:
    """Express (..., 4, 2) quads, relative to the scene, relative to a window of it."""
    low, high = np.array(window[:2]), np.array(window[2:])
    return (np.asarray(quad) * _size_px(image) - low) / (high - low)


def _part(image: np.ndarray, window: Window) -> np.ndarray:
    left, top, right, bottom = window
    return image[top:bottom, left:right]
