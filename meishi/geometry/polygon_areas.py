"""Areas of outlines, compared on a raster; specks in them, which are no part of a card."""

import cv2
import numpy as np

from meishi.geometry import polygons, quads

GRID_PX = 256  # side of the raster on which areas are compared
# Parts smaller than this share of the largest are slips of the mouse, or what a brush left behind.
SPECK_SHARE = 0.01


def without_specks(parts_px: list[np.ndarray]) -> list[np.ndarray]:
    """Drop polygons that are tiny beside the largest.

    Args:
        parts_px: (N, 2) polygons of one card; not finite ones stay, for others to refuse.

    Returns:
        The others, in their order; all if none has an area.
    """
    # By hulls: a part that crosses itself has little area of its own.
    hulls = [polygons.convex_hull(part) for part in parts_px]
    areas = [abs(polygons.area(hull)) if len(hull) > 2 else 0.0 for hull in hulls]
    least = SPECK_SHARE * max(areas, default=0.0)
    return [part for part, area in zip(parts_px, areas, strict=True) if not area < least]


def mask_without_specks(mask: np.ndarray) -> np.ndarray:
    """Drop components of a mask that are tiny beside the largest.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool: the other components, pixels that touch at a corner being of one.
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # all that is no component
    kept = (areas > 0) & (areas >= SPECK_SHARE * areas.max())
    return np.asarray(kept[labels])


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """List the outer outlines of a mask's components: (N, 2) float64, through pixel centres."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [contour[:, 0].astype(np.float64) for contour in found]


def without_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what a mask encloses: (H, W) bool. A hole's edge is no edge of the card."""
    filled = np.zeros(mask.shape, np.uint8)
    for contour in contours(mask):
        cv2.fillPoly(filled, [contour.astype(np.int32)], 1)
    return filled > 0


def filled(parts_px: list[np.ndarray], hull: np.ndarray) -> float:
    """Tell the share of the hull that the polygons cover together."""
    whole = _raster([hull], hull)
    return float(_raster(parts_px, hull).sum() / max(whole.sum(), 1))


def agreement(
    corners: np.ndarray, hull: np.ndarray, parts_px: list[np.ndarray], size_px: tuple[int, int]
) -> float:
    """Compare a quad with an outline inside the frame; over all if the frame shows none of it.

    Args:
        corners: (4, 2) of the quad.
        hull: (N, 2) of the outline. What of the quad it covers counts as drawn: a notch is where
            a finger lies.
        parts_px: (N, 2) polygons of the outline. What they cover beyond the quad counts against
            it, the hull around a bump does not.
        size_px: of the photo.

    Returns:
        Their IoU.
    """
    extent = np.vstack([corners, hull])
    frame = _raster([quads.to_px(quads.FRAME, size_px)], extent)
    quad, around, drawn = (_raster(shape, extent) for shape in ([corners], [hull], parts_px))
    inside = frame if (around & frame).any() else np.ones_like(frame)
    both, either = quad & around & inside, (quad | drawn) & inside
    return float(both.sum() / max(either.sum(), 1))


def _raster(shapes: list[np.ndarray], extent: np.ndarray) -> np.ndarray:
    """Fill polygons (even-odd each, united) on a grid over the extent: (GRID, GRID) bool."""
    low, span = extent.min(axis=0), np.maximum(np.ptp(extent, axis=0), 1e-9)
    mask = np.zeros((GRID_PX, GRID_PX), np.uint8)
    for polygon in shapes:
        # OpenCV overflows far outside the grid: the frame may be far larger than the card.
        places = np.clip((polygon - low) / span * (GRID_PX - 1), -20_000, 20_000)
        cv2.fillPoly(mask, [np.round(places * 16).astype(np.int32)], 1, shift=4)
    return mask > 0
