"""A second segmentation of a card, of its flat view by the first quad.

The network has learnt there what first quads do wrong: sides on a band, a panel or a picture that
is printed, on a shadow, or on what lies beside (docs/experiments.md, "A second segmentation,
flat").
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meishi.capture import looking
from meishi.capture.fitting import fit_in_image
from meishi.geometry import crops, flat_views


@dataclass(frozen=True)
class FlatSegmenter:
    """The segmenter of flat views.

    Attributes:
        network: (S, S, 3) RGB uint8 to `mask` (M, M, 1) in [0, 1].
        side_px: S.
        margin: around the quad, see `flat_views.view_from_image`.
    """

    network: Callable[[np.ndarray], dict[str, np.ndarray]]
    side_px: int
    margin: float

    def quad_again(self, image: np.ndarray, quad_px: np.ndarray) -> np.ndarray:
        """Fit the quad of a card anew.

        Args:
            image: (H, W, 3) RGB uint8.
            quad_px: (4, 2) in pixels of the image, clockwise; may leave it.

        Returns:
            (4, 2) canonical, sides refined on the image; the quad as it was if the mask of its view
            has no four sides.
        """
        start = flat_views.from_a_long_side(quad_px)
        view_from_image = flat_views.view_from_image(start, self.side_px, self.margin)
        image_from_view = np.linalg.inv(view_from_image)
        mask = self._mask(crops.warp(image, view_from_image, (self.side_px, self.side_px)))
        side = float(flat_views.side_lengths(quad_px).mean())
        mask_pixel = side * (1 + 2 * self.margin) / len(mask)
        found = fit_in_image(image, mask, image_from_view, self.side_px, mask_pixel)
        return quad_px if found is None else found[0]

    def _mask(self, view: np.ndarray) -> np.ndarray:
        """Mean of the masks of a view and its mirror image: (M, M) float32."""
        turned = self.network(looking.mirror_image(view))["mask"][:, ::-1, 0]
        return (self.network(view)["mask"][..., 0] + turned) / 2
