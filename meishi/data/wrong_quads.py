"""Quads as a first look errs: corners a little off, and sides on print or on the ground."""

import numpy as np

from meishi.flat_params import WrongQuadParams
from meishi.geometry import crops, quads
from meishi.geometry.homography import homography

TRIES = 8
MOST_OFF = 0.8  # of the wrong quad's side, by which a corner of the card may lie elsewhere
OUTWARD = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])  # of the frame's four sides


def misplaced(quad_px: np.ndarray, params: WrongQuadParams, rng: np.random.Generator) -> np.ndarray:
    """Draw a wrong quad of a card, in the card's own plane.

    Args:
        quad_px: (4, 2) the card's, clockwise.
        params: how far, and how often.
        rng: of this sample.

    Returns:
        (4, 2), convex; the quad itself if none of `TRIES` draws is that, with the card's corners
        no farther off than `MOST_OFF`.
    """
    for _ in range(TRIES):
        drawn = _drawn(params, rng)
        if quads.fault(drawn) is not None:
            continue
        moved_px = crops.transform(drawn, homography(quads.FRAME, quad_px))
        card = crops.transform(quads.FRAME, homography(drawn, quads.FRAME))
        shows = quads.fault(card) is None and np.abs(card - quads.FRAME).max() <= MOST_OFF
        if shows and quads.fault(moved_px) is None:
            return moved_px
    return quad_px


def _drawn(params: WrongQuadParams, rng: np.random.Generator) -> np.ndarray:
    """Draw a wrong quad of the frame, which may not be convex."""
    corners = quads.FRAME + rng.normal(0, rng.choice(params.corner_sigmas), (4, 2))
    if rng.random() < params.shift.probability:
        for side in rng.choice(4, 2 if rng.random() < params.two_sides else 1, replace=False):
            bounds = params.far if rng.random() < params.far.probability else params.shift
            outward, tilt = rng.uniform(bounds.low, bounds.high), rng.normal(0, params.tilt)
            corners[side] += OUTWARD[side] * (outward + tilt)
            corners[(side + 1) % 4] += OUTWARD[side] * (outward - tilt)
    elif rng.random() < params.corner:
        corners[rng.integers(4)] += rng.normal(0, params.corner_sigma, 2)
    return corners
