"""The side of a card that the photo does not show, placed by what cards measure.

Where the frame cuts a card, the segmenter guesses where the card ends, and stays short of it: the
more of the card is missing, the more. Three sides and the photo's perspective tell the aspect that
the card would have with the fourth at any place; most cards are near 1.6 : 1.
"""

import math

import numpy as np
from scipy.optimize import brentq

from meishi.geometry import quads
from meishi.geometry.fitting.proportions import CARD_RATIO
from meishi.geometry.focal_lengths import likely_aspect

BELIEF = 0.5  # in the proportions, against the place that was found, in logarithms of the length
MOST_HIDDEN = 0.8  # logarithm of the longest card, in the length that shows: 2.2 times as long
AT_BORDER = 0.005  # of the card's length inside the border: a side so near it counts as beyond


def place_hidden_side(quad_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Move the one side that lies beyond the photo's border to where the card is likely to end.

    Args:
        quad_px: (4, 2) convex, clockwise, pixel centres at integers.
        size_px: (width, height) of the photo, whose centre is taken for the principal point.

    Returns:
        (4, 2) float64 corners in the same order, those of the hidden side moved along their
        neighbours, both by the same share of these: half of the way, in logarithms, to where the
        card's aspect, as `focal_lengths.likely_aspect` estimates it, is 1.6 or, if that comes
        first, 1 / 1.6. The quad as it was if no side or several lie beyond, or if the part that
        shows is longer already or would be less than 1 / 2.2 of the card.
    """
    quad_px = np.asarray(quad_px, np.float64)
    hidden = [
        (side, shown)
        for axis, length in enumerate(size_px)
        for border, outward in ((-0.5, -1.0), (length - 0.5, 1.0))
        for side, shown in _beyond(outward * (quad_px[:, axis] - border))
    ]
    if len(hidden) != 1:
        return quad_px
    ((side, shown),) = hidden
    try:
        likely = _likely_length(quad_px, size_px, side, shown)
    except ValueError:  # the neighbouring sides meet before the card can end
        return quad_px
    if likely is None:
        return quad_px
    found = max(-math.log(shown), 0.0)
    moved = _ended(quad_px, side, shown * math.exp(BELIEF * likely + (1 - BELIEF) * found))
    return quad_px if quads.fault(moved) is not None else moved


def _beyond(beyond: np.ndarray) -> list[tuple[int, float]]:
    """Find the sides beyond a border and how much of the two beside them shows.

    Args:
        beyond: (4,) how far each corner lies beyond it, pixels.

    Returns:
        Of each such side its number and the mean share, 1 if it lies on the border.
    """
    found = []
    for side in range(4):
        end, after, before = (side + 1) % 4, (side + 2) % 4, (side + 3) % 4
        lengths = beyond[[side, end]] - beyond[[before, after]]
        if max(beyond[before], beyond[after]) >= 0 or min(lengths) <= 0:
            continue
        shares = -beyond[[before, after]] / lengths
        if max(shares) <= 1 / (1 - AT_BORDER):
            found.append((side, float(shares.mean())))
    return found


def _likely_length(
    quad_px: np.ndarray, size_px: tuple[int, int], side: int, shown: float
) -> float | None:
    """Find the logarithm of the card's length, in that of the part that shows; None if unlikely.

    Raises:
        ValueError: if a card of `MOST_HIDDEN` would be no quad.
    """

    def log_aspect(length: float, target: float = 0.0) -> float:
        ended = _ended(quad_px, side, shown * math.exp(length))
        return math.log(likely_aspect(np.roll(ended, 1 - side, axis=0), size_px)) - target

    least, most = log_aspect(0.0), log_aspect(MOST_HIDDEN)
    for target in (-math.log(CARD_RATIO), math.log(CARD_RATIO)):
        if least <= target < most:
            return float(brentq(log_aspect, 0.0, MOST_HIDDEN, args=(target,), xtol=1e-4))
    return None


def _ended(quad_px: np.ndarray, side: int, share: float) -> np.ndarray:
    """Let the two sides beside one end at a share of their lengths."""
    end, after, before = (side + 1) % 4, (side + 2) % 4, (side + 3) % 4
    moved = quad_px.copy()
    moved[side] = quad_px[before] + (quad_px[side] - quad_px[before]) * share
    moved[end] = quad_px[after] + (quad_px[end] - quad_px[after]) * share
    return moved
