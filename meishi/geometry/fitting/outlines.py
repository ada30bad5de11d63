"""The outline of a soft card mask, as points of sub-pixel precision.

The outline is where the mask crosses one half, interpolated linearly along the pixel grid as in
marching squares. Points stay unordered: lines are fitted to them, and a line needs no order.
Positions are pixels of the mask, pixel centres at integers; normals point out of the card.
"""

from dataclasses import dataclass

import cv2
import numpy as np

LEVEL = 0.5
# Linear interpolation of a hard-edged mask is off by up to 0.09 px; this blur makes it 0.01 px
# without moving a straight edge, and averages noise away.
BLUR_SIGMA_PX = 0.8
# A smaller share of the mask is no card: crops are taken around one.
MIN_AREA = 0.01


@dataclass(frozen=True)
class Outline:
    """The border of the mask's largest component, holes ignored.

    Attributes:
        points_px: (N, 2) float64 positions where the mask crosses one half.
        normals: (N, 2) float64 unit vectors, out of the card.
        lengths_px: (N,) float64, the length of outline each point stands for.
        trusted: (N,) bool, False at the border of the mask or of the photo.
        component: (H, W) bool, the pixels of the component, without its holes.
        polygon_px: (M, 2) int32 border pixels, clockwise in image space.
    """

    points_px: np.ndarray
    normals: np.ndarray
    lengths_px: np.ndarray
    trusted: np.ndarray
    component: np.ndarray
    polygon_px: np.ndarray


def trace(mask: np.ndarray, valid: np.ndarray) -> Outline | None:
    """Find the outline of the largest component of a mask.

    Args:
        mask: (H, W) float32 soft mask in [0, 1].
        valid: (H, W) bool, the pixels that show the photo.

    Returns:
        None when no component covers `MIN_AREA` of the mask.
    """
    blurred = cv2.GaussianBlur(mask, (5, 5), BLUR_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    # The margin of one pixel closes the outline of a card that reaches over the border.
    padded = np.pad(blurred, 1)
    component = _largest_component(padded)
    if component is None:
        return None
    contours, _ = cv2.findContours(component, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(component), contours, -1, 1, cv2.FILLED) > 0
    reliable = cv2.erode(np.pad(valid, 1).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    points, normals, trusted = _crossings(padded, filled, reliable)
    return Outline(
        points_px=points - 1,
        normals=normals,
        # A line of unit length crosses |nx| rows and |ny| columns of the grid.
        lengths_px=1 / np.abs(normals).sum(axis=1),
        trusted=trusted,
        component=component[1:-1, 1:-1] > 0,
        # OpenCV goes round a component counter-clockwise.
        polygon_px=np.ascontiguousarray(contours[0][::-1, 0] - 1),
    )


def _largest_component(padded: np.ndarray) -> np.ndarray | None:
    """(H, W) uint8 of the largest 4-connected component over the level."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        (padded >= LEVEL).astype(np.uint8), connectivity=4
    )
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size or areas.max() < MIN_AREA * padded.size:
        return None
    return (labels == 1 + areas.argmax()).astype(np.uint8)


def _crossings(
    padded: np.ndarray, filled: np.ndarray, reliable: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, outward normals and trust, along rows and then along columns."""
    gradient = np.dstack([cv2.Sobel(padded, cv2.CV_32F, 1, 0), cv2.Sobel(padded, cv2.CV_32F, 0, 1)])
    parts = []
    for step_x, step_y in ((1, 0), (0, 1)):
        height, width = padded.shape[0] - step_y, padded.shape[1] - step_x
        y, x = np.nonzero(filled[:height, :width] != filled[step_y:, step_x:])
        here, there = (y, x), (y + step_y, x + step_x)
        share = (padded[here] - LEVEL) / (padded[here] - padded[there])  # 0 here, 1 there
        points = np.stack([x + step_x * share, y + step_y * share], axis=1)
        outward = -(gradient[here] + gradient[there])
        parts.append((points, outward, reliable[here] & reliable[there]))
    points, outward, trusted = (np.concatenate(part) for part in zip(*parts, strict=True))
    lengths = np.linalg.norm(outward, axis=1, keepdims=True)
    normals = np.divide(outward, lengths, out=np.full_like(outward, 0.5), where=lengths > 0)
    return points.astype(np.float64), normals.astype(np.float64), trusted
