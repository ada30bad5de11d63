"""The square crop around a card's box: what the segmenter sees, in training and in the app.

One homography takes photo pixels to crop pixels (`crop_from_image`), so that masks and quads travel
between the two exactly. Pixel centres lie at integers in both.
"""

import cv2
import numpy as np

from meishi.geometry import quads

MAX_OVERSAMPLING = 8
PADDING = 127  # beyond the photo: mid grey, which the network's normalisation turns into 0


def crop_from_image(
    box_xyxy: np.ndarray, size_px: tuple[int, int], crop_px: int, margin: float
) -> np.ndarray:
    """Frame a box with a square.

    Args:
        box_xyxy: (4,) relative to the photo, with area.
        size_px: of the photo.
        crop_px: side of the crop.
        margin: of the box's longer side in pixels, added on each side.

    Returns:
        (3, 3) homography from photo pixels to crop pixels: a scale and a shift.
    """
    low, high = box_xyxy[:2] * size_px, box_xyxy[2:] * size_px  # edges, in pixels from the corner
    side = (high - low).max() * (1 + 2 * margin)
    scale = crop_px / side
    left_top = (low + high) / 2 - side / 2
    shift = (0.5 - left_top) * scale - 0.5
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1.0]])


def scaling(scale: np.ndarray) -> np.ndarray:
    """Scale pixels about the image's corner, where both frames have relative coordinates (0, 0).

    Args:
        scale: (2,) along x and y.

    Returns:
        (3, 3) homography between pixel centres at integers.
    """
    return np.array(
        [[scale[0], 0, scale[0] / 2 - 0.5], [0, scale[1], scale[1] / 2 - 0.5], [0, 0, 1.0]]
    )


def stretch(size_px: tuple[int, int], side_px: int) -> np.ndarray:
    """Fill a square with an image of any proportion, as the app's preview does: (3, 3)."""
    scale = side_px / np.asarray(size_px, np.float64)
    return scaling(scale)


def warp(
    image: np.ndarray, dst_from_src: np.ndarray, size_px: tuple[int, int], border=(PADDING,) * 3
) -> np.ndarray:
    """Resample an image through a homography without aliasing.

    Args:
        image: (H, W, 3) uint8.
        dst_from_src: (3, 3), on pixel centres.
        size_px: (width, height) of the result.
        border: colour beyond the image.

    Returns:
        (height, width, 3) uint8.
    """
    shrinkage = _shrinkage(dst_from_src, size_px)
    if shrinkage > MAX_OVERSAMPLING:
        image, dst_from_src = _shrunk(image, dst_from_src, int(shrinkage / MAX_OVERSAMPLING) + 1)
        shrinkage = _shrinkage(dst_from_src, size_px)
    factor = int(np.clip(np.ceil(shrinkage - 0.25), 1, MAX_OVERSAMPLING))
    out = cv2.warpPerspective(
        image,
        scaling(np.array([factor, factor])) @ dst_from_src,
        (size_px[0] * factor, size_px[1] * factor),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
    return out if factor == 1 else cv2.resize(out, size_px, interpolation=cv2.INTER_AREA)


def _shrinkage(dst_from_src: np.ndarray, size_px: tuple[int, int]) -> float:
    """Measure how many source pixels a step of one pixel crosses, in the middle of the result."""
    centre = np.array([[[size_px[0] / 2, size_px[1] / 2]]])
    ends = centre + np.array([[[1.0, 0]], [[0, 1.0]], [[0, 0]]])
    source = cv2.perspectiveTransform(ends, np.linalg.inv(dst_from_src))[:, 0]
    steps = np.linalg.norm(source[:2] - source[2], axis=1)
    return float(steps.max())


def _shrunk(
    image: np.ndarray, dst_from_src: np.ndarray, divisor: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average an image down before it is warped; returns it with its own homography."""
    height, width = image.shape[:2]
    small = (max(1, width // divisor), max(1, height // divisor))
    scale = np.array([width, height]) / small  # a rest makes it differ a little from the divisor
    averaged = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return averaged, dst_from_src @ scaling(scale)


def transform(points_px: np.ndarray, dst_from_src: np.ndarray) -> np.ndarray:
    """Carry (..., 2) pixel positions through a homography."""
    points = np.asarray(points_px, np.float64)
    return cv2.perspectiveTransform(points.reshape(-1, 1, 2), dst_from_src).reshape(points.shape)


def coverage(quad_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Measure how much of each pixel a convex quad covers.

    Args:
        quad_px: (4, 2) clockwise, pixel centres at integers; may leave the image.
        size_px: (width, height) of the image.

    Returns:
        (height, width) float32 in [0, 1]: exact along axis-parallel edges, within a few hundredths
        elsewhere, and without bias. OpenCV's polygon fill is half a pixel too fat on every side.
    """
    x = np.arange(size_px[0], dtype=np.float32)
    y = np.arange(size_px[1], dtype=np.float32)[:, None]
    covered = np.ones((size_px[1], size_px[0]), np.float32)
    for start, end in zip(quad_px, quads.following(quad_px), strict=True):
        along = (end - start) / max(np.linalg.norm(end - start), 1e-12)
        distance = along[0] * (y - start[1]) - along[1] * (x - start[0])  # positive inside
        np.minimum(covered, np.clip(distance + 0.5, 0, 1), out=covered)
    return covered


def soft_mask(quad: np.ndarray, side_px: int) -> np.ndarray:
    """Fill a quad, relative to a square crop, with sub-pixel coverage: (side_px, side_px)."""
    return coverage(quads.to_px(quad, (side_px, side_px)), (side_px, side_px))


def inside(
    crop_px: int, mask_px: int, image_from_crop: np.ndarray, size_px: tuple[int, int]
) -> np.ndarray:
    """Mark the mask pixels that show the photo, not the padding: (mask_px, mask_px) bool."""
    scale = crop_px / mask_px
    grid = (np.arange(mask_px) + 0.5) * scale - 0.5
    points = np.stack(np.meshgrid(grid, grid), axis=-1)
    positions = transform(points, image_from_crop)
    low, high = -0.5, np.asarray(size_px) - 0.5
    return np.asarray(((positions >= low) & (positions <= high)).all(axis=-1))


def quad_in_crop(
    quad: np.ndarray, size_px: tuple[int, int], crop_from_photo: np.ndarray, crop_px: int
) -> np.ndarray:
    """Carry a (4, 2) quad, relative to the photo, into one relative to a square crop."""
    moved = transform(quads.to_px(quad, size_px), crop_from_photo)
    return quads.to_relative(moved, (crop_px, crop_px))


def true_mask(
    quad: np.ndarray,
    size_px: tuple[int, int],
    crop_from_photo: np.ndarray,
    crop_px: int,
    mask_px: int,
) -> np.ndarray:
    """Draw the mask a perfect segmenter would give for a card.

    Args:
        quad: (4, 2) relative to the photo.
        size_px: of the photo.
        crop_from_photo: (3, 3), see `crop_from_image`.
        crop_px: side of the crop.
        mask_px: side of the mask.

    Returns:
        (mask_px, mask_px) float32 coverage in [0, 1].
    """
    return soft_mask(quad_in_crop(quad, size_px, crop_from_photo, crop_px), mask_px)
