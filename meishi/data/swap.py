"""Background swap: a scene's cards, at their places, on the background of a scene without cards."""

import cv2
import numpy as np

from meishi.data import cutout
from meishi.geometry import quads
from meishi.recipe import DropShadowParams

MIN_SIDE_PX = 12  # a card that is shown smaller has little left inside its edge


def can_swap(card_quads: np.ndarray, size_px: tuple[int, int]) -> bool:
    """Tell whether every card, of one at least, can be cut out whole; (N, 4, 2) relative."""
    sides = quads.to_px(card_quads, size_px)
    lengths = np.linalg.norm(np.roll(sides, -1, axis=1) - sides, axis=2)
    return (
        len(card_quads) > 0
        and bool(lengths.min() >= MIN_SIDE_PX)
        and all(cutout.is_whole(card_quads, index) for index in range(len(card_quads)))
    )


def swap(
    image: np.ndarray,
    card_quads: np.ndarray,
    background: np.ndarray,
    shadow: DropShadowParams,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lay a scene's cards onto a background.

    Args:
        image: (H, W, 3) RGB uint8 scene, left as it is.
        card_quads: (N, 4, 2) relative; see `can_swap`. They hold for the result, too.
        background: RGB uint8 of any size; its middle is used.
        shadow: that each card casts.
        rng: of this sample.

    Returns:
        (H, W, 3) RGB uint8.
    """
    size_px = (image.shape[1], image.shape[0])
    result = filling(background, size_px)
    factor = cutout.gain(cutout.brightness(image), cutout.brightness(result))
    cards = cutout.brightened(image, factor)
    quads_px = quads.to_px(card_quads, size_px)
    for quad_px in quads_px:  # all shadows first: none falls on a neighbour that lies as flat
        cutout.cast_shadow(result, quad_px, shadow, rng)
    for quad_px in quads_px:
        cutout.lay(result, cards, cutout.inset(quad_px), quad_px)
    return result


def filling(image: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Cut the middle of a picture to the proportions of (width, height) and scale it to them.

    Returns:
        A picture of its own, never a view of `image`.
    """
    height, width = image.shape[:2]
    scale = max(size_px[0] / width, size_px[1] / height)
    part = min(width, round(size_px[0] / scale)), min(height, round(size_px[1] / scale))
    left, top = (width - part[0]) // 2, (height - part[1]) // 2
    middle = image[top : top + part[1], left : left + part[0]]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return middle.copy() if part == size_px else cv2.resize(middle, size_px, interpolation=how)
