"""Quality of captured cards: quads from photos against the true ones.

Quads are matched one to one, the largest overlap first. A card counts as found when its quad
overlaps the true one by at least half; corner errors tell of found cards only, IoUs of all, a
missed card having 0. Give quads in pixels: corner errors are lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meishi.geometry import quads

FOUND_IOU = 0.5


@dataclass(frozen=True)
class CardResult:
    """What became of one true card.

    Attributes:
        image: index of its image.
        card: index among the cards of the image.
        prediction: index of the quad matched to it, None when it has none.
        iou: overlap with that quad, 0 when it has none.
        corner_error_pct: mean distance of the corners in percent of the card's mean diagonal;
            None when the card was not found.
    """

    image: int
    card: int
    prediction: int | None
    iou: float
    corner_error_pct: float | None

    @property
    def found(self) -> bool:
        """Whether the overlap is at least half."""
        return self.iou >= FOUND_IOU


def match_quads(
    pred_quads: Sequence[np.ndarray], gt_quads: Sequence[np.ndarray]
) -> list[tuple[int, int, float]]:
    """Match the quads of one image one to one, greedily by overlap.

    Args:
        pred_quads: N predicted (4, 2) quads, convex.
        gt_quads: M true (4, 2) quads, convex, same frame.

    Returns:
        (prediction, card, iou) of each pair that overlaps, the largest IoU first; of equal ones
        the lower prediction, then the lower card.
    """
    pairs = [
        (quads.iou(pred, gt), i, j)
        for i, pred in enumerate(pred_quads)
        for j, gt in enumerate(gt_quads)
    ]
    matches: list[tuple[int, int, float]] = []
    free_preds, free_cards = set(range(len(pred_quads))), set(range(len(gt_quads)))
    for iou, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if iou > 0 and i in free_preds and j in free_cards:
            matches.append((i, j, iou))
            free_preds.remove(i)
            free_cards.remove(j)
    return matches


def card_results(
    pred_quads: Sequence[Sequence[np.ndarray]], gt_quads: Sequence[Sequence[np.ndarray]]
) -> list[CardResult]:
    """Tell for each true card what became of it, for slices and plots.

    Args:
        pred_quads: predicted (4, 2) quads of each image.
        gt_quads: true (4, 2) quads of each image, in the same order and frame.

    Returns:
        One result a card, by image and then by card.

    Raises:
        ValueError: if the two lists differ in length.
    """
    _check_images(pred_quads, gt_quads)
    results: list[CardResult] = []
    for image, (preds, gts) in enumerate(zip(pred_quads, gt_quads, strict=True)):
        matched = {card: (pred, iou) for pred, card, iou in match_quads(preds, gts)}
        for card, gt in enumerate(gts):
            pred, iou = matched.get(card, (None, 0.0))
            error = None
            if pred is not None and iou >= FOUND_IOU:
                error = 100 * quads.corner_error(preds[pred], gt)
            results.append(CardResult(image, card, pred, iou, error))
    return results


def capture_metrics(
    pred_quads: Sequence[Sequence[np.ndarray]], gt_quads: Sequence[Sequence[np.ndarray]]
) -> dict[str, float]:
    """Summarise captured cards.

    Args:
        pred_quads: predicted (4, 2) quads of each image.
        gt_quads: true (4, 2) quads of each image, in the same order and frame.

    Returns:
        iou_mean, iou_p05: mean and 5th percentile of the cards' IoU, a missed card having 0.
        recall50: share of the cards that were found.
        corner_error_mean_pct, corner_error_p95_pct: mean and 95th percentile over found cards,
            in percent of the diagonal; 100 when no card was found, so that no better comes out.
        exact_count: share of the images with as many predictions as cards.
        false_cards_per_image: predictions that found no card, a mean over all images.
        empty_with_false_card: share of the images without a card that got a prediction; 0 when
            there is no such image.

    Raises:
        ValueError: if the two lists differ in length, or there is no true card at all.
    """
    results = card_results(pred_quads, gt_quads)
    if not results:
        raise ValueError(
            f"capture metrics are undefined: none of the {len(gt_quads)} images has a true card"
        )
    predicted = np.array([len(preds) for preds in pred_quads])
    present = np.array([len(gts) for gts in gt_quads])
    empty = present == 0
    found = sum(result.found for result in results)
    return {
        **card_metrics(results),
        "exact_count": float((predicted == present).mean()),
        "false_cards_per_image": float((predicted.sum() - found) / len(present)),
        "empty_with_false_card": float((predicted[empty] > 0).mean()) if empty.any() else 0.0,
    }


def card_metrics(results: Sequence[CardResult]) -> dict[str, float]:
    """Summarise what became of some true cards, one at least.

    Returns:
        iou_mean, iou_p05, recall50, corner_error_mean_pct and corner_error_p95_pct, as
        `capture_metrics` defines them.
    """
    ious = [result.iou for result in results]
    errors = [result.corner_error_pct for result in results if result.corner_error_pct is not None]
    return {
        "iou_mean": float(np.mean(ious)),
        "iou_p05": float(np.percentile(ious, 5)),
        "recall50": sum(result.found for result in results) / len(results),
        "corner_error_mean_pct": float(np.mean(errors)) if errors else 100.0,
        "corner_error_p95_pct": float(np.percentile(errors, 95)) if errors else 100.0,
    }


def mask_iou(pred: np.ndarray, gt: np.ndarray, threshold: float = 0.5) -> float:
    """Measure the overlap of two soft masks.

    Args:
        pred: mask in [0, 1] or bool, any shape.
        gt: mask of the same shape.
        threshold: a pixel belongs to a mask from this value on.

    Returns:
        Intersection over union in [0, 1]; 1 when both masks are empty.

    Raises:
        ValueError: if the shapes differ.
    """
    pred, gt = np.asarray(pred), np.asarray(gt)
    if pred.shape != gt.shape:
        raise ValueError(f"mask_iou: expected masks of one shape, got {pred.shape} and {gt.shape}")
    pred, gt = pred >= threshold, gt >= threshold
    union = np.count_nonzero(pred | gt)
    return np.count_nonzero(pred & gt) / union if union else 1.0


def _check_images(pred_quads: Sequence[object], gt_quads: Sequence[object]) -> None:
    if len(pred_quads) != len(gt_quads):
        raise ValueError(
            f"expected one entry an image in both lists, got predictions for {len(pred_quads)} "
            f"images and ground truth for {len(gt_quads)}"
        )
