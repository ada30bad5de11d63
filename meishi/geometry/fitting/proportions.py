"""A card's proportions, and what they say of a side that the photo does not show.

Where a card reaches the border of the photo, the segmenter takes it to go on, mostly by 15 to 20 %
of the card (docs/experiments.md). In photos that end where the card does this is wrong, and the
card comes out too long.
"""

import numpy as np

from meishi.geometry import quads

CARD_RATIO = 1.6  # ISO/IEC 7810 ID-1 has 1.586, business cards of 91 x 55 mm 1.65, of 85 x 55 1.55
LEAST_GAIN = 0.03  # in the logarithm of the ratio, for a side to move: less tells nothing
MAX_MOVE = 0.4  # of the card's extent across the border: a side farther out is another matter


def side_ratio(quad_px: np.ndarray) -> float:
    """Give the length of a quad's longer pair of sides, in that of the shorter: 1 or more.

    Args:
        quad_px: (4, 2) in pixels.
    """
    sides = quads.side_lengths(quad_px)
    pairs = sides[:2] + sides[2:]
    return float(pairs.max() / max(pairs.min(), 1e-9))


def end_at_border(quad_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Move sides that lie beyond the photo's border onto it, if that makes a likelier card.

    Args:
        quad_px: (4, 2) corners in their order round the card, pixel centres at integers.
        size_px: (width, height) of the photo.

    Returns:
        (4, 2) float64: every side of which both corners lie beyond one border ends there, its
        neighbours on the lines they had, if the proportions are then nearer those of a card; the
        quad as it was otherwise.
    """
    quad_px = np.asarray(quad_px, np.float64)
    moved = quad_px
    for axis, length in enumerate(size_px):
        for border, outward in ((-0.5, -1.0), (length - 0.5, 1.0)):
            moved = _ended(moved, axis, border, outward)
    if moved is quad_px or quads.fault(moved) is not None:
        return quad_px
    gain = _unlikeliness(quad_px) - _unlikeliness(moved)
    return moved if gain > LEAST_GAIN else quad_px


def _ended(quad_px: np.ndarray, axis: int, border: float, outward: float) -> np.ndarray:
    """Move the side that lies beyond a border onto it; the same array where there is none."""
    beyond = outward * (quad_px[:, axis] - border)
    for start in range(4):
        end, before, after = (start + 1) % 4, (start + 3) % 4, (start + 2) % 4
        if min(beyond[start], beyond[end]) <= 0 or max(beyond[before], beyond[after]) >= 0:
            continue
        moved = quad_px.copy()
        for corner, other in ((start, before), (end, after)):
            share = beyond[corner] / (beyond[corner] - beyond[other])
            if share > MAX_MOVE:
                return quad_px
            moved[corner] += (quad_px[other] - quad_px[corner]) * share
        return moved
    return quad_px


def _unlikeliness(quad_px: np.ndarray) -> float:
    return float(abs(np.log(side_ratio(quad_px) / CARD_RATIO)))
