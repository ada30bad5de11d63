"""Polygons of any number of points, (N, 2) float64: hull, area, samples along them.

Clockwise means clockwise in image space, where y points down. `polygon_quads` fits quads to them.
"""

import numpy as np


def convex_hull(points: np.ndarray) -> np.ndarray:
    """(K, 2) float64 corners of the hull, clockwise (y down), none on a straight side.

    Monotone chain (Andrew 1979), in double precision: OpenCV's hull rounds to float32.
    """
    ordered = np.unique(np.asarray(points, dtype=np.float64), axis=0)
    if len(ordered) < 3:
        return ordered
    tolerance = 1e-9 * max(float(np.ptp(ordered, axis=0).max()), 1e-9) ** 2
    chains = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[np.ndarray] = []
        for point in sequence:
            while len(chain) > 1 and cross(chain[-2], chain[-1], point) <= tolerance:
                chain.pop()
            chain.append(point)
        chains += chain[:-1]
    return np.array(chains)


def area(polygon: np.ndarray) -> float:
    """Signed shoelace area; positive when clockwise in image space."""
    x, y = (polygon - polygon[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def along(polygon: np.ndarray, spacing: float) -> np.ndarray:
    """Sample a closed polygon evenly."""
    ends = np.roll(polygon, -1, axis=0)
    counts = np.maximum(np.ceil(np.linalg.norm(ends - polygon, axis=1) / spacing), 1).astype(int)
    return np.concatenate(
        [
            start + (end - start) * ((np.arange(count) + 0.5) / count)[:, None]
            for start, end, count in zip(polygon, ends, counts, strict=True)
        ]
    )


def cross(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Measure twice the signed area of a triangle; positive when clockwise."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def rotated_box(
    corner_px: np.ndarray, box_size_px: tuple[float, float], pivot_px: np.ndarray, degrees: float
) -> np.ndarray:
    """Turn an upright box clockwise (y down) about a pivot.

    Args:
        corner_px: (2,) its top left corner before the turn.
        box_size_px: width and height.
        pivot_px: (2,) what stays in place.
        degrees: clockwise, as the photo shows it.

    Returns:
        (4, 2) float64 corners TL, TR, BR, BL of the box itself.
    """
    corners = np.asarray(corner_px) + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * box_size_px
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray((corners - pivot_px) @ turn + pivot_px)


def outline_of_mask(mask: np.ndarray) -> np.ndarray:
    """List where a mask's outline crosses between pixel centres.

    Args:
        mask: (H, W) bool.

    Returns:
        (N, 2) float64 pixels, in no order: halfway between each pixel inside and its neighbour
        outside, so that the outline is neither the inner nor the outer one.
    """
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    beside = np.stack([columns + 0.5, rows], axis=1)
    rows, columns = np.nonzero(padded[1:] != padded[:-1])
    below = np.stack([columns, rows + 0.5], axis=1)
    return np.concatenate([beside, below]) - 1.0
