"""How many captured cards begin at their own top left corner, as text recognition needs them."""

from collections.abc import Sequence

import numpy as np

from meishi.evaluation.captures import card_results
from meishi.geometry.directions import start_of


def direction_metrics(
    pred_quads: Sequence[Sequence[np.ndarray]],
    confidences: Sequence[Sequence[float]],
    own_quads: Sequence[Sequence[np.ndarray]],
    threshold: float,
) -> dict[str, float]:
    """Summarise the reading directions of captured cards.

    Args:
        pred_quads: captured (4, 2) quads of each image, from the corner the card is said to begin.
        confidences: of each of these directions, in [0, 1].
        own_quads: true (4, 2) quads of each image, from the card's own top left corner.
        threshold: confidence below which the photo's own direction was left.

    Returns:
        right: share of the found cards whose quad begins where the card does, those left as they
            were included.
        sure: share of the found cards that were judged surely enough.
        right_of_sure: share of these that are right. A share of no card is 0.
    """
    right, sure = [], []
    for result in card_results(pred_quads, own_quads):
        if result.found and result.prediction is not None:
            quad = pred_quads[result.image][result.prediction]
            right.append(start_of(own_quads[result.image][result.card], quad) == 0)
            sure.append(confidences[result.image][result.prediction] >= threshold)
    of_sure = [hit for hit, is_sure in zip(right, sure, strict=True) if is_sure]
    return {"right": _mean(right), "sure": _mean(sure), "right_of_sure": _mean(of_sure)}


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else 0.0
