"""A second segmentation of a card, of its flat view by the first quad.

The network has learnt there what first quads do wrong: sides on a band, a panel or a picture that
is printed, on a shadow, or on what lies beside (docs/experiments.md, "A second segmentation,
flat").
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meishi.capture.fitting import fit_in_image
from meishi.geometry import crops, flat_views, quads

# Of a first quad, in the photo. Where a card ends that the frame cuts, no flat view tells.
LEAST_VISIBLE = 0.95


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

    def quad_again(self, image: np.ndarray, quad_px: np.ndarray) -> np.ndarray | None:
        """Fit the quad of a card anew.

        Args:
            image: (H, W, 3) RGB uint8.
            quad_px: (4, 2) in pixels of the image, clockwise; may leave it.

        Returns:
            (4, 2) canonical, sides refined on the image; None if more than a little of the first
            quad lies beyond the photo, its view reaches beyond the horizon of its plane, or the
            mask tells no quad.
        """
        size_px = (image.shape[1], image.shape[0])
        if quads.visible_share(quads.to_relative(quad_px, size_px)) < LEAST_VISIBLE:
            return None
        view, view_from_image = flat_views.cut(image, quad_px, self.side_px, self.margin)
        image_from_view = np.linalg.inv(view_from_image)
        corners_px = quads.to_px(quads.FRAME, (self.side_px, self.side_px))
        if quads.fault(crops.transform(corners_px, image_from_view)):
            return None
        mask = self.network(view)["mask"][..., 0]
        side_px = float(quads.side_lengths(quad_px).mean())
        mask_pixel_px = side_px * (1 + 2 * self.margin) / len(mask)
        found = fit_in_image(image, mask, image_from_view, self.side_px, mask_pixel_px)
        return None if found is None else found[0]
