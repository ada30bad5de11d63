"""Polygons that a program traced around a mask, and what they say of its pixels.

A polygon that people draw counts from pixel edges. A traced one goes where its program puts it:

- `cv2.findContours` (supervision, SAHI, imantics, Ultralytics' and Label Studio's converters) goes
  through the centres of the outmost pixels, by their indices. Read as if from pixel edges it would
  end a pixel short on the right and below. It makes steps to one of the eight neighbours only, so
  it is known by them, and the mask is had back whole. Contours of one mask (a hole, parts) may be
  bridged into one ring: a long step over, and later the same back (supervision, Ultralytics).
- `skimage.measure.find_contours` goes halfway between the centres of two neighbours, one in and one
  out: one coordinate is whole, the other a half. FiftyOne's COCO has them as indices of pixels.
  labelme's AI tools have them a pixel further, and cut: the form alone says nothing, so it counts
  only where FiftyOne wrote the file.

Whoever thins such a contour to other steps (Datumaro) leaves nothing to know it by.
"""

from dataclasses import replace

import cv2
import numpy as np

from meishi.data.importers.labelled import EDGE_PX, LabelledPhoto

# A hand may make a few steps so, not all of these.
MIN_STEPS = 12
# Shares of the frame are written with four decimals at least; of the longer side of the frame.
ROUNDING = 6e-5
MIN_ROUNDING_PX = 1e-3


def mask_of_trace(parts: list[np.ndarray], frame_px: tuple[int, int]) -> np.ndarray | None:
    """Fill an outline that goes through pixel centres, as OpenCV traces masks.

    Args:
        parts: (N, 2) each, as the file counts: the indices of pixels, if it is such an outline.
        frame_px: width and height of the picture.

    Returns:
        (H, W) bool, the pixels on the outline and within; None if it is no such outline.
    """
    slack_px = max(MIN_ROUNDING_PX, ROUNDING * max(frame_px))
    indices = [part.round() for part in parts if np.isfinite(part).all()]
    if len(indices) < len(parts) or not indices:
        return None
    points, stated = np.concatenate(indices), np.concatenate(parts)
    inside = (points >= 0).all() and (points < frame_px).all()
    if not inside or np.abs(points - stated).max() > slack_px:
        return None
    rings = [_unbridged(part) for part in indices]
    pieces = [piece for ring in rings for piece in ring]
    # Without a slanted step it may be the edges of pixels that were followed.
    slanted = any((_steps(piece).min(axis=1) > 0).any() for piece in pieces)
    if not pieces or not all(rings) or max(map(len, pieces)) < MIN_STEPS or not slanted:
        return None
    mask = np.zeros(frame_px[::-1], dtype=np.uint8)
    for ring in rings:
        # All at once: what is in a hole lies within two of them, and is not filled.
        cv2.fillPoly(mask, [piece.astype(np.int32) for piece in ring], 1)
    return mask.astype(bool)


def _unbridged(ring: np.ndarray) -> list[np.ndarray]:
    """Split a ring, (N, 2), where a long step goes over and the same comes back.

    Returns:
        The pieces, which step to neighbours only; none if other long steps are in it.
    """
    moved = _steps(ring)
    is_long = (moved.min(axis=1) > 0) & (moved[:, 0] != moved[:, 1])
    ends = np.roll(ring, -1, axis=0)
    pieces: list[list[np.ndarray]] = []
    open_ones: list[list[np.ndarray]] = [[]]
    bridges: list[tuple[np.ndarray, np.ndarray]] = []
    for point, end, over in zip(ring, ends, is_long, strict=True):
        open_ones[-1].append(point)
        if not over:
            continue
        if bridges and np.array_equal(bridges[-1], (end, point)):
            bridges.pop()
            pieces.append(open_ones.pop())
        else:
            bridges.append((point, end))
            open_ones.append([])
    return [] if bridges else [np.array(piece) for piece in (*open_ones, *pieces)]


def _steps(ring: np.ndarray) -> np.ndarray:
    return np.abs(np.roll(ring, -1, axis=0) - ring)


def of_fiftyone(photo: LabelledPhoto) -> LabelledPhoto:
    """Take the outlines that FiftyOne traced in a COCO photo as what they are, indices of pixels.

    Args:
        photo: the photo, whose polygons were all read as from pixel edges.
    """
    shapes = []
    for shape in photo.shapes:
        stated = [part + EDGE_PX for part in shape.parts_px]
        traced = shape.kind == "polygon" and _is_halfway(stated)
        shapes.append(replace(shape, parts_px=tuple(stated)) if traced else shape)
    return replace(photo, shapes=tuple(shapes))


def _is_halfway(parts: list[np.ndarray]) -> bool:
    """Tell an outline halfway between pixels; what is beyond the first one FiftyOne sets to 0."""
    points = np.concatenate(parts)
    doubled = 2 * points
    if not np.isfinite(points).all() or np.abs(doubled - doubled.round()).max() > 0:
        return False
    halves = doubled % 2 == 1
    cut = (points == 0).any(axis=1)
    return bool(((halves.sum(axis=1) == 1) | cut).all() and halves.any(axis=0).all())
