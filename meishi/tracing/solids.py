"""What a traced scene is made of: meshes with their materials, and a canvas that collects them.

`Solids` takes the calls that the painted scenes make on their canvas (`flat`, `cuboid`), so that
the same things can be painted or traced.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meishi.geometry import quads
from meishi.scenes.camera import Camera
from meishi.scenes.canvas import clockwise
from meishi.tracing import meshes
from meishi.tracing.meshes import Mesh

THIN_MM = 0.6  # up to here something may lie beneath a card
SUNK_MM = 0.12  # height of what would pierce a card, pressed flat beneath it
FAR_MM = 1500.0  # from the cards: out of sight
# Thin things lie one on another: each a step higher, from the start again before THIN_MM.
LOWEST_MM, STEP_MM, STEPS_MM = 0.05, 0.02, 0.4


@dataclass(frozen=True, eq=False)
class Material:
    """How a mesh reflects light.

    Attributes:
        colour: RGB texture (H, W, 3) uint8, or three numbers in [0, 255].
        roughness: of the glossy coat, None for a dull one.
    """

    colour: np.ndarray
    roughness: float | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh and its material."""

    mesh: Mesh
    material: Material


class Solids:
    """Collects clutter: it stands on a desk at depth `desk_mm`, clear of the cards."""

    def __init__(
        self,
        camera: Camera,
        cards_mm: list[np.ndarray],
        desk_mm: float,
        rng: np.random.Generator,
    ):
        """Start empty; `cards_mm` are the (4, 2) outlines that nothing may pierce."""
        self.camera, self.cards_mm, self.desk_mm, self.rng = camera, cards_mm, desk_mm, rng
        self.parts: list[Part] = []
        self.standing: list[np.ndarray] = []

    def flat(
        self, corners_mm, texture, alpha=None, height_mm: float = 0.0, shadow: float = 0.5
    ) -> None:
        """Lay a textured shape whose top is `height_mm` above the desk, walls below it."""
        height = self._height(np.asarray(corners_mm, np.float64), height_mm)
        if height is None:
            return
        top = np.column_stack([corners_mm, np.full(4, self.desk_mm - height)])
        coat = float(self.rng.uniform(0.05, 0.3)) if self.rng.random() < 0.35 else None
        cover = meshes.patch(top) if alpha is None else meshes.cut_out(top, alpha > 127)
        if not len(cover.faces):
            return
        self.parts.append(Part(cover, Material(texture, coat)))
        if height > THIN_MM:
            edge = texture[0, 0] if alpha is None else texture[texture.shape[0] // 2, -1]
            wall = meshes.walls(_outline(top, alpha), height)
            self.parts.append(Part(wall, Material(np.asarray(edge, np.float64) * 0.9)))

    def cuboid(self, base_mm, height_mm: float, top, side_colour, alpha=None) -> None:
        """Stand a box on the desk."""
        height = self._height(np.asarray(base_mm, np.float64), height_mm)
        if height is None:
            return
        lid = np.column_stack([base_mm, np.full(4, self.desk_mm - height)])
        coat = float(self.rng.uniform(0.08, 0.4)) if self.rng.random() < 0.3 else None
        self.parts.append(Part(meshes.patch(lid), Material(top, coat)))
        sides = Material(np.clip(np.asarray(side_colour, np.float64), 0, 255), coat)
        self.parts.append(Part(meshes.walls(lid, height), sides))

    def _height(self, base_mm: np.ndarray, height_mm: float) -> float | None:
        """Sink what would pierce a card; leave out what would pierce another thing."""
        centre = base_mm.mean(axis=0)
        if np.linalg.norm(centre - self._target()) > FAR_MM:
            return None
        height = max(height_mm, LOWEST_MM + STEP_MM * len(self.parts) % STEPS_MM)
        if height > THIN_MM + self.desk_mm and any(_meet(base_mm, c) for c in self.cards_mm):
            height = SUNK_MM + self.desk_mm * 0.9
        if height > THIN_MM:
            if any(_meet(base_mm, other) for other in self.standing):
                return None
            self.standing.append(base_mm)
        return height

    def _target(self) -> np.ndarray:
        if not self.cards_mm:
            return np.zeros(2)
        return np.concatenate(self.cards_mm).mean(axis=0)


def _meet(a_mm: np.ndarray, b_mm: np.ndarray) -> bool:
    return bool(quads.intersection(clockwise(a_mm), clockwise(b_mm)) > 1.0)


def _outline(top_mm: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Return the (N, 3) rim of a shape: its corners, or the contour of its opacity."""
    if alpha is None:
        return top_mm
    found, _ = cv2.findContours(
        (alpha > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not found:
        return top_mm
    contour = max(found, key=cv2.contourArea)[:, 0].astype(np.float64)
    share = (contour + 0.5) / [alpha.shape[1], alpha.shape[0]]
    across, down = top_mm[1] - top_mm[0], top_mm[3] - top_mm[0]
    return top_mm[0] + share[:, :1] * across + share[:, 1:] * down
