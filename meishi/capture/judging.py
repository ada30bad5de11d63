"""What the classifier says of a quad: whether it shows a card, and at which corner that begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from meishi.geometry import directions


@dataclass(frozen=True)
class Judgement:
    """The classifier's answer.

    Attributes:
        card: how likely the quad shows a card, in [0, 1].
        start: the corner at which it likeliest begins, see `directions`.
        confidence: how likely that is, if it is a card, in [0, 1].
    """

    card: float
    start: int
    confidence: float


def judge(
    classifier: Callable[[np.ndarray], dict[str, np.ndarray]],
    image: np.ndarray,
    quad_px: np.ndarray,
    view_px: int,
) -> Judgement:
    """Ask the classifier for the flat view from each corner, for it errs differently, and join it.

    Args:
        classifier: (S, S, 3) uint8 to `start` (5,), see `direction.model.build_classifier`.
        image: (H, W, 3) RGB uint8.
        quad_px: (4, 2) in pixels of the image, clockwise; may leave it.
        view_px: side of the view.

    Raises:
        ValueError: if three corners lie on one line.
    """
    views = directions.turns(directions.view(image, quad_px, view_px))
    shares = directions.from_turns(np.array([classifier(view)["start"] for view in views]))
    starts = shares[: directions.STARTS]
    card = float(starts.sum())
    start = int(starts.argmax())
    return Judgement(card, start, float(starts[start]) / max(card, np.finfo(float).tiny))


def without_others(
    image: np.ndarray, quad_px: np.ndarray, others_px: Sequence[np.ndarray]
) -> np.ndarray:
    """Paint over what other cards cover of a card, in the median colour of the rest.

    One pixel shows one card: the print of a card that lies over another, or reaches into a wrong
    quad beside it, says nothing of that one.

    Args:
        image: (H, W, 3) RGB uint8.
        quad_px: (4, 2) in pixels of the image, clockwise; may leave it.
        others_px: the same, of each of the others.

    Returns:
        (H, W, 3) a copy; as it was where the others leave nothing of the card.
    """
    painted = image.copy()
    limits = np.array([image.shape[1], image.shape[0]])
    low, high = np.floor(quad_px.min(axis=0)), np.ceil(quad_px.max(axis=0)) + 1
    low, high = (np.clip(end, 0, limits).astype(int) for end in (low, high))
    patch = painted[low[1] : high[1], low[0] : high[0]]
    if not patch.size:  # the photo shows nothing of it
        return painted
    own = _filled(patch, [quad_px - low])
    theirs = own & _filled(patch, [other_px - low for other_px in others_px])
    rest = patch[own & ~theirs]
    if len(rest):
        patch[theirs] = np.median(rest, axis=0)
    return painted


def _filled(patch: np.ndarray, quads_px: Sequence[np.ndarray]) -> np.ndarray:
    """Tell which pixels of a patch lie in any of some quads: (H, W) bool."""
    filled = np.zeros(patch.shape[:2], np.uint8)
    for quad_px in quads_px:
        cv2.fillConvexPoly(filled, np.round(quad_px).astype(np.int32), 1)
    return filled.astype(bool)
