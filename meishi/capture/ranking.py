"""Which of the fitted quads are cards, and which of those that show one card is kept.

Scores of several views are joined; candidates that overlap are held against one another by merit
(`card.CapturedCard`).
"""

from itertools import combinations, permutations

import numpy as np

from meishi.geometry import quads

SAME_CARD_IOU = 0.2  # two quads that overlap more show one card
ALIKE_IOU = 0.3  # ... and more than this, one of them backs the other
WITHIN = 0.8  # a quad of which more lies within another is printed on that card
SURER = 1.5  # ... unless it has this much more merit: then the other is what it lies on
PART = 0.97  # two quads of which more lies within a third may be parts of it
OVERLAP = 0.05  # ... if they share as much of it, for cards side by side share less
COVERED = 0.995  # ... and leave less of it open: where two cards overlap, their corners leave more
EDGE_POWER = 0.5  # how much edges speak, beside what the networks say and what quads agree on
SURE = 0.995  # a single score counts as no surer than this, nor less sure than 1 - SURE


def joint_score(scores: np.ndarray) -> float:
    """Join the scores that one card got in several views.

    The mean of their logits, as of experts of equal weight: one view that sees no card speaks as
    loudly as one that surely does. (Product, mean and median of the scores were worse on the
    validation split.)

    Args:
        scores: (V,) in [0, 1], one at least.

    Returns:
        In [0, 1]; the score itself for a single view within the limits of `SURE`.
    """
    if len(scores) == 1:
        return float(scores[0])
    return float(1 / (1 + np.exp(-logits(scores).mean())))


def logits(scores: np.ndarray) -> np.ndarray:
    """Return log(s / (1 - s)) of scores in [0, 1], within the limits of `SURE`, as float64."""
    sure = np.clip(np.asarray(scores, np.float64), 1 - SURE, SURE)
    return np.log(sure / (1 - sure))


def distinct(
    quads_px: list[np.ndarray],
    merits: list[float],
    edge_strengths: list[float] | None = None,
) -> list[int]:
    """Keep one quad of those that show one card: of merit, that others agree with, of clear edges.

    A panel or a picture printed on a card has four sides, too, but lies within the card's. So has
    what is left of the card beside it: two such parts give way to the whole.

    Args:
        quads_px: N times (4, 2) in pixels.
        merits: N, in [0, 1], see `CapturedCard.merit`.
        edge_strengths: N, in (0, 1], see `refinement.edge_strength`: of the quads that show one
            card, those with clearer edges are preferred. None: all are alike.

    Returns:
        Indices of the kept quads, by merit, the best first.
    """
    ious = np.eye(len(quads_px))
    extents = [_extent(quad_px) for quad_px in quads_px]
    for first, second in combinations(range(len(quads_px)), 2):
        if _meet(extents[first], extents[second]):  # a tenth of the time of an IoU
            iou = quads.iou(quads_px[second], quads_px[first])
            ious[first, second] = ious[second, first] = iou
    backed = np.array(merits) * _support(ious, np.array(merits))
    if edge_strengths is not None:
        backed *= np.array(edge_strengths) ** EDGE_POWER
    kept: list[int] = []
    for index in np.argsort(-backed, kind="stable"):
        if all(ious[index, other] < SAME_CARD_IOU for other in kept):
            kept.append(int(index))
    for whole in np.argsort(-np.array(merits), kind="stable"):
        if whole not in kept:
            kept = _made_whole(kept, int(whole), ious, quads_px)
    kept.sort(key=lambda index: -merits[index])
    printed = _printed([quads_px[index] for index in kept], [merits[index] for index in kept])
    return [index for place, index in enumerate(kept) if place not in printed]


def may_follow(quad_px: np.ndarray, first_px: np.ndarray, others_px: list[np.ndarray]) -> bool:
    """Tell whether a quad shows the card that the first one showed, and none of the others.

    Args:
        quad_px: (4, 2) of a second segmentation.
        first_px: (4, 2) the quad of the card so far.
        others_px: (4, 2) each, of the photo's other cards.
    """
    if quads.iou(quad_px, first_px) <= ALIKE_IOU:
        return False
    beside_px = [other for other in others_px if not _lies_within(other, first_px, WITHIN)]
    if any(_lies_within(other, quad_px, WITHIN) for other in beside_px):
        return False
    return all(quads.iou(quad_px, other) < SAME_CARD_IOU for other in others_px)


def _made_whole(
    kept: list[int], whole: int, ious: np.ndarray, quads_px: list[np.ndarray]
) -> list[int]:
    """Put a quad in the place of two that are parts of it, if they are."""
    parts = [index for index in kept if _lies_within(quads_px[index], quads_px[whole], PART)]
    others = [index for index in kept if index not in parts]
    if len(parts) != 2 or (ious[whole, others] >= SAME_CARD_IOU).any():
        return kept
    area = quads.area(quads_px[whole])
    shared = quads.intersection(quads_px[parts[0]], quads_px[parts[1]]) / area
    both = sum(quads.intersection(quads_px[part], quads_px[whole]) for part in parts) / area
    return [*others, whole] if shared >= OVERLAP and both - shared >= COVERED else kept


def _printed(quads_px: list[np.ndarray], merits: list[float]) -> set[int]:
    """Name the quads that lie alone within another: of two or more, the other may be the ground."""
    within: dict[int, list[int]] = {}
    for inner, outer in permutations(range(len(quads_px)), 2):
        if _lies_within(quads_px[inner], quads_px[outer], WITHIN):
            within.setdefault(outer, []).append(inner)
    return {
        inners[0]
        for outer, inners in within.items()
        if len(inners) == 1 and merits[inners[0]] <= SURER * merits[outer]
    }


def _lies_within(inner_px: np.ndarray, outer_px: np.ndarray, share: float) -> bool:
    area = quads.area(inner_px)
    if area >= quads.area(outer_px) or not _meet(_extent(inner_px), _extent(outer_px)):
        return False
    return quads.intersection(inner_px, outer_px) > share * area


def _extent(quad_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return quad_px.min(axis=0), quad_px.max(axis=0)


def _meet(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return bool((one[0] < other[1]).all() and (other[0] < one[1]).all())


def _support(ious: np.ndarray, merits: np.ndarray) -> np.ndarray:
    """Say how well each quad agrees with those like it: mean square of the IoU, by merit."""
    weights = merits[None] * (ious > ALIKE_IOU)
    return (ious**2 * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
