"""Propose the four sides of a card from the outline of its mask.

Any two corners of the coarse outline propose a line; the lines that the outline supports are
kept, and of all fours of them the one is chosen that explains outline and area best. So a bite,
a bump or a cut corner costs a little instead of passing for a side. Lines are those of `lines`:
rows (nx, ny, offset) in mask pixels, normals out of the card, four of them clockwise, y down.
"""

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from meishi.geometry import quads
from meishi.geometry.fitting.outlines import Outline

# The coarse outline: the first tolerance (Douglas and Peucker 1973) that leaves few corners.
POLYGON_TOLERANCES_PX = (1.2, 2.4, 4.8)
MAX_VERTICES = 24
MIN_CHORD_PX = 5.0
MAX_CHORDS = 80
# Outline supports a line when it is this near and its normal is this parallel.
CHORD_BAND_PX = 2.0
SUPPORT_BAND_PX = 1.5
SUPPORT_COSINE = 0.9
MIN_SUPPORT_PX = 4.0
MAX_LINES = 9
# What a point beside the border of the photo counts: enough for a side that has no others.
UNTRUSTED_WEIGHT = 0.25
# Neighbouring sides of a card in perspective meet at 30 to 150 degrees.
MIN_CORNER_RAD = np.pi / 6
# Corners may leave the mask by this share of its size.
MAX_OUTSIDE = 0.6
# Chosen on synthetic masks with bites and bumps. A finger hides a part of a card, but little
# adds to one: area that the quad leaves out costs more. Skewed quads are seldom cards.
LEFT_OUT_COST = 1.25
HIDDEN_COST = 0.25
SKEW_COST = 0.4
AREA_GRID = 48

NEXT, PREVIOUS = [1, 2, 3, 0], [3, 0, 1, 2]


def propose(outline: Outline, valid: np.ndarray) -> np.ndarray | None:
    """Choose the four lines whose quad explains the outline and the component best.

    Args:
        outline: the outline of the card.
        valid: (H, W) bool, the pixels that show the photo.

    Returns:
        (4, 3) lines, clockwise, or None when no four make a card.
    """
    lines = _candidates(outline)
    lines = lines[np.argsort(np.arctan2(lines[:, 1], lines[:, 0]), kind="stable")]
    choices = np.array(list(combinations(range(len(lines)), 4)), dtype=int).reshape(-1, 4)
    choices = choices[_can_close(lines[choices])]
    choices = choices[near_frame(corners(lines[choices]), valid.shape)]
    if not len(choices):
        return None
    scores = (
        _border_scores(lines, choices, outline)
        - _area_costs(lines, choices, outline, valid)
        - SKEW_COST * _skew(lines[choices])
    )
    return lines[choices[scores.argmax()]]


