"""Validation figures of a direction classifier just trained, on views of the true quads."""

from collections.abc import Iterable

import numpy as np

from meishi.keras import keras
from meishi.validation.prediction import predict


def validate_classifier(
    classifier: keras.Model, views: Iterable[tuple[np.ndarray, int]]
) -> dict[str, float]:
    """Measure how many cards' directions are told rightly, from one view each.

    Args:
        classifier: see `direction.model.build_classifier`.
        views: (H, W, 3) RGB uint8, and the corner of the view at which the card begins.

    Returns:
        right: share of the views whose likeliest corner is the true one.
    """
    squares, starts = map(list, zip(*views, strict=True))
    (shares,) = predict(classifier, squares)
    right = shares.argmax(axis=1) == np.array(starts)
    return {"right": float(right.mean())}
