"""Capture quality by what a scene shows: layout, surface, contrast, size, tilt, light, hands."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from meishi.data.records import Record
from meishi.evaluation.captures import card_results
from meishi.geometry import quads

WHOLE = 0.999  # visible share of a card that the frame does not cut
TILT_DEG = 30
FLAGS = ("held", "bent", "print_below", "sleeved")
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of the frame, bounds of the slices by size


def capture_slices(
    records: Sequence[Record],
    pred_quads_px: Sequence[Sequence[np.ndarray]],
    gt_quads_px: Sequence[Sequence[np.ndarray]],
) -> dict[str, dict[str, float]]:
    """Measure capture on subsets of the cards.

    Args:
        records: one a scene, with attributes.
        pred_quads_px: captured quads of each scene.
        gt_quads_px: true quads of each scene.

    Returns:
        By slice, such as "layout touching": cards, iou_mean, iou_p05 and recall50, a missed card
        having an IoU of 0. Only attributes that a record has make slices.
    """
    rows = [
        {**slices_of(records[result.image], result.card), "iou": result.iou, "found": result.found}
        for result in card_results(pred_quads_px, gt_quads_px)
    ]
    frame = pd.DataFrame(rows)
    keys = [key for key in frame.columns if key not in ("iou", "found")]
    return {
        f"{key} {value}": _summary(group)
        for key in keys
        for value, group in frame.dropna(subset=[key]).groupby(key)
    }


def _summary(group: pd.DataFrame) -> dict[str, float]:
    return {
        "cards": len(group),
        "iou_mean": float(group["iou"].mean()),
        "iou_p05": float(group["iou"].quantile(0.05)),
        "recall50": float(group["found"].mean()),
    }


def slices_of(record: Record, card: int) -> dict[str, str]:
    """Name the slices that a card of a scene belongs to, such as {"layout": "touching"}."""
    share = abs(quads.area(record.quads[card]))
    number = min(int(np.searchsorted(SHARES, share, side="right")), len(SHARES) - 1)
    size = f"{SHARES[number - 1]:.0%} to {SHARES[number]:.0%}"
    named: dict[str, str] = {
        key: str(record.attributes[key])
        for key in ("source", "layout", "surface", "contrast")
        if key in record.attributes
    }
    lights = str(record.attributes.get("light", "")).split()
    flags = {f"light {name}": "yes" for name in lights}
    flags |= {name: "yes" for name in FLAGS if record.attributes.get(name)}
    if record.height > record.width:
        flags["upright"] = "yes"
    if "tilt_deg" in record.attributes:
        flags["tilt"] = "over 30" if record.attributes["tilt_deg"] > TILT_DEG else "to 30"
    whole = quads.visible_share(record.quads[card]) > WHOLE
    return {"size": size, "frame": "holds it" if whole else "cuts it", **named, **flags}
