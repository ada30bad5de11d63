"""What a compressed network loses of the headline figures against its float32 original."""

from collections.abc import Mapping
from typing import Any

# Figures in [0, 1], higher is better. A network that is not part of a measurement has none there.
SHARES = (
    "detection.ap50",
    "detection.ap50_95",
    "segmentation.mask_iou",
    "capture.iou_mean",
    "capture.exact_count",
    "direction.right",
)
LOWER_IS_BETTER = (
    "capture.corner_error_mean_pct",
    "capture.corner_error_p95_pct",
    "capture.empty_with_false_card",
    "capture.false_cards_per_image",
)
DIGITS = 9  # beyond is the noise of the subtraction


def figure(metrics: Mapping[str, Any], path: str) -> float | None:
    """Read a figure by its dotted path; None where it was not measured."""
    value: Any = metrics
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def loss(original: Mapping[str, Any], metrics: Mapping[str, Any], path: str) -> float | None:
    """Return by how much a figure is worse than the original's, below 0 where it is better.

    None where one of the two lacks it.
    """
    before, after = figure(original, path), figure(metrics, path)
    if before is None or after is None:
        return None
    lost = after - before if path in LOWER_IS_BETTER else before - after
    return round(lost, DIGITS)


def losses(original: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the loss of each headline share that both have, by its path."""
    found = {path: loss(original, metrics, path) for path in SHARES}
    return {path: lost for path, lost in found.items() if lost is not None}
