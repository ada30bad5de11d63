"""The homographies that augmentation draws: from a scene's pixels to those of a square sample."""

import cv2
import numpy as np

from meishi.geometry import crops, quads
from meishi.recipe import CropParams, GeometryParams


def frame_homography(
    rng: np.random.Generator, params: GeometryParams, size_px: tuple[int, int], side_px: int
) -> np.ndarray:
    """Draw the geometry of a frame: (3, 3) from scene pixels to the square's."""
    matrix = crops.stretch(size_px, side_px)
    width, height = size_px
    source = quads.to_px(quads.FRAME, size_px)
    if rng.random() < params.affine.probability:
        affine = params.affine
        scale = rng.uniform(affine.scale_low, affine.scale_high)
        turn = np.deg2rad(rng.uniform(-1, 1) * affine.rotate_deg)
        shift = rng.uniform(-1, 1, 2) * affine.shift * size_px
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        matrix = matrix @ _similarity(centre, scale, turn, shift)
    if rng.random() < params.perspective.probability:
        strength = rng.uniform(params.perspective.low, params.perspective.high)
        target = source + rng.uniform(-strength, strength, (4, 2)) * size_px
        matrix = matrix @ cv2.getPerspectiveTransform(np.float32(source), np.float32(target))
    return symmetry(rng, side_px, params.flip, params.rotate90) @ matrix


def _similarity(centre, scale: float, turn: float, shift) -> np.ndarray:
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    offset = centre + shift - linear @ centre
    return np.vstack([np.column_stack([linear, offset]), [0, 0, 1.0]])


def rotation(turn: float, side_px: int) -> np.ndarray:
    """Turn a square about its centre: (3, 3)."""
    return _similarity(np.full(2, (side_px - 1) / 2), 1.0, turn, np.zeros(2))


def symmetry(rng: np.random.Generator, side_px: int, flip: float, quarter: float) -> np.ndarray:
    """Draw one of the eight symmetries of a square: (3, 3)."""
    matrix, last = np.eye(3), side_px - 1
    if rng.random() < flip:
        matrix = np.array([[-1.0, 0, last], [0, 1, 0], [0, 0, 1]])
    if rng.random() < quarter:
        turns = {
            1: [[0, -1, last], [1, 0, 0]],
            2: [[-1, 0, last], [0, -1, last]],
            3: [[0, 1, 0], [-1, 0, last]],
        }
        matrix = np.array([*turns[int(rng.integers(1, 4))], [0, 0, 1.0]]) @ matrix
    return matrix


def jitter(rng: np.random.Generator, box_xyxy: np.ndarray, params: CropParams) -> np.ndarray:
    """Move each edge of a box by up to `box_jitter` of its side."""
    sides = np.tile(box_xyxy[2:] - box_xyxy[:2], 2)
    return box_xyxy + rng.uniform(-1, 1, 4) * params.box_jitter * sides


def move(
    card_quads: np.ndarray, size_px: tuple[int, int], matrix: np.ndarray, side_px: int
) -> np.ndarray:
    """Carry (N, 4, 2) relative quads into a square."""
    moved = (
        crops.transform(quads.to_px(card_quads, size_px), matrix) if len(card_quads) else card_quads
    )
    return quads.to_relative(moved, (side_px, side_px)) if len(card_quads) else card_quads


def canonical(card_quads: np.ndarray) -> np.ndarray:
    """Bring each quad into canonical order after flips and turns."""
    return np.array([quads.canonical(quad) for quad in card_quads]).reshape(-1, 4, 2)
