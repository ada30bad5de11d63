"""The flat view of a card by a quad that may be wrong, with some of what lies around it.

The segmenter's first crop is a square about a box: the card lies in it as the photo has it. In this
view, cut by the first quad, a longer side is at the top, either way up, and it fills the same part,
whatever its place and tilt, so that what differs is how the quad errs.
"""

import numpy as np

from meishi.geometry import crops, quads
from meishi.geometry.homography import homography


def cut(
    image: np.ndarray, quad_px: np.ndarray, side_px: int, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the flat view of a card out of a photo.

    Args:
        image: (H, W, 3) RGB uint8.
        quad_px: (4, 2) in pixels of the image, clockwise; may leave it. The side between its first
            two corners, or the next one, whichever is of the longer pair, is at the top.
        side_px: of the view, a square.
        margin: see `view_from_image`.

    Returns:
        (side_px, side_px, 3) RGB uint8, and what maps pixels of the image to its own, (3, 3).

    Raises:
        ValueError: if three corners lie on one line.
    """
    matrix = view_from_image(from_a_long_side(quad_px), side_px, margin)
    return crops.warp(image, matrix, (side_px, side_px)), matrix


def from_a_long_side(quad_px: np.ndarray) -> np.ndarray:
    """Return the corners of a quad, (4, 2), from one at which one of the longer sides begins."""
    lengths = quads.side_lengths(quad_px)
    if lengths[0] + lengths[2] >= lengths[1] + lengths[3]:
        return quad_px
    return np.roll(quad_px, -1, axis=0)


def view_from_image(quad_px: np.ndarray, side_px: int, margin: float) -> np.ndarray:
    """Return what maps the pixels of a photo to those of the view.

    Args:
        quad_px: (4, 2) in pixels of the photo, clockwise, the first two the view's upper side.
        side_px: of the view, a square.
        margin: on each side of the quad, relative to the quad's own side in the view.

    Returns:
        (3, 3).

    Raises:
        ValueError: if three corners lie on one line.
    """
    inner = (quads.FRAME + margin) / (1 + 2 * margin)
    return homography(quad_px, quads.to_px(inner, (side_px, side_px)))
