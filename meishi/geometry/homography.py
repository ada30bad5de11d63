"""Homographies of cards: the map between two quads, a card's true shape, its flat picture.

A homography is (3, 3) and named destination_from_source, so products read from left to right.
The true shape follows Zhang and He, "Whiteboard scanning and image enhancement" (2007): the four
corners of a rectangle give its aspect and the focal length, when the principal point is known.
"""

import math

import cv2
import numpy as np

from meishi.geometry import quads

# Focal lengths, relative to the longer side of the photo, that phones and their crops have.
FOCAL_RANGE = (0.5, 2.5)
# The main camera of a phone (26 mm equivalent), for views that do not show their focal length.
TYPICAL_FOCAL = 0.72
# Cards beyond this are no cards: a view so grazing says nothing about the shape.
MAX_ASPECT = 10.0


def homography(src_quad: np.ndarray, dst_quad: np.ndarray) -> np.ndarray:
    """Find the projective map that takes one quad to another.

    Args:
        src_quad: (4, 2) corners, no three of them on one line.
        dst_quad: (4, 2) corners, in any other frame.

    Returns:
        (3, 3) float64 dst_from_src, scaled to a unit norm and a positive determinant.

    Raises:
        ValueError: if three corners of a quad lie on one line.
    """
    dst_from_unit, src_from_unit = _from_unit_square(dst_quad), _from_unit_square(src_quad)
    dst_from_src = dst_from_unit @ np.linalg.inv(src_from_unit)
    dst_from_src /= np.linalg.norm(dst_from_src)
    return dst_from_src * np.sign(np.linalg.det(dst_from_src))


def aspect(quad_px: np.ndarray, size_px: tuple[int, int], focal: float | None = None) -> float:
    """Estimate the width over the height of the flat card from one view of it.

    The focal length is that of the view when it comes out as one a camera has, and a typical one
    otherwise. Seen from the front it has no influence: the result is the ratio of the sides.

    Args:
        quad_px: (4, 2) corners in pixels, convex and clockwise; the first is the card's TL.
        size_px: width and height of the photo, whose centre is taken for the principal point.
        focal: focal length, relative to the longer side of the photo; None: as above.

    Returns:
        The aspect, within 1 / MAX_ASPECT and MAX_ASPECT; over 1 when TL to TR is the long side.

    Raises:
        ValueError: if the quad has a `quads.fault`.
    """
    fault = quads.fault(quad_px)
    if fault is not None:
        raise ValueError(f"aspect: the quad {fault}: {np.asarray(quad_px).tolist()}")
    across, down = edge_vectors(centred(quad_px, size_px))
    focal_sq = focal_squared(across, down) if focal is None else focal**2
    if focal_sq is None:
        focal_sq = TYPICAL_FOCAL**2
    weights = np.array([1 / focal_sq, 1 / focal_sq, 1.0])
    ratio = math.sqrt((across**2 @ weights) / (down**2 @ weights))
    return float(np.clip(ratio, 1 / MAX_ASPECT, MAX_ASPECT))


def rectify(
    image: np.ndarray,
    quad_px: np.ndarray,
    long_side_px: int | None = None,
    ratio: float | None = None,
) -> np.ndarray:
    """Cut a card out of a photo, flat and at its true aspect.

    Args:
        image: (H, W, 3) or (H, W) uint8 photo.
        quad_px: (4, 2) corners in pixels, clockwise; the first is the card's TL. May leave the
            photo, whose border is then repeated.
        long_side_px: longer side of the result; the quad's longest side when None.
        ratio: width over height of the result; None: `aspect` of the quad.

    Returns:
        uint8 picture of the card, TL in its first pixel, with as many channels as the photo.

    Raises:
        ValueError: if the quad has a `quads.fault`, or long_side_px is not positive.
    """
    if long_side_px is not None and long_side_px < 1:
        raise ValueError(f"rectify: expected a positive long_side_px, got {long_side_px}")
    if ratio is None:
        ratio = aspect(quad_px, (image.shape[1], image.shape[0]))
    corners = np.asarray(quad_px, dtype=np.float64)
    longest = quads.side_lengths(corners).max()
    long_px = max(round(longest), 1) if long_side_px is None else long_side_px
    width = max(round(long_px * min(ratio, 1.0)), 1)
    height = max(round(long_px / max(ratio, 1.0)), 1)
    # Sample at the photo's own density, then average: a smaller picture must not alias.
    oversampling = max(math.ceil(longest / long_px - 0.25), 1)
    fine_px = (width * oversampling, height * oversampling)
    fine = _warp(image, corners, fine_px)
    if oversampling == 1:
        return fine
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def _warp(image: np.ndarray, quad_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    # The card's corners are the outer corners of its pixels, not their centres.
    card = quads.to_px(quads.FRAME, size_px)
    card_from_image = homography(quad_px, card)
    return cv2.warpPerspective(
        image, card_from_image, size_px, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def _from_unit_square(quad: np.ndarray) -> np.ndarray:
    """(3, 3) quad_from_unit: columns are the images of the axes and the origin (Heckbert 1989)."""
    corners = np.column_stack([np.asarray(quad, dtype=np.float64).reshape(4, 2), np.ones(4)])
    top_left, top_right, bottom_right, bottom_left = corners
    basis = np.stack([top_right, bottom_left, top_left], axis=1)
    # The fourth corner fixes the scales of the other three: BR = a TR + b BL - c TL.
    fits = abs(np.linalg.det(basis)) > 1e-12 * np.abs(corners).max() ** 2
    a, b, c = np.linalg.solve(basis, bottom_right) * [1, 1, -1] if fits else (0.0, 0.0, 0.0)
    if min(abs(a), abs(b), abs(c)) < 1e-12:
        raise ValueError(
            f"homography: three corners of a quad lie on one line: {np.asarray(quad).tolist()}"
        )
    origin = c * top_left
    return np.stack([a * top_right - origin, b * bottom_left - origin, origin], axis=1)


def centred(quad_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return a quad about the centre of its photo, relative to the longer side: (4, 2) float64."""
    centre = quads.to_px(np.array([0.5, 0.5]), size_px)
    return (np.asarray(quad_px, dtype=np.float64) - centre) / max(size_px)


def edge_vectors(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the card's edges TL-TR and TL-BL in space, up to one scale and the focal length.

    Zhang and He eq. 11, 12, 14 and 16: their m1, m2, m3, m4 are TL, TR, BL, BR.
    """
    top_left, top_right, bottom_right, bottom_left = np.column_stack([centred, np.ones(4)])
    normal_to_diagonal = np.cross(top_left, bottom_right)
    k2 = (normal_to_diagonal @ bottom_left) / (np.cross(top_right, bottom_right) @ bottom_left)
    k3 = (normal_to_diagonal @ top_right) / (np.cross(bottom_left, bottom_right) @ top_right)
    return k2 * top_right - top_left, k3 * bottom_left - top_left


def focal_squared(across: np.ndarray, down: np.ndarray) -> float | None:
    """Return the squared focal length that makes edges square (eq. 21); None: no camera has it."""
    product = across[2] * down[2]
    planar = across[:2] @ down[:2]
    low, high = (limit**2 for limit in FOCAL_RANGE)
    # Written without a division: the product vanishes when a pair of sides looks parallel.
    if not low * abs(product) <= -planar * np.sign(product) <= high * abs(product) or product == 0:
        return None
    return float(-planar / product)
