"""Joining parts: one mesh and one texture for all that reflects light alike.

Mitsuba compiles a kernel for each scene that differs in the number of its objects, which takes
longer than tracing it; joined, all scenes share a handful of kernels.
"""

import cv2
import numpy as np

from meishi.tracing.meshes import Mesh
from meishi.tracing.solids import Part

WIDTH_PX = 2048
BORDER_PX = 2  # repeated round each picture, so that none bleeds into the next
LARGEST_PX = 720
PLAIN_PX = 4


def join(parts: list[Part]) -> tuple[Mesh, np.ndarray]:
    """Join parts.

    Args:
        parts: at least one; their texture coordinates in [0, 1].

    Returns:
        The mesh of all, and the texture (H, W, 3) uint8 that its coordinates refer to.
    """
    pictures = [_picture(part.material.colour) for part in parts]
    places, height = _shelves([picture.shape for picture in pictures])
    texture = np.zeros((height, WIDTH_PX, 3), np.uint8)
    vertices, faces, uvs, first = [], [], [], 0
    for part, picture, (left, top) in zip(parts, pictures, places, strict=True):
        rows, columns = picture.shape[:2]
        texture[top : top + rows, left : left + columns] = picture
        inner = np.array([columns, rows]) - 2 * BORDER_PX
        px = np.array([left, top]) + BORDER_PX + np.clip(part.mesh.uvs, 0, 1) * inner
        uvs.append(px / [WIDTH_PX, height])
        vertices.append(part.mesh.vertices_mm)
        faces.append(part.mesh.faces + first)
        first += len(part.mesh.vertices_mm)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uvs)), texture


def _picture(colour: np.ndarray) -> np.ndarray:
    colour = np.asarray(colour)
    if colour.ndim == 1:
        colour = np.full((PLAIN_PX, PLAIN_PX, 3), np.clip(colour, 0, 255), np.uint8)
    scale = LARGEST_PX / max(colour.shape[:2])
    if scale < 1:
        size = (max(1, int(colour.shape[1] * scale)), max(1, int(colour.shape[0] * scale)))
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    border = (BORDER_PX,) * 4
    return cv2.copyMakeBorder(colour.astype(np.uint8), *border, cv2.BORDER_REPLICATE)


def _shelves(shapes: list[tuple[int, ...]]) -> tuple[list[tuple[int, int]], int]:
    """Place pictures in rows, the tallest first; returns (left, top) of each, and the height."""
    places: list[tuple[int, int]] = [(0, 0)] * len(shapes)
    left = top = shelf = 0
    for number in sorted(range(len(shapes)), key=lambda i: -shapes[i][0]):
        rows, columns = shapes[number][:2]
        if left + columns > WIDTH_PX:
            left, top, shelf = 0, top + shelf, 0
        places[number] = (left, top)
        left, shelf = left + columns, max(shelf, rows)
    return places, top + shelf
