"""From a drawn outline to the quad it stands for.

People and tools outline a card by many points: rounded corners, jitter, a notch where a finger
lies, two parts where a pen crosses. The card is the convex hull of it all, brought to four sides
by taking away, one by one, the side whose loss adds the least area; each side is then the line
beside it that most of the outline runs along, so that neither a bump nor a notch moves it. What no
four sides describe is refused in words, never approximated.
"""

import numpy as np

from meishi.geometry import polygons, quads
from meishi.geometry.polygon_areas import (
    agreement,
    contours,
    filled,
    mask_without_specks,
    without_holes,
    without_specks,
)
from meishi.geometry.polygon_sides import Side, drawn_corners, fitted_side, near_px

# Hull and quad must agree this much inside the photo, or the outline is no quadrilateral.
MIN_AGREEMENT = 0.96
# The outline must fill this share of its hull: less is a bow tie, a frame, or scattered parts.
MIN_FILLED = 0.6
REFITS = 3
# A side is refused if another line has more of the outline to itself, as a share of the best's.
MAX_RIVAL = 0.45
# This share of each side, as far as the photo shows it, must have been drawn: else it only bridges
# parts that lie apart, such as two cards in one group, or a bump has taken the most of it.
MIN_DRAWN = 0.5
DRAWN_BINS = 25
SAMPLES = 512  # around an outline
# A side this near the frame's border may be where the photo ends, not the card: it goes first.
BORDER_PX = 1.5
BORDER_COST = 1e-3
# A border of the photo is a card's side if it carries one of this share of its own length, and all
# four do: a scan that shows its card, and nothing around it.
LONG_SHARE = 0.5
SCAN_PX = 3.0
REMEDY = "mark the card's four corners"


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
    if not np.isfinite(np.concatenate(parts_px)).all():
        raise NoQuadError("is not finite")
    parts_px = without_specks(parts_px)
    points = np.concatenate(parts_px)
    hull = polygons.convex_hull(points)
    if len(hull) < 4:
        raise NoQuadError(f"has {len(hull)} corners; a card has four")
    share = filled(parts_px, hull)
    if len(points) == 4:
        if len(parts_px) == 1 and share < MIN_FILLED:
            raise NoQuadError("crosses itself")
        return _sound(hull)
    if share < MIN_FILLED:
        raise NoQuadError(
            f"fills {share:.0%} of its convex hull: it crosses itself, or is more than one card"
        )
    spacing = max(np.linalg.norm(np.roll(hull, -1, axis=0) - hull, axis=1).sum(), 1e-9) / SAMPLES
    samples = np.concatenate([polygons.along(part, spacing) for part in parts_px])
    fitted = _fitted(hull, samples, parts_px, size_px)
    return _sound(drawn_corners(fitted, parts_px))


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
    mask = mask_without_specks(mask)
    points = polygons.outline_of_mask(mask)
    hull = polygons.convex_hull(points) if len(points) else points
    if len(hull) < 4:
        raise NoQuadError("is empty, or less than a pixel wide")
    share = mask.sum() / abs(polygons.area(hull))
    if share < MIN_FILLED:
        raise NoQuadError(f"fills {share:.0%} of its convex hull: it is more than one card")
    whole = without_holes(mask)
    return _fitted(hull, polygons.outline_of_mask(whole), contours(whole), size_px)


def _fitted(
    hull: np.ndarray, points: np.ndarray, parts_px: list[np.ndarray], size_px: tuple[int, int]
) -> np.ndarray:
    """Fit a quad to an outline: its hull, points evenly along it, and the polygons it is of."""
    corners = _refit(_four_sides(hull, size_px), points, size_px)
    _refuse_open(corners, points, size_px)
    share = agreement(corners, hull, parts_px, size_px)
    if share < MIN_AGREEMENT:
        raise NoQuadError(
            f"is no quadrilateral: the nearest agrees with it to {share:.2%}, expected "
            f"{MIN_AGREEMENT:.0%} at least"
        )
    return _sound(corners)


def _sound(corners: np.ndarray) -> np.ndarray:
    corners = quads.canonical(corners)
    if fault := quads.fault(corners):
        raise NoQuadError(fault)
    return corners


def _four_sides(hull: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Take sides away until four are left: (4, 2) corners of a quad around the hull."""
    if (whole := _whole_frame(hull, size_px)) is not None:
        return whole
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


def _whole_frame(hull: np.ndarray, size_px: tuple[int, int]) -> np.ndarray | None:
    """Give the quad (4, 2) of the sides that run along all four borders; None if one has none."""
    ends = np.roll(hull, -1, axis=0)
    near = _near_border(hull, size_px, SCAN_PX) & _near_border(ends, size_px, SCAN_PX)
    lengths = np.where(near, np.linalg.norm(ends - hull, axis=1)[:, None], 0.0)
    if (lengths.max(axis=0) < LONG_SHARE * np.array(size_px * 2)[[1, 0, 3, 2]]).any():
        return None
    longest = lengths.argmax(axis=0)
    sides = [Side(hull[index], ends[index] - hull[index]) for index in longest]
    return np.array([_meet(sides[index - 1], sides[index]) for index in (1, 2, 3, 0)])


def _on_border(corners: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(N,) bool: sides that run along the border of the frame."""
    near = _near_border(corners, size_px)
    return np.asarray((near & np.roll(near, -1, axis=0)).any(axis=1))


def _near_border(
    points: np.ndarray, size_px: tuple[int, int], within_px: float = BORDER_PX
) -> np.ndarray:
    """(N, 4) bool: points at the left, upper, right and lower border of the frame."""
    low, high = quads.to_px(quads.FRAME, size_px)[[0, 2]]
    return np.hstack([np.abs(points - low), np.abs(points - high)]) < within_px


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
    """Fit the sides to the outline, but for those where the photo ends, or hides it."""
    points = points[~_near_border(points, size_px).any(axis=1)]
    for _ in range(REFITS):
        ends = np.roll(corners, -1, axis=0)
        # Along the border there is the photo's end to see, not the card's: such a side stays.
        sides = [
            Side(start, end - start) if fixed else fitted_side(start, end, points)
            for start, end, fixed in zip(corners, ends, _on_border(corners, size_px), strict=True)
        ]
        corners = np.array([_meet(sides[index - 1], sides[index]) for index in range(4)])
    if any(side.rival > MAX_RIVAL for side in sides):
        raise NoQuadError(f"has a side that two lines fit alike: {REMEDY}")
    return corners


def _refuse_open(corners: np.ndarray, points: np.ndarray, size_px: tuple[int, int]) -> None:
    """Refuse a quad with a side along which too little was drawn."""
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
        near = np.abs(offsets @ [-tangent[1], tangent[0]]) < near_px(length)
        bins = np.floor(offsets[near] @ tangent / length * DRAWN_BINS).astype(int)
        drawn = np.isin(np.arange(DRAWN_BINS), bins)
        if shown.sum() >= 5 and drawn[shown].mean() < MIN_DRAWN:
            raise NoQuadError(
                f"leaves {1 - drawn[shown].mean():.0%} of a side open: is it more than one card, "
                f"or more than a card? {REMEDY}"
            )


def _meet(a: Side, b: Side) -> np.ndarray:
    matrix = np.stack([a.tangent, -b.tangent], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise NoQuadError("is no quadrilateral: two neighbouring sides are parallel")
    return np.asarray(a.start + np.linalg.solve(matrix, b.start - a.start)[0] * a.tangent)
