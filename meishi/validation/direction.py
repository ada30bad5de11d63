"""Validation figures of a direction classifier just trained, on one view of each quad."""

from collections.abc import Iterable

import numpy as np

from meishi.geometry.directions import NO_CARD, STARTS
from meishi.keras import keras
from meishi.validation.prediction import predict

EVEN = 0.5


def validate_classifier(
    classifier: keras.Model, views: Iterable[tuple[np.ndarray, int]]
) -> dict[str, float]:
    """Measure how many cards are told from others, and their directions rightly.

    Args:
        classifier: see `direction.model.build_classifier`.
        views: (H, W, 3) RGB uint8, and the corner of the view at which the card begins, `NO_CARD`
            where there is none.

    Returns:
        right: share of the cards whose likeliest corner is the true one.
        taken: share of the cards that are likelier to be one than not.
        refused: share of the others that are likelier to be none.
        Figures of what is not among the views are left out.
    """
    pairs = list(views)
    if not pairs:
        return {}
    squares, starts = map(list, zip(*pairs, strict=True))
    (shares,) = predict(classifier, squares)
    truth = np.array(starts)
    cards, others = shares[truth != NO_CARD], shares[truth == NO_CARD]
    found = {}
    if len(cards):
        right = cards[:, :STARTS].argmax(axis=1) == truth[truth != NO_CARD]
        found["right"] = float(right.mean())
        found["taken"] = float((cards[:, NO_CARD] < EVEN).mean())
    if len(others):
        found["refused"] = float((others[:, NO_CARD] >= EVEN).mean())
    return found
