"""From linear light to the photo a phone would save: exposure, white balance, tone, noise.

All steps keep every pixel in its place.
"""

import cv2
import numpy as np

from meishi.scenes import light as lens

MIDDLE, BRIGHT = 0.2, 0.85  # where linear light is put, of the sensor's range


def develop(rng: np.random.Generator, linear: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Develop a traced picture.

    Args:
        rng: random stream.
        linear: (H, W, 3) float32.

    Returns:
        RGB uint8 (H, W, 3), and the names of what makes the photo hard.
    """
    names = []
    linear = _without_fireflies(np.maximum(np.nan_to_num(linear, posinf=0.0), 0))
    exposed = linear * _exposure(linear) * 2 ** rng.normal(0, 0.35)
    grain = rng.uniform(0.0, 0.01)
    if rng.random() < 0.12:
        exposed, grain = exposed * 2 ** -rng.uniform(1, 2.4), rng.uniform(0.006, 0.03)
        names.append("low_light")
    balance = rng.normal(0, 0.025, 3)
    if rng.random() < 0.25:
        balance = rng.normal(0, 0.09, 3)
        names.append("colour_cast")
    picture = _even(255 * _tone(np.maximum(exposed * (1 + balance), 0), rng.uniform(0.1, 0.6)))
    picture = picture + _sensor_noise(rng, picture / 255, grain)
    if rng.random() < 0.15:
        picture = lens.defocus(rng, picture)
        names.append("blur")
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), names


def _exposure(linear: np.ndarray) -> float:
    """Meter as a phone does: half by the middle, half by the bright parts."""
    grey = linear.mean(axis=2)
    middle = float(np.exp(np.log(grey + 1e-4).mean()))
    bright = max(float(np.percentile(grey, 95)), 1e-4)
    return float(np.sqrt(MIDDLE / middle * BRIGHT / bright))


def _even(picture: np.ndarray) -> np.ndarray:
    """Take out what noise too few paths leave, as a phone denoises; edges stay."""
    return cv2.bilateralFilter(picture.astype(np.float32), 5, 30, 1.6)


def _sensor_noise(rng: np.random.Generator, picture: np.ndarray, grain: float) -> np.ndarray:
    """Draw noise that is correlated over a pixel or two, stronger in the shadows."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, picture.shape).astype(np.float32), (0, 0), 0.6)
    return (255 * 2 * grain * noise * (1.3 - picture)).astype(np.float32)


def _tone(linear: np.ndarray, shoulder: float) -> np.ndarray:
    """Compress highlights (Reinhard et al. 2002, eq. 4), then encode as sRGB."""
    white = 1 + 2.0 * shoulder
    compressed = linear * (1 + linear / white**2) / (1 + linear * shoulder * 0.5)
    clipped = np.clip(compressed, 0, 1)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)


def _without_fireflies(linear: np.ndarray) -> np.ndarray:
    """Replace pixels far brighter than all around them: rare paths that met a lamp by chance."""
    around = np.stack([cv2.medianBlur(linear[..., i].astype(np.float32), 3) for i in range(3)], -1)
    odd = (linear > 4 * around + 0.05 * linear.mean()).any(axis=2, keepdims=True)
    return np.where(odd, around, linear)


def contrast(picture: np.ndarray, quads_px: list[np.ndarray]) -> str:
    """Say how far the cards stand out from what they lie on: low, middle or high.

    The median over the sides of the difference in grey a few pixels in and out of the edge.
    """
    if not quads_px:
        return "none"
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    steps = []
    for quad in quads_px:
        centre, t = quad.mean(axis=0), np.linspace(0.15, 0.85, 15)[:, None]
        for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
            line = start + t * (end - start)
            sides = [centre + (line - centre) * scale for scale in (0.95, 1.05)]
            inner, outer = (
                cv2.remap(grey, np.float32(s[:, :1]), np.float32(s[:, 1:]), cv2.INTER_LINEAR)
                for s in sides
            )
            steps.append(np.abs(inner.astype(float) - outer).mean())
    middle = float(np.median(steps))
    return "low" if middle < 15 else "middle" if middle < 50 else "high"
