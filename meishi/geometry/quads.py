"""Quads: the four corners of a card, and the two frames they are measured in.

A quad is (4, 2) float64, corners TL, TR, BR, BL: clockwise in image space, where y points down.
Pixel centres lie at integers, so an image of width W spans [-0.5, W - 0.5] in pixels and [0, 1]
in relative coordinates: x = (x_px + 0.5) / W. Sizes are (width, height). This file
converts between the two; homographies on pixels are in crops.py and homography.py. Lengths and
angles are true only in pixels.
"""

import numpy as np

# The smallest sine of a corner's turn that still counts as a corner.
MIN_TURN = 1e-6
# Two edges point equally far to the right when their cosines differ by less than this.
DIRECTION_TIE = 1e-9
# The photo itself as a quad, relative.
FRAME = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def to_relative(points_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Express pixel positions relative to the image.

    Args:
        points_px: (..., 2) positions, pixel centres at integers.
        size_px: width and height of the image.

    Returns:
        (..., 2) float64 positions; the image spans [0, 1]. `to_px` inverts it.
    """
    return (np.asarray(points_px, dtype=np.float64) + 0.5) / np.asarray(size_px)


def to_px(points: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Express relative positions in pixels of the image.

    Args:
        points: (..., 2) positions; the image spans [0, 1].
        size_px: width and height of the image.

    Returns:
        (..., 2) float64 positions, pixel centres at integers. `to_relative` inverts it.
    """
    return np.asarray(points, dtype=np.float64) * np.asarray(size_px) - 0.5


def following(points: np.ndarray) -> np.ndarray:
    """Give for each corner of a closed (N, ...) outline the next one; the first for the last.

    As `np.roll` by -1 along the first axis, which takes several times as long for four corners.
    """
    return np.concatenate((points[1:], points[:1]))


def side_lengths(corners_px: np.ndarray) -> np.ndarray:
    """Measure the sides of quads, from the one between the first two corners on.

    Args:
        corners_px: (..., 4, 2) in pixels.

    Returns:
        (..., 4) pixels.
    """
    return np.linalg.norm(corners_px[..., (1, 2, 3, 0), :] - corners_px, axis=-1)


def area(quad: np.ndarray) -> float:
    """Measure a quad by the shoelace formula.

    Args:
        quad: (4, 2) corners.

    Returns:
        The signed area in units of the quad's frame: positive when clockwise in image space.
    """
    return _shoelace(np.asarray(quad, dtype=np.float64))


def is_convex(quad: np.ndarray) -> bool:
    """Tell whether all four corners turn the same way, whichever way that is.

    Args:
        quad: (4, 2) finite corners.

    Returns:
        False also when the quad crosses itself, or when three corners lie on a line.
    """
    turns = _turns(np.asarray(quad, dtype=np.float64))
    return bool((turns > MIN_TURN).all() or (turns < -MIN_TURN).all())


def fault(quad: np.ndarray) -> str | None:
    """Say in words what keeps a quad from being a card's outline.

    Args:
        quad: anything that may become a quad.

    Returns:
        None for four finite corners that are convex and clockwise in image space.
    """
    corners = np.asarray(quad, dtype=np.float64)
    if corners.shape != (4, 2):
        return f"has the shape {corners.shape}, expected (4, 2)"
    if not np.isfinite(corners).all():
        return "is not finite"
    turns = _turns(corners)
    if (np.abs(turns) <= MIN_TURN).any():
        return "is degenerate (three corners on one line, or two corners in one place)"
    clockwise = int((turns > 0).sum())
    # Sine signs alone tell the three shapes apart: a bow tie turns twice each way.
    return {
        4: None,
        3: "is not convex",
        2: "is self-crossing",
        1: "is not convex",
        0: "is counter-clockwise (expected clockwise in image space, y down)",
    }[clockwise]


def canonical(quad: np.ndarray) -> np.ndarray:
    """Order corners clockwise from the top left one, as the photo shows the card.

    The first edge, TL to TR, is the one that points most to the right. Of two edges that do so
    equally (a square that stands on its corner) the one with the higher first corner wins.
    A self-crossing quad is reordered likewise but stays self-crossing: see `fault`.

    Args:
        quad: (4, 2) corners that follow the outline either way round; in pixels for true angles.

    Returns:
        (4, 2) float64: the same corners, the same for every roll and direction of the input.
    """
    corners = np.asarray(quad, dtype=np.float64)
    if area(corners) < 0:
        corners = corners[::-1]
    edges = following(corners) - corners
    rightness = edges[:, 0] / np.maximum(np.hypot(edges[:, 0], edges[:, 1]), 1e-300)
    tied = np.flatnonzero(rightness >= rightness.max() - DIRECTION_TIE)
    first = min(tied, key=lambda corner: (corners[corner, 1], corners[corner, 0]))
    return np.roll(corners, -first, axis=0)


def intersection(quad_a: np.ndarray, quad_b: np.ndarray) -> float:
    """Measure the area two convex quads share, exactly, by clipping one with the other.

    OpenCV's `intersectConvexConvex` (5.0) errs where edges of the two lie on one line.

    Args:
        quad_a: (4, 2) convex corners, either direction.
        quad_b: (4, 2) convex corners, either direction, same frame.

    Returns:
        The shared area in units of the quads' frame.

    Raises:
        ValueError: if a quad is not convex.
    """
    overlap, b = _convex_clockwise(quad_a), _convex_clockwise(quad_b)
    for start, end in zip(b, following(b), strict=True):
        overlap = _clip_by_line(overlap, start, end)
    return max(_shoelace(overlap), 0.0)


def iou(quad_a: np.ndarray, quad_b: np.ndarray) -> float:
    """Measure the overlap of two convex quads.

    Args:
        quad_a: (4, 2) convex corners, either direction.
        quad_b: (4, 2) convex corners, either direction, same frame.

    Returns:
        Intersection over union in [0, 1].

    Raises:
        ValueError: if a quad is not convex.
    """
    shared = intersection(quad_a, quad_b)
    return min(shared / (abs(area(quad_a)) + abs(area(quad_b)) - shared), 1.0)


def visible_share(quad: np.ndarray) -> float:
    """Tell how much of a card the photo shows.

    Args:
        quad: (4, 2) corners, relative to the photo.

    Returns:
        The share of the quad's area inside the frame, in [0, 1]; 0 for a quad that is not convex,
        such as one that perspective turned inside out.
    """
    if not is_convex(quad):
        return 0.0
    return min(intersection(quad, FRAME) / abs(area(quad)), 1.0)


def corner_error(quad: np.ndarray, gt_quad: np.ndarray) -> float:
    """Measure how far a quad's corners lie from the true ones.

    A card read upside down is the same outline, so the best of the four cyclic rolls counts.

    Args:
        quad: (4, 2) corners, clockwise.
        gt_quad: (4, 2) true corners, clockwise, same frame; in pixels for true lengths.

    Returns:
        The mean distance over the four corners, as a fraction of the true quad's mean diagonal.
    """
    corners, gt = np.asarray(quad, dtype=np.float64), np.asarray(gt_quad, dtype=np.float64)
    distances = [
        np.linalg.norm(np.roll(corners, roll, axis=0) - gt, axis=-1).mean() for roll in range(4)
    ]
    diagonal = np.linalg.norm(gt[:2] - gt[2:], axis=-1).mean()
    return float(min(distances) / diagonal)


def _shoelace(polygon: np.ndarray) -> float:
    if len(polygon) < 3:
        return 0.0
    # Measured from the first corner: far-off frames would cancel digits otherwise.
    x, y = (polygon - polygon[0]).T
    return float(np.dot(x, following(y)) - np.dot(y, following(x))) / 2


def _turns(corners: np.ndarray) -> np.ndarray:
    """Sine of the turn at the end of each edge; 0 where an edge has no length."""
    edges = following(corners) - corners
    after = following(edges)
    lengths = np.linalg.norm(edges, axis=-1)
    cross = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    product = lengths * following(lengths)
    return np.divide(cross, product, out=np.zeros(4), where=product > 0)


def _convex_clockwise(quad: np.ndarray) -> np.ndarray:
    corners = np.asarray(quad, dtype=np.float64)
    if not is_convex(corners):
        raise ValueError(f"expected a convex quad, got {corners.tolist()}; see quads.fault")
    return corners if area(corners) > 0 else corners[::-1]


def _clip_by_line(polygon: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Keep what lies to the right of start -> end in image space (Sutherland and Hodgman 1974)."""
    along = end - start
    side = along[0] * (polygon[:, 1] - start[1]) - along[1] * (polygon[:, 0] - start[0])
    kept: list[np.ndarray] = []
    for index in range(len(polygon)):
        before, after = polygon[index - 1], polygon[index]
        if (side[index - 1] >= 0) != (side[index] >= 0):
            share = side[index - 1] / (side[index - 1] - side[index])
            kept.append(before + share * (after - before))
        if side[index] >= 0:
            kept.append(after)
    return np.array(kept).reshape(-1, 2)
