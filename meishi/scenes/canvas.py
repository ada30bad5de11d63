"""Painting textured shapes that lie on, or stand above, the desk.

The canvas is drawn at twice the final size and averaged down, so that card edges are anti-aliased
as a sensor's are. RGB uint8 textures, desk coordinates in millimetres (see camera.py).
"""

from typing import Protocol

import cv2
import numpy as np

from meishi.geometry import crops, quads
from meishi.scenes.camera import Camera

SUPERSAMPLING = 2
FAR = 4  # canvas widths beyond which a shape is left out: it could only be a sliver
MAX_BLUR_PX = 60.0


def rectangle(centre_mm, size_mm, angle: float) -> np.ndarray:
    """Return the (4, 2) corners TL, TR, BR, BL of a turned rectangle, clockwise from above."""
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.asarray(size_mm, np.float64) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return half @ turn.T + np.asarray(centre_mm, np.float64)


def rounded_alpha(size_px: tuple[int, int], radius_px: float) -> np.ndarray:
    """Draw the opacity of a (width, height) rectangle with rounded corners, uint8."""
    width, height = size_px
    radius = int(round(radius_px))
    alpha = np.full((height, width), 255, np.uint8)
    if radius > 0:
        alpha[:] = 0
        cv2.rectangle(alpha, (radius, 0), (width - radius - 1, height - 1), 255, -1)
        cv2.rectangle(alpha, (0, radius), (width - 1, height - radius - 1), 255, -1)
        for x in (radius, width - radius - 1):
            for y in (radius, height - radius - 1):
                cv2.circle(alpha, (x, y), radius, 255, -1)
    return alpha


def clockwise(quad_px: np.ndarray) -> np.ndarray:
    """Turn a face that is seen from behind, such as a far wall, the right way round."""
    return quad_px if quads.area(quad_px) > 0 else quad_px[::-1]


class Ground(Protocol):
    """What things can be put on: a canvas that paints them, or one that collects solids."""

    camera: Camera

    def flat(
        self, corners_mm, texture, alpha=None, height_mm: float = 0.0, shadow: float = 0.5
    ) -> None:
        """Lay a textured rectangle parallel to the desk."""

    def cuboid(
        self, base_mm: np.ndarray, height_mm: float, top: np.ndarray, side_colour, alpha=None
    ) -> object:
        """Stand a box on the desk."""


