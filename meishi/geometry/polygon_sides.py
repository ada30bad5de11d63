"""The line that most of an outline runs along, beside a rough side of a quad.

A thumb or a shadow that leaked into an outline is a bump on a side, a finger on the card a notch
in it. A rough side leans against the bump. So lines through pairs of the outline's points near it
are compared, all the same pairs every time, by how much of the side runs along each; the ends
count more than the middle, for bumps and notches have the side on both of theirs. What two
different lines fit alike is refused: there is no telling the card from what leaked.
"""

from dataclasses import dataclass

import numpy as np

from meishi.geometry import polygons, quads

# Points are looked for this far beside a rough side, a share of its length.
BAND_SHARE = 0.08
MIN_BAND_PX = 2.0
# A point lies on a line within this share of the side's length.
NEAR_SHARE = 0.005
MIN_NEAR_PX = 1.0
# The side is cut into bins; the pairs are the outmost and the inmost points of each.
BINS = 64
ANCHOR_BINS = 20
MIN_PAIR_SHARE = 0.25
MAX_POINTS = 512
# The best lines are fitted to the points near them, and compared again.
FINALISTS = 4
FITS = 3
# Weight of the middle of a side; that of its ends is half more.
MIDDLE = 1.0
# The points of the fit come from a side's middle, this share cut at each end: corners are rounded.
CORNER_SHARE = 0.2
# Lines that are so many times further apart than a point may be from its line are two.
APART = 3.0
# A vertex was drawn as a corner if no other is as near to where two sides meet, as a share of the
# shorter one, both its edges are as long a share of it, and it lies on both lines but for so many
# times what a point may be off.
ALONE_SHARE = 0.08
EDGE_SHARE = 0.1
OFF_BOTH = 3.0


@dataclass(frozen=True)
class Side:
    """A line that was fitted to a side.

    Attributes:
        start: (2,) a point of it.
        tangent: (2,) its direction, of length 1.
        rival: how much of the side runs along another line and not along this one, as a share of
            what runs along this one.
    """

    start: np.ndarray
    tangent: np.ndarray
    rival: float = 0.0


def near_px(length: float) -> float:
    """Tell how far from a side of this length its points may lie."""
    return max(NEAR_SHARE * length, MIN_NEAR_PX)


def drawn_corners(corners: np.ndarray, parts_px: list[np.ndarray]) -> np.ndarray:
    """Put corners that were drawn in the place of fitted ones.

    A side on which somebody clicked a few times is no better known than its ends are, and its line
    goes beyond the outmost click. Round corners and notches have several vertices, or none.

    Args:
        corners: (4, 2) of the fitted quad.
        parts_px: (N, 2) polygons, as they were drawn.

    Returns:
        (4, 2): each corner, or the one vertex in its place.
    """
    lengths = quads.side_lengths(corners)  # of the side from each corner on
    placed = corners.copy()
    for index, corner in enumerate(corners):
        sides = ((corners[index - 1], corner), (corner, corners[(index + 1) % 4]))
        shorter = min(lengths[index - 1], lengths[index])
        found = [
            (part, number)
            for part in parts_px
            for number in np.flatnonzero(
                np.linalg.norm(part - corner, axis=1) < ALONE_SHARE * shorter
            )
        ]
        if len(found) != 1:
            continue
        part, number = found[0]
        vertex, neighbours = part[number], part[[number - 1, (number + 1) % len(part)]]
        long_edges = np.linalg.norm(neighbours - vertex, axis=1) > EDGE_SHARE * shorter
        if long_edges.all() and all(_runs_by(vertex, *side) for side in sides):
            placed[index] = vertex
    return placed


