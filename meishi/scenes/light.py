"""Light and lens over a finished picture: fields of brightness, hard shadows, glare, cast, blur.

All take and return float32 RGB in [0, 255]; none moves a pixel, so quads stay exact.
"""

import cv2
import numpy as np

from meishi.geometry import crops
from meishi.scenes.surfaces import noise


def gradient(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Let light fall off across the picture, as beside a window."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32) / width
    angle = rng.uniform(0, 2 * np.pi)
    field = x * np.cos(angle) + y * np.sin(angle)
    field = (field - field.min()) / np.ptp(field)
    low, high = rng.uniform(0.45, 0.95), rng.uniform(0.95, 1.2)
    return image * (low + (high - low) * field ** rng.uniform(0.6, 1.8))[..., None]


def spotlight(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Brighten a soft round patch and dim the rest."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    cx, cy = rng.uniform(0, width), rng.uniform(0, height)
    radius = rng.uniform(0.3, 0.9) * width
    field = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius**2))
    return image * (rng.uniform(0.35, 0.8) + rng.uniform(0.3, 0.7) * field)[..., None]


def cast_shadow(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Throw the shadow of something outside the picture: a hand, a phone, a blind."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    centre = rng.uniform([-0.2 * width, -0.2 * height], [1.2 * width, 1.2 * height])
    if rng.random() < 0.5:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 10))))
        radii = rng.uniform(0.15, 0.7, len(angles)) * width
        points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    else:
        angle, breadth = rng.uniform(0, np.pi), rng.uniform(0.05, 0.4) * width
        direction = np.array([np.cos(angle), np.sin(angle)])
        for k in range(int(rng.integers(1, 4))):
            middle = centre + k * 2.2 * breadth * np.array([-direction[1], direction[0]])
            ends = (middle - direction * 2 * width, middle + direction * 2 * width)
            start, end = (tuple(int(v) for v in point) for point in ends)
            cv2.line(mask, start, end, 1.0, max(1, int(breadth)))
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 25))
    return image * (1 - rng.uniform(0.25, 0.65) * mask)[..., None]


def glare(rng: np.random.Generator, image: np.ndarray, quads_px: list[np.ndarray]) -> np.ndarray:
    """Mirror a lamp in the glossy cards: a bright patch that ends at their edges."""
    height, width = image.shape[:2]
    for quad in quads_px:
        inside = crops.coverage(quad, (width, height))
        patch = np.zeros((height, width), np.float32)
        centre = quad[int(rng.integers(4))] * 0.6 + quad.mean(axis=0) * 0.4
        reach = float(np.linalg.norm(quad[0] - quad[2])) * rng.uniform(0.06, 0.3)
        axes = (max(1, int(reach)), max(1, int(reach * rng.uniform(0.2, 1))))
        cv2.ellipse(
            patch, tuple(int(v) for v in centre), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1
        )
        patch = cv2.GaussianBlur(patch, (0, 0), max(1.0, reach * rng.uniform(0.1, 0.6)))
        image = image + (rng.uniform(60, 230) * patch * inside)[..., None]
    return image


def dapple(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Let light through leaves: a patchy field."""
    height, width = image.shape[:2]
    field = cv2.resize(noise(rng, int(rng.integers(3, 9)), 3, 256), (width, height))[..., None]
    return image * (0.7 + 0.5 * field)


def expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Choose the exposure, white balance and gamma of the camera."""
    gain = rng.uniform(0.35, 0.7) if rng.random() < 0.12 else rng.uniform(0.8, 1.25)
    balance = 1 + rng.normal(0, 0.09 if rng.random() < 0.3 else 0.025, 3)
    image = np.clip(image * gain * balance, 0, 255) / 255
    return 255 * image ** rng.uniform(0.8, 1.25)


def defocus(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur as a lens slightly out of focus or a moving hand does."""
    if rng.random() < 0.75:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5))
    length, angle = int(rng.integers(3, 8)), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    centre = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * centre
    ends = [tuple(int(round(v)) for v in (centre + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    symmetric = kernel + kernel[::-1, ::-1]  # so that the picture does not shift
    return cv2.filter2D(image, -1, symmetric / symmetric.sum())
