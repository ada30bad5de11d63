"""A pinhole camera over a desk.

World: millimetres, x right and y down on the desk (z = 0), z pointing into it, so heights are
negative z and a card seen from above keeps its corners clockwise in the image. Pixel frame: centres
at integers, as everywhere.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A projection of desk millimetres onto pixels.

    Attributes:
        matrix: (3, 4) projection matrix.
        size_px: (width, height) of the image.
    """

    matrix: np.ndarray
    size_px: tuple[int, int]

    def project(self, points_mm: np.ndarray) -> np.ndarray:
        """Project (..., 2) desk points or (..., 3) points to (..., 2) pixels."""
        points = np.asarray(points_mm, np.float64)
        if points.shape[-1] == 2:
            points = np.concatenate([points, np.zeros_like(points[..., :1])], axis=-1)
        homogeneous = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
        projected = homogeneous @ self.matrix.T
        return projected[..., :2] / projected[..., 2:]

    def plane(self, height_mm: float = 0.0) -> np.ndarray:
        """Return image_from_plane, (3, 3), for the plane `height_mm` above the desk."""
        return np.column_stack(
            [
                self.matrix[:, 0],
                self.matrix[:, 1],
                self.matrix[:, 3] - height_mm * self.matrix[:, 2],
            ]
        )

    def scaled(self, factor: int) -> "Camera":
        """Return the same view on an image `factor` times as large."""
        shift = (factor - 1) / 2  # centres at integers: x' = f x + (f - 1) / 2
        scale = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1.0]])
        return Camera(scale @ self.matrix, (self.size_px[0] * factor, self.size_px[1] * factor))


def look_at(target_mm, distance_mm, tilt, azimuth, roll, focal, size_px) -> Camera:
    """Place a camera.

    Args:
        target_mm: (2,) desk point in the image centre.
        distance_mm: from the camera to it.
        tilt: angle from looking straight down, radians.
        azimuth: direction of the tilt on the desk, radians.
        roll: turn about the viewing direction, radians.
        focal: focal length in units of the image width.
        size_px: (width, height).

    Returns:
        The camera.
    """
    forward = np.array(
        [np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), np.cos(tilt)]
    )
    right = np.array([1.0, 0.0, 0.0]) - forward[0] * forward
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    right, down = (
        np.cos(roll) * right + np.sin(roll) * down,
        np.cos(roll) * down - np.sin(roll) * right,
    )
    rotation = np.stack([right, down, forward])
    centre = np.append(np.asarray(target_mm, np.float64), 0.0) - distance_mm * forward
    width, height = size_px
    intrinsics = np.array(
        [[focal * width, 0, (width - 1) / 2], [0, focal * width, (height - 1) / 2], [0, 0, 1.0]]
    )
    return Camera(intrinsics @ np.column_stack([rotation, -rotation @ centre]), (width, height))
