"""What the classifier says of a quad: whether it shows a card, and at which corner that begins."""

from collections.abc import Callable
from dataclasses import dataclass

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
