"""Photos printed on cards: a part of one beside the letters, or beneath all of them.

A classifier that has seen photos as what is no card would take a card with a photo on it for none.
"""

import cv2
import numpy as np

PICTURE_SIDES, OPACITIES = (0.25, 0.75), (0.5, 1.0)  # shares of a view's side, and of its print
# What differs from the ground by so much, of 255, begins to be print, and is print in full.
PRINT_LEVELS = (16.0, 64.0)
PALED = (0.2, 0.7)  # share by which a photo beneath print is moved away from the print's brightness


def printed(view: np.ndarray, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Print a part of a photo onto a view, somewhere, a little faint at times.

    Args:
        view: (S, S, 3) RGB uint8.
        photo: (H, W, 3) RGB uint8.
        rng: of every draw.

    Returns:
        (S, S, 3) RGB uint8; `PICTURE_SIDES` bounds the sides of the print.
    """
    side_px = len(view)
    width_px, height_px = (rng.uniform(*PICTURE_SIDES, 2) * side_px).astype(int)
    left, top = (int(rng.integers(side_px - size_px + 1)) for size_px in (width_px, height_px))
    part = _part(photo, (width_px, height_px), rng)
    found = view.copy()
    place = found[top : top + height_px, left : left + width_px]
    opacity = rng.uniform(*OPACITIES)
    place[:] = cv2.addWeighted(part, opacity, place, 1 - opacity, 0)
    return found


def on_photo(view: np.ndarray, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put a part of a photo in place of a view's ground; what is printed on it stays.

    The ground is the view's median colour. The photo is made brighter beneath dark print and darker
    beneath light print, as printers do.

    Args:
        view: (S, S, 3) RGB uint8.
        photo: (H, W, 3) RGB uint8.
        rng: of every draw.

    Returns:
        (S, S, 3) RGB uint8.
    """
    side_px = len(view)
    part = _part(photo, (side_px, side_px), rng).astype(np.float32)
    off = view.astype(np.float32) - np.median(view, axis=(0, 1)).astype(np.float32)
    low, high = PRINT_LEVELS
    share = np.clip((np.abs(off).max(axis=2, keepdims=True) - low) / (high - low), 0, 1)
    away = 255.0 if (off * share).sum() < 0 else 0.0
    paled = np.float32(rng.uniform(*PALED))
    mixed = share * view + (1 - share) * (part + paled * (away - part))
    return np.round(mixed).astype(np.uint8)


def _part(photo: np.ndarray, size_px: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Cut a part of given proportions out of a photo, half as large as fits or larger; scale it."""
    scale = min(photo.shape[1] / size_px[0], photo.shape[0] / size_px[1]) * rng.uniform(0.5, 1)
    cut_px = [max(int(length_px * scale), 1) for length_px in size_px]
    limits_px = (photo.shape[1] - cut_px[0], photo.shape[0] - cut_px[1])
    x, y = (int(rng.integers(limit_px + 1)) for limit_px in limits_px)
    part = photo[y : y + cut_px[1], x : x + cut_px[0]]
    return cv2.resize(part, size_px, interpolation=cv2.INTER_AREA)
