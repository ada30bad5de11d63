"""From a drawn outline to the quad it stands for.

People and tools outline a card by many points: rounded corners, jitter, a notch where a finger
lies, two parts where a pen crosses. The card is the convex hull of it all, brought to four sides
by taking away, one by one, the side whose loss adds the least area; each side is then fitted to
the outline along its middle. What no four sides describe is refused in words, never approximated.
"""

import cv2
import numpy as np

from meishi.geometry import polygons, quads

# Hull and quad must agree this much inside the photo, or the outline is no quadrilateral.
MIN_AGREEMENT = 0.96
# The outline must fill this share of its hull: less is a bow tie, a frame, or scattered parts.
MIN_FILLED = 0.6
# A side's points come from its middle, this share cut at each end, and from a band beside it.
CORNER_SHARE = 0.2
BAND_SHARE = 0.02
MIN_BAND_PX = 1.0
REFITS = 3
# This share of each side, as far as the photo shows it, must have been drawn: else it only bridges
# parts that lie apart, such as two cards in one group.
MIN_DRAWN = 0.4
DRAWN_BINS = 25
SAMPLES_PER_SIDE = 64
# A side this near the frame's border may be where the photo ends, not the card: it goes first.
BORDER_PX = 1.5
BORDER_COST = 1e-3
GRID_PX = 256  # side of the raster on which areas are compared


class NoQuadError(ValueError):
    """An outline stands for no quad; the message completes "the outline ..."."""


def quad_from_outline(parts_px: list[np.ndarray], size_px: tuple[int, int]) -> np.ndarray:
    """Find the quad that an outline of one or several polygons stands for.

    Args:
        parts_px: (N, 2) polygons of one card, either direction; corners may leave the photo.
        size_px: of the photo. What the frame cuts off an outline does not count against it.

    Returns:
        (4, 2) float64, canonical. Four points that are a convex quad stay exactly as they are.

    Raises:
        NoQuadError: if the outline is no quadrilateral.
    """
    points = np.concatenate(parts_px)
    if not np.isfinite(points).all():
        raise NoQuadError("is not finite")
    hull = polygons.convex_hull(points)
    if len(hull) < 4:
        raise NoQuadError(f"has {len(hull)} corners; a card has four")
    if len(points) == 4:
        if len(parts_px) == 1 and _filled(parts_px, hull) < MIN_FILLED:
            raise NoQuadError("crosses itself")
        return _sound(hull)
    filled = _filled(parts_px, hull)
    if filled < MIN_FILLED:
        raise NoQuadError(
            f"fills {filled:.0%} of its convex hull: it crosses itself, or is more than one card"
        )
    corners = _four_sides(hull, size_px)
    spacing = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).max()
    samples = [polygons.along(part, spacing / SAMPLES_PER_SIDE) for part in parts_px]
    points = np.concatenate(samples)
    corners = _refit(corners, points, size_px)
    _refuse_bridges(corners, points, size_px)
    agreement = _agreement(corners, hull, size_px)
    if agreement < MIN_AGREEMENT:
        raise NoQuadError(
            f"is no quadrilateral: the nearest agrees with it to {agreement:.0%}, expected "
            f"{MIN_AGREEMENT:.0%} at least"
        )
    return _sound(corners)


def quad_from_corners(corners_px: np.ndarray) -> np.ndarray:
    """Order four corners given in any order: (4, 2) float64, canonical.

    Raises:
        NoQuadError: if they are not the corners of a convex quad.
    """
    if not np.isfinite(corners_px).all():
        raise NoQuadError("is not finite")
    hull = polygons.convex_hull(corners_px)
    if len(hull) != 4:
        raise NoQuadError("has a corner inside the others' triangle, or two in one place")
    return _sound(hull)


