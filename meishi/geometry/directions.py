"""Which way a card is turned: the flat view that is judged, and what a judgement says of the quad.

A quad's corners are numbered TL 0, TR 1, BR 2, BL 3, as the photo shows them. The card's own top
left corner may be any of these: its number is the card's start, a quarter turn clockwise each. A
view that shows no card has no start, which has a number too.
"""

import numpy as np

from meishi.geometry import crops, quads
from meishi.geometry.homography import homography

QUARTER_DEG = 90
STARTS = 4
NO_CARD = STARTS  # the number of what is no start
ANSWERS = STARTS + 1


def view(image: np.ndarray, quad_px: np.ndarray, side_px: int) -> np.ndarray:
    """Show a card flat, its first corner at the top left, stretched to a square.

    A quarter turn of the view is then the view from the next corner, to the pixel.

    Args:
        image: (H, W, 3) RGB uint8.
        quad_px: (4, 2) in pixels of the image, clockwise; may leave it.
        side_px: of the view.

    Returns:
        (side_px, side_px, 3) uint8.

    Raises:
        ValueError: if three corners lie on one line.
    """
    size_px = (side_px, side_px)
    return crops.warp(image, homography(quad_px, quads.to_px(quads.FRAME, size_px)), size_px)


def turns(square: np.ndarray) -> list[np.ndarray]:
    """Return a view, and the views from its next three corners: (S, S, 3) each."""
    return [np.ascontiguousarray(np.rot90(square, corner)) for corner in range(STARTS)]


def start_of(own_quad: np.ndarray, quad: np.ndarray) -> int:
    """Find the corner of a quad at which the card itself begins.

    Args:
        own_quad: (4, 2) the card's corners from its own top left one, clockwise.
        quad: (4, 2) the same card's corners from any, clockwise, in the same frame.

    Returns:
        The number k of the corner: `np.roll(quad, -k, axis=0)` is nearest to `own_quad`.
    """
    distances = [np.abs(np.roll(quad, -k, axis=0) - own_quad).sum() for k in range(STARTS)]
    return int(np.argmin(distances))


def from_turns(shares: np.ndarray) -> np.ndarray:
    """Join what was said of a card's turned views into one judgement of its quad.

    Args:
        shares: (4, 5) of the view from each corner, how likely the card begins at its TL, TR, BR,
            BL, or there is none; the view from the quad's first corner first.

    Returns:
        (5,) how likely the card begins at each corner of the quad, or there is none.
    """
    starts = [np.roll(row[:STARTS], corner) for corner, row in enumerate(shares)]
    return np.append(np.mean(starts, axis=0), np.mean(shares[:, NO_CARD]))