class Canvas:
    """An image under construction, seen through one camera."""

    def __init__(self, camera: Camera, light: tuple[float, float], softness_mm: float):
        """Start empty; `light` is the shadow's offset per millimetre of height, on the desk."""
        self.camera = camera.scaled(SUPERSAMPLING)
        self.light, self.softness_mm = np.asarray(light, np.float64), softness_mm
        width, height = self.camera.size_px
        self.image = np.zeros((height, width, 3), np.uint8)

    def ground(self, texture: np.ndarray, span_mm: float, angle: float) -> None:
        """Cover the whole desk with a mirrored, repeated texture that spans `span_mm`."""
        side = texture.shape[0]
        corners = rectangle((0, 0), (span_mm, span_mm), angle)
        source = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
        desk_from_texture = cv2.getPerspectiveTransform(source, np.float32(corners))
        matrix = self.camera.plane() @ desk_from_texture
        self.image = cv2.warpPerspective(
            texture,
            matrix,
            self.camera.size_px,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )

    def blur(self, sigma_px: float) -> None:
        """Put what is drawn so far out of focus; `sigma_px` in pixels of the final image."""
        self.image = cv2.GaussianBlur(self.image, (0, 0), sigma_px * SUPERSAMPLING)

    def sees(self, points_mm: np.ndarray) -> bool:
        """Tell whether desk or space points lie before the camera and not absurdly far off."""
        points = np.column_stack([points_mm, np.zeros((len(points_mm), 3 - points_mm.shape[1]))])
        depth = points @ self.camera.matrix[2, :3] + self.camera.matrix[2, 3]
        if (depth <= 0).any():
            return False
        return bool(np.abs(self.camera.project(points)).max() < FAR * self.camera.size_px[0])

    def shadow(self, outline_mm: np.ndarray, height_mm: float, strength: float) -> None:
        """Darken the desk beneath an outline whose rim stands `height_mm` high."""
        if not self.sees(outline_mm):
            return
        offset = np.concatenate([outline_mm, outline_mm + self.light * height_mm])
        hull = cv2.convexHull(self.camera.project(offset).astype(np.float32))
        scale = np.sqrt(
            cv2.contourArea(hull)
            / max(cv2.contourArea(cv2.convexHull(offset.astype(np.float32))), 1e-6)
        )
        sigma = min(
            MAX_BLUR_PX,
            max(1.0, (self.softness_mm * 0.15 + self.softness_mm * height_mm * 0.2) * scale),
        )
        x, y, w, h = cv2.boundingRect(hull)
        pad = int(3 * sigma)
        box = self._clip(x - pad, y - pad, x + w + pad, y + h + pad)
        if box is None:
            return
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.float32)
        cv2.fillConvexPoly(mask, np.round(hull - [[left, top]]).astype(np.int32), 1.0)
        mask = 1 - strength * cv2.GaussianBlur(mask, (0, 0), sigma)
        region = self.image[top:bottom, left:right]
        region[:] = (region * mask[..., None]).astype(np.uint8)

    def flat(
        self, corners_mm, texture, alpha=None, height_mm: float = 0.0, shadow: float = 0.5
    ) -> None:
        """Lay a textured rectangle parallel to the desk, with its soft shadow."""
        if not self.sees(corners_mm):
            return
        if shadow > 0:
            self.shadow(corners_mm, max(height_mm, 0.3), shadow)
        lifted = np.column_stack([corners_mm, np.full(len(corners_mm), -height_mm)])
        self.face(self.camera.project(lifted), texture, alpha)

    def face(
        self, quad_px: np.ndarray, texture: np.ndarray, alpha: np.ndarray | None = None
    ) -> None:
        """Paste a texture into a quad given in canvas pixels; its corners are the texture's."""
        low, high = (
            np.floor(quad_px.min(axis=0)).astype(int) - 2,
            np.ceil(quad_px.max(axis=0)).astype(int) + 3,
        )
        box = self._clip(*low, *high)
        if box is None:
            return
        left, top, right, bottom = box
        texture, alpha = self._minified(texture, alpha, quad_px)
        height, width = texture.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(source, np.float32(quad_px - [left, top]))
        size = (right - left, bottom - top)
        colour = cv2.warpPerspective(
            texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        opacity = crops.coverage(clockwise(quad_px - [left, top]), size)
        if alpha is not None:
            opacity *= (
                cv2.warpPerspective(
                    alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
                ).astype(np.float32)
                / 255
            )
        region = self.image[top:bottom, left:right]
        region[:] = (region + opacity[..., None] * (colour.astype(np.float32) - region)).astype(
            np.uint8
        )

    def _minified(self, texture, alpha, quad_px):
        """Shrink a texture that would alias in the quad."""
        longest = np.linalg.norm(np.roll(quad_px, -1, 0) - quad_px, axis=1).max()
        ratio = longest / max(texture.shape[:2])
        if ratio < 0.7:
            size = (max(2, int(texture.shape[1] * ratio)), max(2, int(texture.shape[0] * ratio)))
            texture = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
            alpha = None if alpha is None else cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        return texture, alpha

    def _clip(self, left, top, right, bottom):
        """Clip a pixel box to the canvas; None when nothing is left."""
        width, height = self.camera.size_px
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def cuboid(
        self, base_mm: np.ndarray, height_mm: float, top: np.ndarray, side_colour, alpha=None
    ) -> np.ndarray:
        """Stand a box on the desk; returns the (4, 2) canvas pixels of its top face."""
        rim_mm = np.column_stack([base_mm, np.full(4, -height_mm)])
        low, high = self.camera.project(base_mm), self.camera.project(rim_mm)
        if not (self.sees(base_mm) and self.sees(rim_mm)):
            return high
        self.shadow(base_mm, height_mm, 0.6)
        centre = high.mean(axis=0)
        order = sorted(
            range(4), key=lambda i: np.linalg.norm(low[[i, (i + 1) % 4]].mean(axis=0) - centre)
        )
        for i in order:
            j = (i + 1) % 4
            shade = 0.55 + 0.25 * ((i * 2 + 1) % 4) / 3
            colour = np.clip(np.asarray(side_colour) * shade, 0, 255)
            wall = np.full((8, 8, 3), colour, np.uint8)
            self.face(np.array([low[i], low[j], high[j], high[i]]), wall)
        self.face(high, top, alpha)
        return high

    def finished(self) -> np.ndarray:
        """Average down to the final size: RGB uint8 (H, W, 3)."""
        width, height = (side // SUPERSAMPLING for side in self.camera.size_px)
        return cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)