def _runs_by(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    length = float(np.linalg.norm(end - start))
    off = abs(polygons.cross(start, end, point)) / max(length, 1e-12)
    return off < OFF_BOTH * near_px(length)


def fitted_side(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> Side:
    """Fit a line to the points beside a rough side.

    Args:
        start: (2,) its corner.
        end: (2,) its other corner.
        points: (N, 2) of the outline, even along it, in any order.

    Returns:
        The line; the rough one if too few points say where it runs.
    """
    length = max(float(np.linalg.norm(end - start)), 1e-12)
    tangent = (end - start) / length
    normal = np.array([-tangent[1], tangent[0]])
    along, off = (points - start) @ tangent / length, (points - start) @ normal
    own = (np.abs(off) < max(BAND_SHARE * length, MIN_BAND_PX)) & (along >= 0) & (along < 1)
    # Points on one spot have no direction.
    if own.sum() < 2 or np.ptp(along[own]) < 0.5 - CORNER_SHARE:
        return Side(start, tangent)
    along, off = along[own], off[own]
    order = np.lexsort((off, along))
    step = -(-len(order) // MAX_POINTS)
    few, near = (along[order][::step], off[order][::step]), near_px(length)
    line, rival = _best(*few, near)
    line = _refit(line, along, off, near)
    slope = line[1] / length
    return Side(start + line[0] * normal, (tangent + slope * normal) / np.hypot(1, slope), rival)


def _best(along: np.ndarray, off: np.ndarray, near: float) -> tuple[np.ndarray, float]:
    """Choose the line (2,), and tell what another could claim of what it leaves open."""
    lines = _pairs(along, off)
    drawn, weights = _drawn(lines, along, off, near)
    scores = drawn @ weights
    best = lines[np.argsort(-scores, kind="stable")[:FINALISTS]]
    finals = np.vstack([[_refit(line, along, off, near) for line in best], best])
    final_drawn, _ = _drawn(finals, along, off, near)
    index = int(np.argmax(final_drawn @ weights))
    ends = np.clip([0.1, 0.9], along[0], along[-1])
    apart = lines - finals[index]
    gaps = np.abs(apart[:, :1] + apart[:, 1:] * ends).max(axis=1)
    others = (drawn * (final_drawn[index] == 0))[gaps > APART * near]
    rival = (others @ weights).max(initial=0.0) / max(final_drawn[index] @ weights, 1e-12)
    return finals[index], float(rival)


def _pairs(along: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Lines (K, 2), off = first + second * along, through pairs of points that lie apart."""
    bins = np.floor(along * ANCHOR_BINS).astype(int)
    _, starts = np.unique(bins, return_index=True)
    anchors = []
    for first, last in zip(starts, [*starts[1:], len(bins)], strict=True):
        inner, outer = off[first:last].argmax(), off[first:last].argmin()
        anchors += [first + inner] if inner == outer else [first + inner, first + outer]
    a, b = np.array(anchors)[np.stack(np.triu_indices(len(anchors), 1))]
    apart = np.abs(along[b] - along[a]) >= MIN_PAIR_SHARE
    a, b = a[apart], b[apart]
    slopes = (off[b] - off[a]) / (along[b] - along[a])
    # The rough side itself, too: it may be all that is left.
    return np.vstack([[[0.0, 0.0]], np.stack([off[a] - slopes * along[a], slopes], axis=1)])


def _drawn(
    lines: np.ndarray, along: np.ndarray, off: np.ndarray, near: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tell how well each bin of the side runs along each line, and what each bin counts.

    Returns:
        (K, B) from 1, on the line, to 0, not near it; (B,) weights, 1 together if all are there.
    """
    bins = np.floor(along * BINS).astype(int)
    found, starts = np.unique(bins, return_index=True)
    errors = np.abs(off - lines[:, :1] - lines[:, 1:] * along) / near
    least = np.minimum(np.minimum.reduceat(errors, starts, axis=1), 1.0)
    weights = MIDDLE + np.abs((np.arange(BINS) + 0.5) / BINS - 0.5)
    return 1.0 - least**2, weights[found] / weights.sum()


def _refit(line: np.ndarray, along: np.ndarray, off: np.ndarray, near: float) -> np.ndarray:
    """Fit a line to the points near it, those near the corners only if there are no others."""
    for _ in range(FITS):
        errors = np.abs(off - line[0] - line[1] * along)
        kept = errors < near
        middle = kept & (np.abs(along - 0.5) < 0.5 - CORNER_SHARE)
        if _span(along[middle]) >= 0.5 - CORNER_SHARE:
            kept = middle
        if _span(along[kept]) < MIN_PAIR_SHARE:
            return line
        # A notch's flanks begin at the side, too: what lies off the most of it is left out.
        kept &= errors <= max(3.0 * float(np.median(errors[kept])), 0.5)
        if _span(along[kept]) < MIN_PAIR_SHARE:
            return line
        x, y = along[kept], off[kept]
        spread = x - x.mean()
        slope = float(spread @ y / (spread @ spread))
        line = np.array([y.mean() - slope * x.mean(), slope])
    return line


def _span(places: np.ndarray) -> float:
    return float(places.max() - places.min()) if len(places) else 0.0
