"""Measuring at sub-pixel level where a picture's edges lie."""

import cv2
import numpy as np


def edge_offset_px(image: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Measure how far the edge of something white on black lies from a quad's sides.

    Args:
        image: (H, W) uint8 or float32, white at 255.
        quad: (4, 2) pixels, clockwise.

    Returns:
        Offsets in pixels along the sides' normals, positive where white begins within the quad.
    """
    offsets = []
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along = (end - start) / np.linalg.norm(end - start)
        normal = np.array([-along[1], along[0]])  # inwards
        for share in np.linspace(0.2, 0.8, 7):
            line = start + share * (end - start) + normal * np.arange(-6, 6.01, 0.25)[:, None]
            values = cv2.remap(
                image, np.float32(line[:, :1]), np.float32(line[:, 1:]), cv2.INTER_LINEAR
            )[:, 0]
            # White begins where the integral says it does.
            offsets.append(6 - np.trapezoid(values.astype(float) / 255, dx=0.25))
    return np.array(offsets)
