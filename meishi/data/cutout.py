"""Cards cut out of scenes and laid onto others: an exact edge, no rim of the old ground, a shadow.

A quad's outermost pixels mix the card with what it lay on. So a card is cut `INSET_PX` inside its
quad, and what is cut is spread over the whole of the new one: the edge is the new quad's, exactly,
and all its colours are the card's own.
"""

import cv2
import numpy as np

from meishi.geometry import crops, homography, quads
from meishi.geometry.focal_lengths import likely_aspect
from meishi.recipe import DropShadowParams

INSET_PX = 1.5
RIM_PX = 3  # repeated around a flat card, so that its edge pixels are not mixed with a border
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
GAIN = (0.75, 1.3)  # a card is never made darker or brighter than this


def inset(quad_px: np.ndarray, by_px: float = INSET_PX) -> np.ndarray:
    """Move each edge of a convex clockwise (4, 2) quad inwards by `by_px`."""
    following = quads.following(quad_px)
    along = (following - quad_px) / np.linalg.norm(following - quad_px, axis=1, keepdims=True)
    normals = np.column_stack([-along[:, 1], along[:, 0]])
    moved = np.einsum("ij,ij->i", normals, quad_px) + by_px  # normals @ x = moved, on each edge
    before, distances = np.roll(normals, 1, axis=0), np.roll(moved, 1)
    return np.linalg.solve(
        np.stack([before, normals], axis=1), np.column_stack([distances, moved])[..., None]
    )[..., 0]


def is_whole(card_quads: np.ndarray, index: int) -> bool:
    """Tell whether a card is inside the frame and shares no area with another of (N, 4, 2)."""
    quad, others = card_quads[index], np.delete(card_quads, index, axis=0)
    return quads.visible_share(quad) > 0.999 and is_free(quad, others)


def is_free(quad: np.ndarray, others: np.ndarray) -> bool:
    """Tell whether a quad shares at most a thousandth of its area with any of (N, 4, 2)."""
    limit = abs(quads.area(quad)) / 1000
    return all(quads.is_convex(o) and quads.intersection(quad, o) <= limit for o in others)


def brightness(image: np.ndarray) -> float:
    """Estimate a scene's light: the 95th percentile of its luma, which is paper if there is any."""
    return float(np.percentile(image[::8, ::8].astype(np.float32) @ LUMA, 95))


def gain(from_light: float, to_light: float) -> float:
    """Say by how much to brighten a card from one scene's light for another's.

    The root of their ratio, within GAIN: a dark scene may well be one of dark things.
    """
    return float(np.clip(np.sqrt(max(to_light, 1.0) / max(from_light, 1.0)), *GAIN))


def flat(image: np.ndarray, quad_px: np.ndarray, max_side_px: int) -> np.ndarray:
    """Cut a card out, flat and at its likely aspect, its longer side `max_side_px` at most."""
    inner = inset(quad_px)
    longest = np.linalg.norm(quads.following(inner) - inner, axis=1).max()
    ratio = likely_aspect(inner, (image.shape[1], image.shape[0]))
    return homography.rectify(image, inner, max(min(round(longest), max_side_px), 2), ratio)


def lay(
    image: np.ndarray,
    card: np.ndarray,
    src_quad_px: np.ndarray,
    dst_quad_px: np.ndarray,
    opacity: np.ndarray | None = None,
) -> None:
    """Draw a card into a scene, in place, with anti-aliased edges exactly along its quad.

    Args:
        image: (H, W, 3) RGB uint8, changed.
        card: RGB uint8 picture that shows the card, at least a pixel beyond `src_quad_px`.
        src_quad_px: (4, 2) the part of `card` to use, in its pixels.
        dst_quad_px: (4, 2) where it goes, clockwise, in pixels of `image`; may leave it.
        opacity: (h, w) float32 in [0, 1] of each pixel of `card`; None for a card that hides all.
    """
    window = _window(image, dst_quad_px, 1)
    if window is None:
        return
    (left, top), part = window
    quad_px = dst_quad_px - [left, top]
    size_px = (part.shape[1], part.shape[0])
    part_from_card = homography.homography(src_quad_px, quad_px)
    share = crops.coverage(quad_px, size_px)
    if opacity is not None:
        share = share * cv2.warpPerspective(opacity, part_from_card, size_px)
    _blend(part, crops.warp(card, part_from_card, size_px), share)


def lay_flat(image: np.ndarray, card: np.ndarray, quad_px: np.ndarray, factor: float) -> None:
    """Draw a flat card (h, w, 3) over the whole of a quad, its colours times `factor`, in place."""
    height, width = card.shape[:2]
    rimmed = cv2.copyMakeBorder(card, *(RIM_PX,) * 4, cv2.BORDER_REPLICATE)
    corners = quads.to_px(quads.FRAME, (width, height)) + RIM_PX
    lay(image, brightened(rimmed, factor), corners, quad_px)


def brightened(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the colours of an RGB uint8 picture."""
    return cv2.convertScaleAbs(image, alpha=factor)


def cast_shadow(
    image: np.ndarray, quad_px: np.ndarray, params: DropShadowParams, rng: np.random.Generator
) -> None:
    """Darken a scene, in place, around a card that will lie on it: soft, to one side."""
    longest = np.linalg.norm(quads.following(quad_px) - quad_px, axis=1).max()
    reach = rng.uniform(params.reach_low, params.reach_high) * longest
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(params.low, params.high)
    # As far aside as it is soft: under one lamp both grow with the card's height.
    fallen = quad_px + 0.6 * reach * np.array([np.cos(angle), np.sin(angle)])
    window = _window(image, fallen, int(np.ceil(2.5 * reach)) + 1)
    if window is None:
        return
    (left, top), part = window
    covered = crops.coverage(fallen - [left, top], (part.shape[1], part.shape[0]))
    soft = cv2.GaussianBlur(covered, (0, 0), max(reach, 0.3), borderType=cv2.BORDER_REPLICATE)
    _blend(part, np.zeros_like(part), strength * soft)


def _window(
    image: np.ndarray, quad_px: np.ndarray, beyond_px: int
) -> tuple[tuple[int, int], np.ndarray] | None:
    """View the part of an image around a quad, with its left top corner; None outside."""
    high = np.array([image.shape[1], image.shape[0]])
    left, top = np.clip(np.floor(quad_px.min(axis=0)).astype(int) - beyond_px, 0, high)
    right, bottom = np.clip(np.ceil(quad_px.max(axis=0)).astype(int) + beyond_px + 1, 0, high)
    if right <= left or bottom <= top:
        return None
    return (int(left), int(top)), image[top:bottom, left:right]


def _blend(part: np.ndarray, over: np.ndarray, share: np.ndarray) -> None:
    mixed = part + (over.astype(np.float32) - part) * share[..., None]
    part[:] = np.rint(mixed).astype(np.uint8)
