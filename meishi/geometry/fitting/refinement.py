"""Moving a quad's sides onto the card's edges in the photo's own pixels.

The segmenter's mask is coarse: one of its pixels is three of a preview frame's and more of a
photo's. A quad fitted to it is right to about a quarter of a mask pixel, so the true edge is near:
each side looks for it in a narrow strip, as the straight line along which brightness or colour
steps most steadily. The step may change its sign along a side (a light card half on a white sheet,
half on a dark desk), so it is averaged in cells of the side, not along the whole. Its height is
saturated: a faint edge all along the side counts more than a strong one of a letter beside it.
"""

from functools import lru_cache

import cv2
import numpy as np

from meishi.geometry import crops, quads
from meishi.geometry.fitting import sides

PATCH_UNIT_PX = 6.0  # a mask pixel in the patch that is searched, about: finer pixels tell no more
MARGIN = 3.0  # of the patch round the quad, mask pixels
SPAN = (0.12, 0.88)  # part of a side that is looked at: corners are round
CELLS, SAMPLES = 10, 60  # of a side
SMOOTHING = 0.125  # sigma of the derivative across the side, mask pixels; at least MIN_SMOOTHING_PX
MIN_SMOOTHING_PX = 0.6
PULL = 0.04  # strength by which an end of a line must win for lying one mask pixel off the mask's
FAINT = 4.0  # mean height of step, of 255, below which a side stays where it is
NEAR = 0.25  # sigma of the window round a line that a cell's edge is located in; mask pixels
MIN_VISIBLE = 0.4  # share of a side that must be in the photo
MAX_SHIFT = 4.0  # of a corner along x or y, mask pixels: a side that turned further found another
LOOKS, REWEIGHTINGS = 3, 3
LEAST_WEIGHT = 1e-6  # keeps the fit defined when few cells agree
# Places along a side, shares of it: of the samples, and the middle of each cell.
SHARES = SPAN[0] + (SPAN[1] - SPAN[0]) * (np.arange(SAMPLES) + 0.5) / SAMPLES
CENTRES = SHARES.reshape(CELLS, -1).mean(axis=1)
# What the ends of a line count at the cells, and the products of these.
TERMS = np.stack([1 - CENTRES, CENTRES], axis=1)
PRODUCTS = np.stack([TERMS[:, 0] ** 2, TERMS[:, 0] * TERMS[:, 1], TERMS[:, 1] ** 2], axis=1)
# Reach in mask pixels, steps a mask pixel, and the height of step that counts half.
PASSES = ((1.2, 6, 40.0), (1.0, 10, 60.0))
ALONG = (0.3, 10, 40.0)  # the same, where a side is only asked how clear the edge along it is
LEAST_STRENGTH = 1e-3  # of a side without any edge: one such side is no proof
UNSEEN = 0.3  # what a side counts that is not in the photo: left out, it would be as good as any


def refine(
    image: np.ndarray, quad_px: np.ndarray, unit_px: float, quick: bool = False
) -> np.ndarray:
    """Move a quad's sides onto the edges beside them.

    Args:
        image: (H, W, 3) uint8.
        quad_px: (4, 2) clockwise, pixel centres at integers; may leave the image.
        unit_px: side of a mask pixel in the image: what the quad is uncertain by.
        quick: only the last of the two passes.

    Returns:
        (4, 2) float64 corners in the same order. Sides without a clear edge, or out of the image,
        stay; the quad as it was if what results is none.
    """
    patch, patch_from_image = _patch(image, quad_px, unit_px)
    unit = unit_px * patch_from_image[0, 0]
    corners = start = crops.transform(quad_px, patch_from_image)
    for reach, steps, half_height in PASSES[1:] if quick else PASSES:
        shifts = _edges(patch, corners, unit, reach, steps, half_height)
        moved = _shifted(corners, shifts)
        if moved is None or np.abs(moved - start).max() > MAX_SHIFT * unit:
            return np.asarray(quad_px, np.float64)
        corners = moved
    return crops.transform(corners, np.linalg.inv(patch_from_image))


