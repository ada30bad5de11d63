"""From a soft card mask to the card's four corners, by fitting its four sides.

Corners are rounded or hidden under fingers, sides are long and straight: so each side is fitted
as a line, robustly, and the corners are where the lines meet. Lines are rows (nx, ny, offset) of
pixels of the mask, nx * x + ny * y = offset, with the unit normal out of the card. Four of them
go round the card clockwise, y down. `sides.propose` finds them; nothing here is random.
"""

from dataclasses import dataclass

import numpy as np

from meishi.geometry import crops, quads
from meishi.geometry.fitting import outlines, sides
from meishi.geometry.fitting.outlines import Outline

# Rounded corners take up to 12 % of the short side; perspective asks for some more.
ROUNDED_SHARE = 0.15
# Widths of the band round a side from which its points come, one a pass.
BANDS_PX = (3.0, 1.5)
# Outliers: Tukey's biweight with a cut-off of so many deviations, but not below so many pixels.
CUTOFF_DEVIATIONS = 3.0
MIN_CUTOFF_PX = 0.7
REWEIGHTINGS = 4
# A side is fitted to trusted points alone when these cover this share of it.
TRUSTED_SHARE = 0.15


@dataclass(frozen=True)
class QuadFit:
    """A quad fitted to a mask.

    Attributes:
        quad: (4, 2) float64, relative to the mask's frame, canonical order; may leave the frame.
        agreement: soft IoU in [0, 1] of the quad with the mask, over the valid pixels: low when
            the mask is no quad, has other parts, or is undecided.
    """

    quad: np.ndarray
    agreement: float


def quad_from_mask(mask: np.ndarray, valid: np.ndarray | None = None) -> QuadFit | None:
    """Fit a quad to the largest component of a soft card mask.

    Args:
        mask: (H, W) soft mask in [0, 1], any float type.
        valid: (H, W) bool, the pixels that show the photo; all when None. The outline at their
            border, or at the mask's, counts only for a side that has too little other outline.

    Returns:
        None when there is no component of a card's size, or it has no four sides.

    Raises:
        ValueError: if the mask is not (H, W), or valid has another shape.
    """
    mask, valid = _checked(mask, valid)
    outline = outlines.trace(mask, valid)
    if outline is None or (lines := sides.propose(outline, valid)) is None:
        return None
    for band_px in BANDS_PX:
        lines = _refit(lines, outline, band_px)
    corners = sides.corners(lines)
    if quads.fault(corners) is not None or not sides.near_frame(corners, mask.shape):
        return None
    quad = quads.to_relative(quads.canonical(corners), mask.shape[::-1])
    return QuadFit(quad, _agreement(corners, mask, valid))


def _checked(mask: np.ndarray, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    mask = np.ascontiguousarray(mask, dtype=np.float32)
    if mask.ndim != 2:
        raise ValueError(f"quad_from_mask: expected a mask (H, W), got the shape {mask.shape}")
    if valid is None:
        return mask, np.ones(mask.shape, dtype=bool)
    if np.shape(valid) != mask.shape:
        raise ValueError(
            f"quad_from_mask: the mask is {mask.shape}, but valid is {np.shape(valid)}"
        )
    return mask, np.asarray(valid, dtype=bool)


def _refit(lines: np.ndarray, outline: Outline, band_px: float) -> np.ndarray:
    """Fit each of the four sides to the outline in its band, away from the corners."""
    corners = sides.corners(lines)
    lengths = quads.side_lengths(corners)
    opposite = (lengths + lengths[[2, 3, 0, 1]]) / 2
    # Corners are round on the flat card: a share of its short side, a smaller one of its long.
    cut = ROUNDED_SHARE * opposite.min() / opposite
    own = sides.parallel(lines, outline) & sides.alongside(lines, corners, outline.points_px, cut)
    own &= np.abs(sides.distances(lines, outline.points_px)) < band_px
    weights = own * outline.lengths_px
    trusted = weights * outline.trusted
    enough = trusted.sum(axis=1) >= np.maximum(TRUSTED_SHARE * lengths, sides.MIN_SUPPORT_PX)
    weights = np.where(enough[:, None], trusted, weights)
    return _reweighted_fit(lines, outline.points_px, weights, band_px)


def _reweighted_fit(
    lines: np.ndarray, points: np.ndarray, weights: np.ndarray, cutoff_px: float
) -> np.ndarray:
    """Fit lines again and again, each time with less weight for what lies off them."""
    cutoff, places = np.full((len(lines), 1), cutoff_px), sides.Places.of(points)
    squares = sides.distances(lines, points) ** 2
    for _ in range(REWEIGHTINGS):
        robust = weights * sides.biweight(squares, cutoff)
        lines = sides.fit(lines, places, robust)
        squares = sides.distances(lines, points) ** 2
        total = np.maximum(robust.sum(axis=1, keepdims=True), 1e-12)
        deviation = np.sqrt((robust * squares).sum(axis=1, keepdims=True) / total)
        cutoff = np.clip(CUTOFF_DEVIATIONS * deviation, MIN_CUTOFF_PX, cutoff)
    return lines


def _agreement(corners: np.ndarray, mask: np.ndarray, valid: np.ndarray) -> float:
    covered = crops.coverage(corners, mask.shape[::-1])
    union = np.maximum(covered, mask)[valid].sum()
    return float(np.minimum(covered, mask)[valid].sum() / max(union, 1.0))
