"""Triangle meshes of cards, boxes, fingers and desks, in millimetres of the desk's world.

The world is the one of `scenes.camera`: x right and y down on the desk, z into it, so heights are
negative z. All meshes carry texture coordinates, (0, 0) at the texture's top left.
"""

from dataclasses import dataclass

import numpy as np

COLUMNS, ROWS, ARC_COLUMNS = 24, 10, 7
SEGMENTS = 18  # around a tube


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles: vertices_mm (V, 3) float64, faces (F, 3) int, uvs (V, 2) in [0, 1]."""

    vertices_mm: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray

    def moved(self, matrix: np.ndarray, shift_mm) -> "Mesh":
        """Return the mesh under x -> matrix x + shift, matrix (3, 3)."""
        return Mesh(self.vertices_mm @ matrix.T + np.asarray(shift_mm), self.faces, self.uvs)


@dataclass(frozen=True)
class Bend:
    """A card rolled about one of its axes.

    Attributes:
        curvature: 1 / mm; positive where the middle touches the desk and the ends rise.
        along: 0 when rolled along the card's width, 1 along its height.
    """

    curvature: float = 0.0
    along: int = 0

    def lift(self, points_mm: np.ndarray, size_mm) -> np.ndarray:
        """Roll flat card points.

        Args:
            points_mm: (N, 2) about the card's centre, y down.
            size_mm: (width, height) of the flat card.

        Returns:
            (N, 3), lengths on the card kept, the lowest place at height zero.
        """
        lifted = np.column_stack([points_mm, np.zeros(len(points_mm))])
        if abs(self.curvature) < 1e-9:
            return lifted
        angle = self.curvature * points_mm[:, self.along]
        lifted[:, self.along] = np.sin(angle) / self.curvature
        rise = (1 - np.cos(angle)) / self.curvature
        end = (1 - np.cos(self.curvature * size_mm[self.along] / 2)) / self.curvature
        lifted[:, 2] = -(rise - min(end, 0.0))
        return lifted


def corners(size_mm) -> np.ndarray:
    """Return a card's (4, 2) corners about its centre: TL, TR, BR, BL."""
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.asarray(size_mm, np.float64) / 2


def grid(columns: int, rows: int) -> np.ndarray:
    """Return the (2 * columns * rows, 3) faces of a grid of (columns + 1) x (rows + 1) vertices."""
    index = np.arange((columns + 1) * (rows + 1)).reshape(columns + 1, rows + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )


def sheet(size_mm, radius_mm: float, bend: Bend) -> tuple[Mesh, np.ndarray]:
    """Build a card's face, its corners rounded, rolled as `bend` says.

    Returns:
        The mesh about the card's centre, and its rim: (N, 3), closed, clockwise from above.
    """
    width, height = (float(side) for side in size_mm)
    radius = max(radius_mm, 1e-3)
    arc = radius * (1 - np.cos(np.linspace(0, np.pi / 2, ARC_COLUMNS)))
    middle = np.linspace(radius, width - radius, COLUMNS + 1)[1:-1]
    x = np.concatenate([arc, middle, width - arc[::-1]])
    reach = np.maximum(radius - np.minimum(x, width - x), 0)  # how far into a corner's arc
    inset = radius - np.sqrt(np.maximum(radius**2 - reach**2, 0))
    t = np.linspace(0, 1, ROWS + 1)
    y = inset[:, None] + (height - 2 * inset[:, None]) * t
    points = np.stack([np.repeat(x[:, None], ROWS + 1, 1), y], -1).reshape(-1, 2)
    flat = points - [width / 2, height / 2]
    vertices = bend.lift(flat, size_mm)
    rim = vertices.reshape(len(x), ROWS + 1, 3)
    loop = np.concatenate([rim[:, 0], rim[-1, 1:], rim[-2::-1, -1], rim[0, -2:0:-1]])
    return Mesh(vertices, grid(len(x) - 1, ROWS), points / [width, height]), loop


