"""Mixing scenes before one of them is augmented: background swap, copy-paste, overprint, zoom."""

from functools import partial

import numpy as np

from meishi.data import pool
from meishi.data.overprint import is_printable, overprint
from meishi.data.paste import paste
from meishi.data.pool import Pool
from meishi.data.records import Record
from meishi.data.swap import can_swap, swap
from meishi.data.zoom import Zoom
from meishi.pictures import images
from meishi.recipe import AugmentParams


class Mixer:
    """Borrows from a pool what a sample's seed says."""

    def __init__(self, params: AugmentParams, shared: Pool):
        """Keep the recipes and the pool; from an empty one nothing is borrowed."""
        self.paste_params, self.swap_params = params.paste, params.swap
        self.overprint_params, self.pool = params.overprint, shared
        self.zoom = Zoom(params.zoom, (params.frame.cut_low, params.frame.cut_high))

    def frame(
        self, image: np.ndarray, record: Record, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix for a frame: perhaps another background, one more card, more print, a closer view.

        Args:
            image: (H, W, 3) RGB uint8 of the record, left as it is.
            record: the scene.
            seed: of this sample.

        Returns:
            The scene, or a window of it, and its (N, 4, 2) relative quads.
        """
        rng = np.random.default_rng(seed)
        image = self._swapped(image, record, rng)
        image, card_quads = self._pasted(image, record, rng)
        for index in range(len(card_quads)):
            share = self.overprint_params.frame_probability
            image = self._overprinted(image, record, card_quads, index, share, rng)
        if rng.random() < self.zoom.params.frame_probability:
            return self.zoom.frame(image, card_quads, rng)
        return image, card_quads

    def crop(
        self, image: np.ndarray, record: Record, card: int, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix for a crop of card number `card`: another background, more print, a closer view.

        Returns:
            The scene, or a window of it, and the card's (4, 2) quad, relative to it.
        """
        rng = np.random.default_rng(seed)
        image = self._swapped(image, record, rng)
        share = self.overprint_params.crop_probability
        image = self._overprinted(image, record, record.quads, card, share, rng)
        if rng.random() < self.zoom.params.crop_probability:
            return self.zoom.card(image, record.quads[card], rng)
        return image, record.quads[card]

    def _overprinted(
        self,
        image: np.ndarray,
        record: Record,
        card_quads: np.ndarray,
        index: int,
        share: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        if rng.random() >= share or not is_printable(record, card_quads, index):
            return image
        picture = partial(self._picture, rng) if self.pool.backgrounds else None
        return overprint(image, card_quads[index], picture, self.overprint_params, rng)

    def _picture(self, rng: np.random.Generator) -> np.ndarray:
        chosen = self.pool.backgrounds[int(rng.integers(len(self.pool.backgrounds)))]
        return images.decode(chosen.content, chosen.scene)

    def _swapped(self, image: np.ndarray, record: Record, rng: np.random.Generator) -> np.ndarray:
        others = self.pool.backgrounds
        if rng.random() >= self.swap_params.probability or not others:
            return image
        # Fingers on a card would be cut off at its edge.
        if pool.is_held(record, if_unknown=True) or not can_swap(record.quads, record.size_px):
            return image
        chosen = others[int(rng.integers(len(others)))]
        background = images.decode(chosen.content, chosen.scene)
        return swap(image, record.quads, background, self.swap_params.shadow, rng)

    def _pasted(
        self, image: np.ndarray, record: Record, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        donors = self.pool.donors
        if rng.random() >= self.paste_params.probability or not donors:
            return image, record.quads
        donor = donors[int(rng.integers(len(donors)))]
        # A card that lies on a hand is no scene that a photo shows.
        if donor.scene == record.id or pool.is_held(record, if_unknown=False):
            return image, record.quads
        return paste(image, record.quads, donor, self.paste_params, rng)