def distances(lines: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(K, N) signed distances of points (N, 2) from lines (K, 3), positive out of the card."""
    return lines[:, :2] @ points.T - lines[:, 2:]


def parallel(lines: np.ndarray, outline: Outline) -> np.ndarray:
    """(K, N) bool: outline that runs along each line (K, 3), the card on the same side."""
    return lines[:, :2] @ outline.normals.T > SUPPORT_COSINE


def biweight(squares: np.ndarray, cutoff: np.ndarray | float) -> np.ndarray:
    """Tukey's weights in [0, 1] of squared distances; 0 from the cut-off on."""
    return np.maximum(1 - squares / cutoff**2, 0) ** 2


def corners(lines: np.ndarray) -> np.ndarray:
    """(..., 4, 2) corners of four lines (..., 4, 3): side i runs from corner i to i + 1."""
    before = lines[..., PREVIOUS, :]
    cross = before[..., 0] * lines[..., 1] - before[..., 1] * lines[..., 0]
    x = before[..., 2] * lines[..., 1] - lines[..., 2] * before[..., 1]
    y = before[..., 0] * lines[..., 2] - lines[..., 0] * before[..., 2]
    return np.stack([x, y], axis=-1) / cross[..., None]


def alongside(
    lines: np.ndarray, corners_px: np.ndarray, points: np.ndarray, cut: np.ndarray | float
) -> np.ndarray:
    """(..., 4, N) bool: points between the ends of a side, each end cut by a share of it."""
    tangents = np.stack([-lines[..., 1], lines[..., 0]], axis=-1)
    starts = (tangents * corners_px).sum(axis=-1)[..., None]
    ends = (tangents * corners_px[..., NEXT, :]).sum(axis=-1)[..., None]
    margins = np.asarray(cut)[..., None] * (ends - starts)
    positions = tangents @ points.T
    return (positions >= starts + margins) & (positions <= ends - margins)


def near_frame(corners_px: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(...) bool: all corners (..., 4, 2) lie in the mask (H, W) or not far from it."""
    relative = quads.to_relative(corners_px, shape[::-1])
    within = (relative > -MAX_OUTSIDE) & (relative < 1 + MAX_OUTSIDE)
    return np.asarray(within.all(axis=(-1, -2)))


@dataclass(frozen=True, eq=False)
class Places:
    """Points that lines are fitted to: (2,) their mean, (N, 5) x, y, x^2, y^2, xy about it.

    Second moments about far-off zero would cancel digits.
    """

    origin: np.ndarray
    terms: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> "Places":
        """Prepare points (N, 2)."""
        origin = points.mean(axis=0)
        x, y = (points - origin).T
        return cls(origin, np.stack([x, y, x * x, y * y, x * y], axis=1))


def fit(lines: np.ndarray, places: Places, weights: np.ndarray) -> np.ndarray:
    """Fit lines by weighted total least squares; a line without points stays as it is.

    Args:
        lines: (K, 3) previous lines, for the sign of the normals.
        places: of N points.
        weights: (K, N) weight of each point for each line.

    Returns:
        (K, 3) lines.
    """
    total = weights.sum(axis=1, keepdims=True)
    moments = weights @ places.terms / np.maximum(total, 1e-12)
    mean_x, mean_y, xx, yy, xy = moments.T
    spread = xx - mean_x**2 - (yy - mean_y**2)
    angle = np.arctan2(2 * (xy - mean_x * mean_y), spread) / 2  # of the largest spread
    fitted = np.empty((len(lines), 3))
    normals = fitted[:, :2]
    normals[:, 0], normals[:, 1] = -np.sin(angle), np.cos(angle)
    normals *= np.where((normals * lines[:, :2]).sum(axis=1, keepdims=True) < 0, -1, 1)
    fitted[:, 2] = (normals * (moments[:, :2] + places.origin)).sum(axis=1)
    return np.where(total >= MIN_SUPPORT_PX, fitted, lines)


def _candidates(outline: Outline) -> np.ndarray:
    """(K, 3) lines that the outline supports, the best supported first."""
    starts, ends = _chords(outline.polygon_px)
    along = ends - starts
    squares = (along**2).sum(axis=1, keepdims=True)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.sqrt(squares)
    lines = np.column_stack([normals, (normals * starts).sum(axis=1)])
    positions = along @ outline.points_px.T - (starts * along).sum(axis=1, keepdims=True)
    between = (positions > 0) & (positions < squares)
    weights = _support(lines, outline, CHORD_BAND_PX) * between * outline.lengths_px
    best = np.argsort(-weights.sum(axis=1), kind="stable")[:MAX_CHORDS]
    return _distinct(fit(lines[best], Places.of(outline.points_px), weights[best]), outline)


def _chords(polygon_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (S, 2) of lines from one edge of the coarse outline to the same or another.

    Two edges with a finger's bite or a bump between them still give the side they lie on.
    """
    for tolerance in POLYGON_TOLERANCES_PX:
        vertices = cv2.approxPolyDP(polygon_px, tolerance, closed=True)[:, 0].astype(np.float64)
        if len(vertices) <= MAX_VERTICES:
            break
    ends = np.concatenate([vertices[1:], vertices[:1]])
    edges = ends - vertices
    along = ends[None] - vertices[:, None]  # (V, V, 2), from the start of one to another's end
    lengths_px = np.linalg.norm(along, axis=2)
    cosines = (along @ edges.T) / np.maximum(np.linalg.norm(edges, axis=1), 1)  # (V, V, V)
    index = np.arange(len(vertices))
    least = SUPPORT_COSINE * lengths_px
    first, second = np.nonzero(
        (lengths_px >= MIN_CHORD_PX)
        & (cosines[index, :, index] >= least)
        & (cosines[:, index, index] >= least)
    )
    return vertices[first], ends[second]


def _support(lines: np.ndarray, outline: Outline, band_px: float) -> np.ndarray:
    """(K, N) in [0, 1]: how well each outline point lies on each line."""
    return parallel(lines, outline) * biweight(distances(lines, outline.points_px) ** 2, band_px)


def _trust(outline: Outline) -> np.ndarray:
    """(N,) lengths of outline, reduced where it may be the border of the photo instead."""
    return outline.lengths_px * np.where(outline.trusted, 1.0, UNTRUSTED_WEIGHT)


def _distinct(lines: np.ndarray, outline: Outline) -> np.ndarray:
    """Pick lines one by one, each by the outline it explains that none before it did."""
    support = _support(lines, outline, SUPPORT_BAND_PX)
    unexplained = _trust(outline)
    picked: list[int] = []
    while len(lines) and len(picked) < MAX_LINES:
        gains = support @ unexplained
        best = int(gains.argmax())
        if gains[best] < MIN_SUPPORT_PX * UNTRUSTED_WEIGHT:
            break
        picked.append(best)
        unexplained = unexplained * (1 - support[best])
    return lines[picked]


def _can_close(lines: np.ndarray) -> np.ndarray:
    """(C,) bool: four lines (C, 4, 3) sorted by angle turn enough at each corner."""
    angles = np.arctan2(lines[..., 1], lines[..., 0])
    turns = (angles - angles[..., PREVIOUS]) % (2 * np.pi)
    return ((turns > MIN_CORNER_RAD) & (turns < np.pi - MIN_CORNER_RAD)).all(axis=-1)


def _border_scores(lines: np.ndarray, choices: np.ndarray, outline: Outline) -> np.ndarray:
    """(C,) share of outline and sides together that is both.

    Neither a side that nobody saw nor outline that no side explains comes for free.
    """
    corners_px = corners(lines[choices])  # (C, 4, 2)
    on_side = alongside(lines[choices], corners_px, outline.points_px, 0.0)  # (C, 4, N)
    support = _support(lines, outline, SUPPORT_BAND_PX)
    trust = _trust(outline)
    explained = (on_side * support[choices]).max(axis=1) @ trust
    return explained / (trust.sum() + quads.side_lengths(corners_px).sum(axis=1) - explained)


def _area_costs(
    lines: np.ndarray, choices: np.ndarray, outline: Outline, valid: np.ndarray
) -> np.ndarray:
    """(C,) cost of the component's area outside of each quad, and of the quad's without it."""
    step = max(1, max(valid.shape) // AREA_GRID)
    y, x = np.nonzero(valid[::step, ::step])
    component = outline.component[::step, ::step][y, x]
    inside = distances(lines, np.stack([x, y], axis=1) * step) <= 0  # (K, N)
    inside = inside[choices].all(axis=1)  # (C, N)
    shared = (inside & component).sum(axis=1)
    left_out, hidden = component.sum() - shared, inside.sum(axis=1) - shared
    return (LEFT_OUT_COST * left_out + HIDDEN_COST * hidden) / max(component.sum(), 1)


def _skew(lines: np.ndarray) -> np.ndarray:
    """(C,) mean cosine of the four corners: 0 for a rectangle, up to 1 for a sliver."""
    products = lines[..., :2] * lines[..., PREVIOUS, :2]
    return np.abs(products.sum(axis=-1)).mean(axis=-1)
