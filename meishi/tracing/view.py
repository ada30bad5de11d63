"""A camera taken apart: where it stands, how it is turned, its focal length."""

from dataclasses import dataclass

import cv2
import numpy as np

from meishi.scenes.camera import Camera


@dataclass(frozen=True, eq=False)
class View:
    """A pinhole camera.

    Attributes:
        centre_mm: (3,) in the desk's world.
        rotation: (3, 3), rows right, down and forward.
        focal: in units of the picture's width.
        size_px: (width, height).
    """

    centre_mm: np.ndarray
    rotation: np.ndarray
    focal: float
    size_px: tuple[int, int]

    @property
    def tilt_deg(self) -> float:
        """The angle from looking straight down at the desk."""
        return float(np.rad2deg(np.arccos(np.clip(self.rotation[2, 2], -1, 1))))

    def depth_mm(self, point_mm: np.ndarray) -> float:
        """Return how far a point (3,) lies before the camera, along its axis."""
        return float(self.rotation[2] @ (point_mm - self.centre_mm))

    def project(self, points_mm: np.ndarray) -> np.ndarray:
        """Project (N, 3) points to (N, 2) pixels."""
        seen = (points_mm - self.centre_mm) @ self.rotation.T
        width, height = self.size_px
        middle = np.array([width - 1, height - 1]) / 2
        return seen[:, :2] / seen[:, 2:] * self.focal * width + middle


def view_of(camera: Camera) -> View:
    """Take a projection matrix apart (Hartley & Zisserman 2004, sec. 6.2.4)."""
    intrinsics, rotation, centre, *_ = cv2.decomposeProjectionMatrix(camera.matrix)
    focal = intrinsics[0, 0] / intrinsics[2, 2] / camera.size_px[0]
    return View((centre[:3] / centre[3])[:, 0], rotation, float(focal), camera.size_px)
