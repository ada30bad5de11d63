"""From the mask of a view to the quad of a card in the photo."""

import numpy as np

from meishi.geometry import crops, cutting, quads
from meishi.geometry.fitting import proportions, refinement
from meishi.geometry.fitting.lines import quad_from_mask


def fit_in_image(
    image: np.ndarray,
    mask: np.ndarray,
    image_from_view: np.ndarray,
    side_px: int,
    mask_pixel_px: float,
    quick: bool = False,
) -> tuple[np.ndarray, float] | None:
    """Fit a quad to the mask of a view, and refine it on the photo.

    Args:
        image: (H, W, 3) RGB uint8.
        mask: (M, M) soft mask in [0, 1].
        image_from_view: (3, 3), on pixels.
        side_px: of the view, a square that the mask covers.
        mask_pixel_px: side of a mask pixel in the photo.
        quick: refine it in one pass, not in two.

    Returns:
        quad_px (4, 2) canonical, and the agreement of mask and quad (see `lines.QuadFit`); None
        where the mask has no four sides, or they meet beyond the horizon of the view's plane.
    """
    size_px = (image.shape[1], image.shape[0])
    fit = quad_from_mask(mask, cutting.inside(side_px, len(mask), image_from_view, size_px))
    if fit is None:
        return None
    coarse_px = crops.transform(quads.to_px(fit.quad, (side_px, side_px)), image_from_view)
    if quads.fault(coarse_px) is not None:
        return None
    refined_px = refinement.refine(image, coarse_px, mask_pixel_px, quick)
    return quads.canonical(proportions.end_at_border(refined_px, size_px)), float(fit.agreement)