def quad_from_mask_outline(mask: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Find the quad that a binary mask stands for; see `quad_from_outline`.

    Args:
        mask: (H, W) bool, of the photo's size.
        size_px: of the photo.

    Raises:
        NoQuadError: if the mask is empty or no quadrilateral.
    """
    points = polygons.outline_of_mask(mask)
    hull = polygons.convex_hull(points) if len(points) else points
    if len(hull) < 4:
        raise NoQuadError("is empty, or less than a pixel wide")
    filled = mask.sum() / abs(polygons.area(hull))
    if filled < MIN_FILLED:
        raise NoQuadError(f"fills {filled:.0%} of its convex hull: it is more than one card")
    corners = _refit(_four_sides(hull, size_px), points, size_px)
    _refuse_bridges(corners, points, size_px)
    agreement = _agreement(corners, hull, size_px)
    if agreement < MIN_AGREEMENT:
        raise NoQuadError(f"is no quadrilateral: the nearest agrees with it to {agreement:.0%}")
    return _sound(corners)


def _sound(corners: np.ndarray) -> np.ndarray:
    corners = quads.canonical(corners)
    if fault := quads.fault(corners):
        raise NoQuadError(fault)
    return corners


def _four_sides(hull: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Take sides away until four are left: (4, 2) corners of a quad around the hull."""
    corners = hull
    while len(corners) > 4:
        tips = [_tip(corners, index) for index in range(len(corners))]
        costs = np.where(_on_border(corners, size_px), BORDER_COST, 1.0)
        added = [area * cost for (area, _), cost in zip(tips, costs, strict=True)]
        index = int(np.argmin(added))
        if not np.isfinite(added[index]):
            raise NoQuadError("is no quadrilateral")
        corners = np.roll(corners, -index, axis=0)  # the side goes from corner 0 to 1
        corners = np.vstack([tips[index][1], corners[2:]])
    return corners


def _on_border(corners: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(N,) bool: sides that run along the border of the frame."""
    near = _near_border(corners, size_px)
    return np.asarray((near & np.roll(near, -1, axis=0)).any(axis=1))


def _near_border(points: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(N, 4) bool: points at the left, upper, right and lower border of the frame."""
    low, high = quads.to_px(quads.FRAME, size_px)[[0, 2]]
    return np.hstack([np.abs(points - low), np.abs(points - high)]) < BORDER_PX


def _tip(corners: np.ndarray, index: int) -> tuple[float, np.ndarray]:
    """Tell what the loss of side `index` adds, and where its neighbours then meet."""
    before, start, end, after = np.roll(corners, 1 - index, axis=0)[:4]
    along, back = start - before, end - after
    cross = along[0] * back[1] - along[1] * back[0]
    gap = end - start
    # Clockwise, two sides that meet beyond the one between them turn left of each other.
    share = (gap[0] * back[1] - gap[1] * back[0]) / cross if cross else -1.0
    if share <= 0 or (gap[0] * along[1] - gap[1] * along[0]) / (cross or 1.0) <= 0:
        return np.inf, start
    meeting = start + share * along
    return abs(polygons.cross(start, meeting, end)) / 2, meeting


def _refit(corners: np.ndarray, points: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    points = points[~_near_border(points, size_px).any(axis=1)]
    for _ in range(REFITS):
        corners = _fitted(corners, points)
    return corners


def _fitted(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Fit each side to the points along its middle; a side with too few stays as it is."""
    lines = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        tangent = (end - start) / max(length, 1e-12)
        offsets = points - start
        position = offsets @ tangent / max(length, 1e-12)
        distance = offsets @ np.array([-tangent[1], tangent[0]])
        band = max(BAND_SHARE * length, MIN_BAND_PX)
        own = (np.abs(distance) < band) & (np.abs(position - 0.5) < 0.5 - CORNER_SHARE)
        near = points[own]
        # Points on one spot have no direction: they must reach along half of the middle.
        if len(near) >= 2 and np.ptp(position[own]) >= 0.5 - CORNER_SHARE:
            # A notch's flanks begin at the side, too: what lies off the most of it is left out.
            off = np.abs(distance[own] - np.median(distance[own]))
            kept = near[off <= max(3.0 * float(np.median(off)), 0.5)]
            near = kept if len(kept) >= 2 else near
            centre = near.mean(axis=0)
            tangent = np.linalg.svd(near - centre, full_matrices=False)[2][0]
            start = centre
        lines.append((start, tangent))
    return np.array([_meet(lines[index - 1], lines[index]) for index in range(4)])


def _refuse_bridges(corners: np.ndarray, points: np.ndarray, size_px: tuple[int, int]) -> None:
    """Refuse a quad with a side along which next to nothing was drawn."""
    on_border = _on_border(corners, size_px)
    last = np.array(size_px) - 0.5
    for side, (start, end) in enumerate(zip(corners, np.roll(corners, -1, axis=0), strict=True)):
        length = float(np.linalg.norm(end - start))
        if on_border[side] or length < DRAWN_BINS:
            continue
        tangent = (end - start) / length
        middles = start + (np.arange(DRAWN_BINS)[:, None] + 0.5) / DRAWN_BINS * (end - start)
        shown = ((middles >= -0.5) & (middles <= last)).all(axis=1)
        offsets = points - start
        near = np.abs(offsets @ [-tangent[1], tangent[0]]) < max(BAND_SHARE * length, 2.0)
        bins = np.floor(offsets[near] @ tangent / length * DRAWN_BINS).astype(int)
        drawn = np.isin(np.arange(DRAWN_BINS), bins)
        if shown.sum() >= 5 and drawn[shown].mean() < MIN_DRAWN:
            raise NoQuadError(
                f"leaves {1 - drawn[shown].mean():.0%} of a side open: is it more than one card?"
            )


def _meet(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    matrix = np.stack([a[1], -b[1]], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise NoQuadError("is no quadrilateral: two neighbouring sides are parallel")
    return np.asarray(a[0] + np.linalg.solve(matrix, b[0] - a[0])[0] * a[1])


def _filled(parts_px: list[np.ndarray], hull: np.ndarray) -> float:
    """Share of the hull that the polygons cover together, on a raster."""
    whole = _raster([hull], hull)
    return float(_raster(parts_px, hull).sum() / max(whole.sum(), 1))


def _agreement(corners: np.ndarray, hull: np.ndarray, size_px: tuple[int, int]) -> float:
    """IoU of quad and hull inside the frame; over all when the frame shows nothing of them."""
    extent = np.vstack([corners, hull])
    frame = _raster([quads.to_px(quads.FRAME, size_px)], extent)
    a, b = _raster([corners], extent), _raster([hull], extent)
    inside = frame if (b & frame).any() else np.ones_like(frame)
    return float((a & b & inside).sum() / max(((a | b) & inside).sum(), 1))


def _raster(polygons: list[np.ndarray], extent: np.ndarray) -> np.ndarray:
    """Fill polygons (even-odd each, united) on a grid over the extent: (GRID, GRID) bool."""
    low, span = extent.min(axis=0), np.maximum(np.ptp(extent, axis=0), 1e-9)
    mask = np.zeros((GRID_PX, GRID_PX), np.uint8)
    for polygon in polygons:
        # OpenCV overflows far outside the grid: the frame may be far larger than the card.
        places = np.clip((polygon - low) / span * (GRID_PX - 1), -20_000, 20_000)
        cv2.fillPoly(mask, [np.round(places * 16).astype(np.int32)], 1, shift=4)
    return mask > 0