def walls(loop_mm: np.ndarray, depth_mm: float) -> Mesh:
    """Drop walls of `depth_mm` from a closed loop (N, 3)."""
    closed = np.concatenate([loop_mm, loop_mm[:1]])
    low = closed + [0, 0, depth_mm]
    along = np.linspace(0, 1, len(closed))
    vertices = np.stack([closed, low], axis=1).reshape(-1, 3)
    uvs = np.stack([np.repeat(along, 2), np.tile([0.0, 1.0], len(closed))], axis=1)
    return Mesh(vertices, grid(len(closed) - 1, 1), uvs)


def patch(corners_mm: np.ndarray) -> Mesh:
    """Span a flat quad, corners (4, 3) in the order of the texture's."""
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    return Mesh(np.asarray(corners_mm, np.float64), np.array([[0, 1, 2], [0, 2, 3]]), uvs)


def cut_out(corners_mm: np.ndarray, opaque: np.ndarray) -> Mesh:
    """Span a flat quad only where a picture is opaque: a strip for each run of a row's pixels.

    Args:
        corners_mm: (4, 3) in the order of the picture's.
        opaque: (H, W) bool.

    Returns:
        The mesh; nothing of it is see-through, so that shadows are right.
    """
    height, width = opaque.shape
    edges = np.diff(np.pad(opaque.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    left, right, top = starts / width, ends / width, rows / height
    low = top + 1 / height
    uvs = np.stack(
        [np.stack([left, right, right, left], 1), np.stack([top, top, low, low], 1)], -1
    ).reshape(-1, 2)
    origin, across, _, down = np.asarray(corners_mm, np.float64)
    vertices = origin + uvs[:, :1] * (across - origin) + uvs[:, 1:] * (down - origin)
    first = np.arange(len(rows))[:, None] * 4
    faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]])
    return Mesh(vertices, faces, uvs)


def tube(path_mm: np.ndarray, radii_mm: np.ndarray) -> Mesh:
    """Sweep a circle along a path (K, 3) with K radii; a radius of zero closes an end."""
    tangents = np.gradient(path_mm, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.cross(tangents, [0.0, 0.0, 1.0])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    other = np.cross(tangents, side)
    angles = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    ring = (
        np.cos(angles)[None, :, None] * side[:, None]
        + np.sin(angles)[None, :, None] * (other[:, None])
    )
    vertices = path_mm[:, None] + ring * np.asarray(radii_mm)[:, None, None]
    u = np.repeat(np.linspace(0, 1, len(path_mm))[:, None], SEGMENTS + 1, 1)
    v = np.repeat(np.linspace(0, 1, SEGMENTS + 1)[None], len(path_mm), 0)
    return Mesh(
        vertices.reshape(-1, 3),
        grid(len(path_mm) - 1, SEGMENTS),
        np.stack([u, v], -1).reshape(-1, 2),
    )


def ellipsoid(centre_mm, axes_mm: np.ndarray) -> Mesh:
    """Build an ellipsoid; the rows of `axes_mm` (3, 3) are its half axes."""
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 13)
    path = np.stack([np.sin(latitudes), np.zeros(13), np.zeros(13)], axis=1)
    unit = tube(path, np.cos(latitudes))
    return unit.moved(np.asarray(axes_mm).T, centre_mm)


def field(heights_mm: np.ndarray, span_mm: float, repeats: float, angle: float) -> Mesh:
    """Build a desk about the origin from heights (N, N), its texture repeated and turned."""
    count = len(heights_mm)
    axis = np.linspace(-span_mm / 2, span_mm / 2, count)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    vertices = np.stack([x, y, -heights_mm], -1).reshape(-1, 3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    uvs = (vertices[:, :2] / span_mm * repeats) @ turn.T + 0.5
    return Mesh(vertices, grid(count - 1, count - 1), uvs)