def edge_strength(image: np.ndarray, quad_px: np.ndarray, unit_px: float) -> float:
    """Say how clear the edges along a quad's sides are.

    Args:
        image: (H, W, 3) uint8.
        quad_px: (4, 2) clockwise, refined; may leave the image.
        unit_px: as `refine` takes it.

    Returns:
        In (0, 1): the geometric mean of the four sides' mean heights of step, saturated, each along
        the best line beside and parallel to the side; `UNSEEN` where the image shows too little.
    """
    reach, steps, half_height = ALONG
    patch, patch_from_image = _patch(image, quad_px, unit_px)
    corners = crops.transform(quad_px, patch_from_image)
    unit = unit_px * patch_from_image[0, 0]
    heights, _, visible = _strips(patch, corners, unit, reach, steps)
    strengths = (heights / (heights + half_height)).mean(axis=1).max(axis=1)
    strengths = np.where(visible.mean(axis=1) >= MIN_VISIBLE, strengths, UNSEEN)
    return float(np.exp(np.log(strengths + LEAST_STRENGTH).mean()))


def _patch(image: np.ndarray, quad_px: np.ndarray, unit_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut out what lies round a quad, scaled down where the photo is finer than is useful."""
    height, width = image.shape[:2]
    limits = np.array([width, height])
    low = np.clip(np.floor(quad_px.min(axis=0) - MARGIN * unit_px), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(quad_px.max(axis=0) + MARGIN * unit_px) + 1, low + 1, limits).astype(int)
    # OpenCV averages whole blocks of pixels many times as fast as parts of them.
    block = max(1, min(round(unit_px / PATCH_UNIT_PX), int((high - low).min())))
    small = (high - low) // block
    high = low + small * block
    patch = image[low[1] : high[1], low[0] : high[0]]
    if block > 1:
        patch = cv2.resize(patch, tuple(map(int, small)), interpolation=cv2.INTER_AREA)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
    return patch, crops.scaling(np.full(2, 1 / block)) @ shift


def _edges(
    patch: np.ndarray, corners: np.ndarray, unit: float, reach: float, steps: int, half: float
) -> np.ndarray:
    """Find how far the edge lies outside each side, at its start and end: (4, 2) patch pixels.

    All sides at once, as whole arrays: one by one, a refinement took 1.6 times as long.
    """
    heights, offsets, visible = _strips(patch, corners, unit, reach, steps)
    strength = heights / (heights + half)
    lines, mean_strength = _strongest_lines(strength, offsets, unit)
    found = (visible.mean(axis=1) >= MIN_VISIBLE) & (mean_strength >= FAINT / (FAINT + half))
    return found[:, None] * _through_cells(strength, offsets, lines, unit)


def _strips(
    patch: np.ndarray, corners: np.ndarray, unit: float, reach: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure the steps beside each side: (4, CELLS, O), offsets (O,), what shows (4, SAMPLES)."""
    step = max(unit / steps, 0.25)
    count = int(np.ceil(reach * unit / step))
    offsets = np.arange(-count, count + 1) * step
    starts, ends = corners, corners[sides.NEXT]
    along = starts[:, None] + (ends - starts)[:, None] * SHARES[:, None]
    visible = ((along >= 2) & (along <= np.array(patch.shape[1::-1]) - 3)).all(axis=2)
    heights = _step_heights(patch, along, _outward(starts, ends), offsets, unit, visible)
    return heights, offsets, visible


def _outward(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(4, 2) normals of the sides of a clockwise quad, y down."""
    along = ends - starts
    directions = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.stack([directions[:, 1], -directions[:, 0]], axis=1)


def _step_heights(
    patch: np.ndarray,
    along: np.ndarray,
    normals: np.ndarray,
    offsets: np.ndarray,
    unit: float,
    visible: np.ndarray,
) -> np.ndarray:
    """Measure the step across each place of the strips: (4, CELLS, offsets), of 255."""
    step = offsets[1] - offsets[0]
    sigma = max(SMOOTHING * unit, MIN_SMOOTHING_PX) / step
    radius = int(np.ceil(3 * sigma))
    wide = np.arange(-radius, radius + 1) * step
    wide = np.concatenate([offsets[0] + wide[:radius], offsets, offsets[-1] + wide[-radius:]])
    places = along[:, :, None] + normals[:, None, None] * wide[:, None]
    places = places.reshape(-1, len(wide), 2).astype(np.float32)  # the strips, one below another
    strips = cv2.remap(
        patch, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    at = np.arange(-radius, radius + 1)
    derivative = at * np.exp(-((at / sigma) ** 2) / 2)
    derivative /= np.abs(derivative).sum() / 2  # a step of height h gives h
    kernel = derivative[None].astype(np.float32)
    steps = cv2.filter2D(strips.astype(np.float32), -1, kernel)[:, radius:-radius]
    steps = steps.reshape(4, SAMPLES, len(offsets), 3) * visible[..., None, None]
    steps = steps.reshape(4, CELLS, -1, len(offsets), 3).sum(axis=2)
    seen = np.maximum(visible.reshape(4, CELLS, -1).sum(axis=2), 1)
    return np.linalg.norm(steps / seen[..., None, None], axis=3)


def _strongest_lines(
    strength: np.ndarray, offsets: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Try every line from one offset at the start to one at the end.

    Returns:
        (4, 2) the best line of each side, and its mean strength (4,).
    """
    count = len(offsets)
    means = strength.reshape(4, -1) @ _lines_through(count)
    pull = PULL * (offsets / unit) ** 2
    best = (means - (pull[:, None] + pull).ravel()).argmax(axis=1)
    lines = np.stack([offsets[best // count], offsets[best % count]], axis=1)
    return lines, means[np.arange(4), best]


@lru_cache(maxsize=32)
def _lines_through(count: int) -> np.ndarray:
    """Say what each offset of each cell adds to the mean of each line: a product is the quickest.

    Returns:
        (CELLS * count, count * count) weights between neighbouring offsets, of sum 1 for each line
        from one offset at the start to another at the end.
    """
    index = np.arange(count)
    # (start, end, CELLS)
    places = index[:, None, None] + (index[None, :, None] - index[:, None, None]) * CENTRES
    lower = np.clip(places.astype(int), 0, count - 2)
    weights = np.zeros((count, count, CELLS, count))
    for at, share in ((lower, 1 - (places - lower)), (lower + 1, places - lower)):
        np.put_along_axis(weights, at[..., None], share[..., None] / CELLS, axis=3)
    return np.ascontiguousarray(weights.reshape(count * count, -1).T)


def _through_cells(
    strength: np.ndarray, offsets: np.ndarray, lines: np.ndarray, unit: float
) -> np.ndarray:
    """Locate the edge in each cell near a line, fit a line through those, and look again there.

    The window pulls the edge towards its own middle; that wears off as the two meet.
    """
    squares = strength**2
    for _ in range(LOOKS):
        near = lines[:, :1] + (lines[:, 1:] - lines[:, :1]) * CENTRES
        window = np.exp(-(((offsets - near[..., None]) / (NEAR * unit)) ** 2) / 2) * squares
        weights = window.sum(axis=2)
        edges = (window @ offsets) / np.maximum(weights, 1e-9)
        weights = weights / np.maximum(weights.max(axis=1, keepdims=True), 1e-9)
        lines = _robust_lines(edges, weights, 0.05 * unit)
    return lines


def _robust_lines(edges: np.ndarray, weights: np.ndarray, least: float) -> np.ndarray:
    """Fit the offsets at the sides' starts and ends, (4, 2), by reweighting what lies off.

    Args:
        edges: (4, CELLS) where each cell has its edge, pixels off the side.
        weights: (4, CELLS) how clear it is there, in [0, 1].
        least: cut-off below which nothing counts as off, pixels.
    """
    robust = weights + LEAST_WEIGHT
    lines = np.empty((4, 2))
    for _ in range(REWEIGHTINGS):
        # The normal equations: [[aa, ab], [ab, bb]] lines = ends.
        aa, ab, bb = (robust @ PRODUCTS).T
        at_start, at_end = ((robust * edges) @ TERMS).T
        lines[:, 0], lines[:, 1] = bb * at_start - ab * at_end, aa * at_end - ab * at_start
        lines /= (aa * bb - ab**2)[:, None]
        misses = np.abs(edges - lines @ TERMS.T)
        ordered = np.sort(misses, axis=1)  # np.median takes ten times as long for so few
        median = (ordered[:, CELLS // 2 - 1 : CELLS // 2] + ordered[:, CELLS // 2, None]) / 2
        cutoff = 3 * np.maximum(1.5 * median, least)
        robust = weights * sides.biweight(misses**2, cutoff) + LEAST_WEIGHT
    return lines


def _shifted(corners: np.ndarray, shifts: np.ndarray) -> np.ndarray | None:
    """Move the sides out by `shifts` (4, 2) at their ends; None where that is no quad."""
    ends = corners[sides.NEXT]
    outward = _outward(corners, ends)
    starts, ends = corners + outward * shifts[:, :1], ends + outward * shifts[:, 1:]
    normals = _outward(starts, ends)
    lines = np.column_stack([normals, (normals * starts).sum(axis=1)])
    moved = sides.corners(lines)
    return None if quads.fault(moved) is not None else moved
