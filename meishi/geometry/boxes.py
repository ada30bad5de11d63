"""Axis-aligned boxes: formats, overlap and non-maximum suppression.

Boxes are rows of four numbers relative to the frame, which spans [0, 1] in both axes, y down.
`boxes_xyxy` holds the left, top, right and bottom edges, `boxes_cxcywh` the centre and the size.
Edges are continuous, so a box has the area (right - left) * (bottom - top), without a "+ 1".
This file is the only place that converts between the two formats.
"""

import numpy as np


def xyxy_from_cxcywh(boxes_cxcywh: np.ndarray) -> np.ndarray:
    """Convert centre-and-size boxes to edge boxes.

    Args:
        boxes_cxcywh: (..., 4) boxes as centre x, centre y, width, height.

    Returns:
        (..., 4) boxes as left, top, right, bottom; `cxcywh_from_xyxy` inverts it.
    """
    boxes = np.asarray(boxes_cxcywh)
    centre, half_size = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half_size, centre + half_size], axis=-1)


def cxcywh_from_xyxy(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Convert edge boxes to centre-and-size boxes.

    Args:
        boxes_xyxy: (..., 4) boxes as left, top, right, bottom.

    Returns:
        (..., 4) boxes as centre x, centre y, width, height; `xyxy_from_cxcywh` inverts it.
    """
    boxes = np.asarray(boxes_xyxy)
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def area(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Measure boxes; a box whose edges are crossed has no area.

    Args:
        boxes_xyxy: (..., 4) boxes.

    Returns:
        (...) areas in units of the frame, never negative.
    """
    boxes = np.asarray(boxes_xyxy)
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1)


def clip(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Cut boxes at the frame [0, 1]; a box outside of it collapses onto its border.

    Args:
        boxes_xyxy: (..., 4) boxes.

    Returns:
        (..., 4) boxes within [0, 1].
    """
    return np.clip(boxes_xyxy, 0, 1)


def iou_matrix(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Measure the overlap of each box of one set with each box of another.

    Args:
        a_xyxy: (N, 4) boxes.
        b_xyxy: (M, 4) boxes.

    Returns:
        (N, M) intersection over union in [0, 1]; 0 where both boxes have no area.
    """
    a, b = as_rows(a_xyxy), as_rows(b_xyxy)
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])  # (N, M, 2)
    intersection = np.maximum(high - low, 0).prod(axis=-1)
    union = area(a)[:, None] + area(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def nms(
    boxes_xyxy: np.ndarray, scores: np.ndarray, iou_threshold: float, max_boxes: int
) -> np.ndarray:
    """Keep the best of each group of overlapping boxes, greedily by score.

    Args:
        boxes_xyxy: (N, 4) boxes.
        scores: (N,) scores; of two equal ones the lower index counts as the better.
        iou_threshold: a box is dropped when it overlaps a kept one by more than this.
        max_boxes: the most boxes to keep.

    Returns:
        (K,) int64 indices of the kept boxes, best score first.

    Raises:
        ValueError: if boxes and scores differ in number.
    """
    boxes, scores = as_rows(boxes_xyxy), np.asarray(scores)
    if scores.shape != (len(boxes),):
        raise ValueError(f"nms: {len(boxes)} boxes need {len(boxes)} scores, got {scores.shape}")
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while waiting.size and len(kept) < max_boxes:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        overlaps = iou_matrix(boxes[best], boxes[waiting])[0]
        waiting = waiting[overlaps <= iou_threshold]
    return np.array(kept, dtype=np.int64)


def from_quads(quads: np.ndarray) -> np.ndarray:
    """Bound quads by boxes cut at the frame.

    Args:
        quads: (N, 4, 2) relative corners, in any order; (0,) and (0, 4, 2) mean no quad.

    Returns:
        (N, 4) float64 `boxes_xyxy` within [0, 1].
    """
    corners = np.asarray(quads, dtype=np.float64).reshape(-1, 4, 2)
    return clip(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=-1))


def as_rows(boxes: np.ndarray) -> np.ndarray:
    """View boxes as (N, 4) float64 rows: one box becomes one row, an empty list none.

    Args:
        boxes: (N, 4), (4,) or (0,) numbers, in either format.

    Returns:
        (N, 4) float64.
    """
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
