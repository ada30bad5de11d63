"""Frames and crops scaled by whole pixels: what a live frame has time for.

`crops.warp` resamples between pixels without aliasing, which takes as long as the segmenter. Here
the square begins and ends between pixels, so that it is a part of the frame that is only scaled;
and halves are taken first, which OpenCV averages ten times as fast as other parts.
"""

import cv2
import numpy as np

from meishi.geometry import crops, quads

LEAST_OVERSAMPLED = 1.25  # pixels a step crosses, up to which `crops.warp` takes no mean either


def cut(
    image: np.ndarray, box_xyxy: np.ndarray, crop_px: int, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut out the square around a box, to the pixel or the few that halve well, and scale it down.

    Args:
        image: (H, W, 3) uint8.
        box_xyxy: (4,) relative to the image, with area.
        crop_px: side of the crop.
        margin: of the box's longer side, added on each side.

    Returns:
        (crop_px, crop_px, 3) uint8 and the exact crop_from_image, (3, 3). A square that would have
        to be enlarged is resampled by `crops.warp`.
    """
    height, width = image.shape[:2]
    exact = crops.crop_from_image(box_xyxy, (width, height), crop_px, margin)
    wanted = crop_px / exact[0, 0]
    if wanted < crop_px:
        return crops.warp(image, exact, (crop_px, crop_px)), exact
    unit = 2 ** int(np.log2(wanted / crop_px))
    side = unit * max(round(wanted / unit), crop_px // unit)
    centre = 0.5 - (exact[:2, 2] + 0.5) / exact[0, 0] + wanted / 2
    left_top = np.round(centre - side / 2).astype(int)
    low = np.clip(left_top, 0, [width, height])
    high = np.clip(left_top + side, 0, [width, height])
    left, top = (low - left_top).tolist()
    right, bottom = (left_top + side - high).tolist()
    inside = image[low[1] : high[1], low[0] : high[0]]
    if max(left, top, right, bottom) > 0:
        grey = (crops.PADDING,) * 3
        inside = cv2.copyMakeBorder(
            inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey
        )
    shift = np.array([[1, 0, -left_top[0]], [0, 1, -left_top[1]], [0, 0, 1.0]])
    crop = scale_down(inside, (crop_px, crop_px))
    return crop, crops.scaling(np.full(2, crop_px / side)) @ shift


def scale_down(image: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Scale an image down to (width, height), by halves as long as these come out even."""
    height, width = image.shape[:2]
    while not (width % 2 or height % 2) and width // 2 >= size_px[0] and height // 2 >= size_px[1]:
        width, height = width // 2, height // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    shrinkages = np.array([width, height]) / size_px
    if (shrinkages <= 2).all():  # means of parts of pixels take twice as long as this
        fine_px = np.where(shrinkages > LEAST_OVERSAMPLED, 2, 1) * size_px
        image = cv2.resize(image, fine_px, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(image, size_px, interpolation=cv2.INTER_AREA)


def inside(
    crop_px: int, mask_px: int, image_from_crop: np.ndarray, size_px: tuple[int, int]
) -> np.ndarray:
    """Mark the mask pixels that show the photo, as `crops.inside` does: (mask_px, mask_px) bool.

    Where the crop's outer corners do, all do, and nothing has to be carried over.
    """
    corners_px = quads.to_px(quads.FRAME, (crop_px, crop_px))
    relative = quads.to_relative(crops.transform(corners_px, image_from_crop), size_px)
    if (relative >= 0).all() and (relative <= 1).all():
        return np.ones((mask_px, mask_px), bool)
    return crops.inside(crop_px, mask_px, image_from_crop, size_px)
