"""Clear sleeves round cards: what light they throw back is traced alone and added.

A tracer would need many paths to find its way through clear plastic and to the light. What the
plastic takes away is little, and what it adds does not depend on what lies below it.
"""

from collections.abc import Callable

import cv2
import numpy as np

from meishi.scenes.surfaces import noise
from meishi.tracing.meshes import Bend, Mesh, grid
from meishi.tracing.solids import Material, Part
from meishi.tracing.view import View

COLUMNS, ROWS = 110, 70
SEAM_MM = (1.5, 6.0)  # beyond the card, where the sleeve is welded
MOUTH_MM = (1.0, 14.0)  # and where it is open
GAP_MM = 0.1  # above the card
WAVES_MM = (0.03, 0.35)  # height of its waves
ROUGHNESS = 0.06
HAZE = (4, 60)  # grey of clear and of milky plastic, sRGB
SEAM_GREY = (50, 150)
TEXTURE_PX = (480, 300)
TAKEN = 0.09  # share of the light that does not come through
BLACK = np.zeros(3)


def sleeve(rng: np.random.Generator, size_mm, bend: Bend) -> tuple[Mesh, np.ndarray]:
    """Build a sleeve about the centre of a card that lies in it.

    Args:
        rng: random stream.
        size_mm: (width, height) of the card.
        bend: of the card.

    Returns:
        The upper sheet, and its picture (H, W, 3) uint8: haze, and the welded seams.
    """
    margins = rng.uniform(*SEAM_MM, 4)  # left, top, right, bottom
    margins[int(rng.integers(4))] = rng.uniform(*MOUTH_MM)
    half = np.asarray(size_mm, np.float64) / 2
    x = np.linspace(-half[0] - margins[0], half[0] + margins[2], COLUMNS + 1)
    y = np.linspace(-half[1] - margins[1], half[1] + margins[3], ROWS + 1)
    flat = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
    vertices = bend.lift(flat, size_mm)
    waves = cv2.resize(noise(rng, int(rng.integers(2, 6)), 2, 128), (ROWS + 1, COLUMNS + 1))
    vertices[:, 2] -= GAP_MM + waves.ravel() * rng.uniform(*WAVES_MM)
    uvs = np.stack(np.meshgrid(np.linspace(0, 1, COLUMNS + 1), np.linspace(0, 1, ROWS + 1)), -1)
    mesh = Mesh(vertices, grid(COLUMNS, ROWS), uvs.transpose(1, 0, 2).reshape(-1, 2))
    return mesh, _picture(rng, margins, [np.ptp(x), np.ptp(y)])


def _picture(rng: np.random.Generator, margins_mm: np.ndarray, span_mm) -> np.ndarray:
    width, height = TEXTURE_PX
    picture = np.full((height, width, 3), rng.uniform(*HAZE), np.uint8)
    scale = np.array([width, height]) / span_mm
    start = margins_mm[:2] * scale * 0.6
    end = [width, height] - margins_mm[2:] * scale * 0.6
    grey = int(rng.uniform(*SEAM_GREY))
    box = [int(v) for v in (*start, *(end - start))]
    cv2.rectangle(picture, box, (grey,) * 3, int(rng.integers(1, 4)))
    return picture


def cover(
    linear: np.ndarray,
    sleeves: list[Part],
    things: list[Part],
    desk: Part,
    view: View,
    shoot: Callable[[list[Part], Part], np.ndarray],
) -> np.ndarray:
    """Lay sleeves over a traced picture.

    Args:
        linear: (H, W, 3) float32, without the sleeves.
        sleeves: where they lie, with their pictures.
        things: all else; what stands over a sleeve hides it.
        desk: that they lie on.
        view: the camera.
        shoot: traces parts on a desk in the light of the scene.

    Returns:
        (H, W, 3) float32.
    """
    dark = [Part(part.mesh, Material(BLACK)) for part in things]
    ground = Part(desk.mesh, Material(np.zeros((2, 2, 3), np.uint8)))
    reflected = shoot([*dark, *sleeves], ground)
    within = np.zeros(linear.shape[:2], np.float32)
    for part in sleeves:
        hull = cv2.convexHull(view.project(part.mesh.vertices_mm).astype(np.float32))
        cv2.fillConvexPoly(within, np.round(hull).astype(np.int32), 1.0, cv2.LINE_AA)
    within = within[..., None]
    return (linear * (1 - TAKEN * within) + within * reflected).astype(np.float32)
