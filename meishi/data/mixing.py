"""Mixing scenes before one of them is augmented: background swap, then copy-paste."""

import numpy as np

from meishi import images
from meishi.data import pool
from meishi.data.paste import paste
from meishi.data.pool import Pool
from meishi.data.records import Record
from meishi.data.swap import can_swap, swap
from meishi.recipe import PasteParams, SwapParams


class Mixer:
    """Borrows from a pool what a sample's seed says."""

    def __init__(self, paste_params: PasteParams, swap_params: SwapParams, shared: Pool):
        """Keep the recipes and the pool, which may be empty: then nothing is mixed."""
        self.paste_params, self.swap_params, self.pool = paste_params, swap_params, shared

    def frame(
        self, image: np.ndarray, record: Record, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix for a frame: perhaps another background, perhaps one more card.

        Args:
            image: (H, W, 3) RGB uint8 of the record, left as it is.
            record: the scene.
            seed: of this sample.

        Returns:
            The scene and its (N, 4, 2) relative quads.
        """
        rng = np.random.default_rng(seed)
        image = self._swapped(image, record, rng)
        return self._pasted(image, record, rng)

    def crop(self, image: np.ndarray, record: Record, seed: list[int]) -> np.ndarray:
        """Mix for a crop: perhaps another background; the quads stay."""
        return self._swapped(image, record, np.random.default_rng(seed))

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
