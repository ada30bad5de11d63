"""Quality by what a scene shows: layout, surface, contrast, size, tilt, light, hands."""

from collections.abc import Mapping, Sequence

import numpy as np

from meishi.data.records import Record
from meishi.evaluation.captures import CardResult, card_metrics, card_results
from meishi.evaluation.detection import Detections, sliced_precision
from meishi.geometry import boxes, quads

WHOLE = 0.999  # visible share of a card that the frame does not cut
TILT_DEG = 30
NAMED = ("source", "layout", "surface", "contrast")
FLAGS = ("held", "bent", "print_below", "sleeved")
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of the frame, bounds of the slices by size


def sliced_metrics(
    records: Sequence[Record],
    pred_quads_px: Sequence[Sequence[np.ndarray]],
    gt_quads_px: Sequence[Sequence[np.ndarray]],
    detections: Sequence[Detections] = (),
) -> dict[str, dict[str, float]]:
    """Measure capture and detection on subsets of the cards.

    Args:
        records: one a scene, with attributes.
        pred_quads_px: captured quads of each scene.
        gt_quads_px: true quads of each scene.
        detections: boxes of each scene; without them there is no average precision.

    Returns:
        By slice, such as "layout touching": cards; the figures of `captures.card_metrics` and of
        `detection.sliced_precision`; exact_count, of the scenes with a card of the slice;
        empty_scenes, those without a card that are of the slice, and empty_with_false_card, the
        share of them that got one. Only attributes that a record with cards has make slices.
    """
    results = card_results(pred_quads_px, gt_quads_px)
    members = _members(records, results)
    counted = [len(pred) == len(gt) for pred, gt in zip(pred_quads_px, gt_quads_px, strict=True)]
    empties = _empties(records, pred_quads_px)
    precisions: Mapping[str, Mapping[str, float]] = {}
    if detections:
        gt_boxes = [boxes.from_quads(record.quads) for record in records]
        shares = {name: _masks(records, cards) for name, cards in members.items()}
        precisions = sliced_precision(detections, gt_boxes, shares)
    return {
        name: {
            "cards": len(cards),
            **card_metrics(cards),
            "exact_count": float(np.mean([counted[i] for i in {card.image for card in cards}])),
            "empty_scenes": len(empties.get(name, ())),
            "empty_with_false_card": float(np.mean(empties.get(name, [False]))),
            **precisions.get(name, {}),
        }
        for name, cards in members.items()
    }


def _members(
    records: Sequence[Record], results: Sequence[CardResult]
) -> dict[str, list[CardResult]]:
    members: dict[str, list[CardResult]] = {}
    for result in results:
        for key, value in slices_of(records[result.image], result.card).items():
            members.setdefault(f"{key} {value}", []).append(result)
    return {name: members[name] for name in sorted(members)}


def _masks(records: Sequence[Record], cards: Sequence[CardResult]) -> list[np.ndarray]:
    masks = [np.zeros(len(record.quads), bool) for record in records]
    for card in cards:
        masks[card.image][card.card] = True
    return masks


def _empties(
    records: Sequence[Record], pred_quads_px: Sequence[Sequence[np.ndarray]]
) -> dict[str, list[bool]]:
    """Say of each slice whether its scenes without a card got one."""
    empties: dict[str, list[bool]] = {}
    for record, pred in zip(records, pred_quads_px, strict=True):
        if not record.cards:
            for key, value in scene_slices_of(record).items():
                empties.setdefault(f"{key} {value}", []).append(bool(pred))
    return empties


def slices_of(record: Record, card: int) -> dict[str, str]:
    """Name the slices that a card of a scene belongs to, such as {"layout": "touching"}."""
    share = abs(quads.area(record.quads[card]))
    number = min(int(np.searchsorted(SHARES, share, side="right")), len(SHARES) - 1)
    size = f"{SHARES[number - 1]:.0%} to {SHARES[number]:.0%}"
    whole = quads.visible_share(record.quads[card]) > WHOLE
    frame = "holds it" if whole else "cuts it"
    return {"size": size, "frame": frame, **scene_slices_of(record)}


def scene_slices_of(record: Record) -> dict[str, str]:
    """Name the slices that a scene belongs to, and each of its cards with it."""
    named = {key: str(record.attributes[key]) for key in NAMED if key in record.attributes}
    lights = str(record.attributes.get("light", "")).split()
    flags = {f"light {name}": "yes" for name in lights}
    flags |= {name: "yes" for name in FLAGS if record.attributes.get(name)}
    if record.height > record.width:
        flags["upright"] = "yes"
    if "tilt_deg" in record.attributes:
        flags["tilt"] = "over 30" if record.attributes["tilt_deg"] > TILT_DEG else "to 30"
    return {**named, **flags}
