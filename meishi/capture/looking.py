"""A second look: the detector's, at a square around a quad that was fitted."""

from collections.abc import Callable

import numpy as np

from meishi.capture.ranking import joint_score
from meishi.geometry import boxes, crops, quads
from meishi.ssd.postprocess import select

# A box counts from the first IoU with the quad's on, and whole from the second. With one limit for
# both a card's fate could hang on the last bits of a box (docs/experiments.md).
NEAR_IOU = (0.5, 0.7)
MIN_SCORE, MAX_BOXES = 0.02, 30  # any answer counts


def look(
    detector: Callable[[np.ndarray], dict[str, np.ndarray]],
    side_px: int,
    iou_threshold: float,
    image: np.ndarray,
    quad_px: np.ndarray,
    share: float,
    mirrored: bool = False,
) -> float:
    """Look at a quad again, from nearer by or farther off.

    Args:
        detector: of image squares of `side_px`, as exported.
        side_px: side of its input.
        iou_threshold: of its NMS.
        image: (H, W, 3) RGB uint8.
        quad_px: (4, 2) in pixels of the image.
        share: of the view's side that the quad's longer extent takes.
        mirrored: whether the detector sees the mirror image of the view, too.

    Returns:
        The best score of a box like the quad's, less where it is less like it, in [0, 1]; 0
        without one. Of two images the scores are joined.
    """
    size_px = (image.shape[1], image.shape[0])
    extent_px = np.stack([quad_px.min(axis=0), quad_px.max(axis=0)])
    extent_xyxy = quads.to_relative(extent_px, size_px).ravel()
    margin = (1 / share - 1) / 2
    view_from_image = crops.crop_from_image(extent_xyxy, size_px, side_px, margin)
    view = crops.warp(image, view_from_image, (side_px, side_px))
    seen_px = crops.transform(extent_px, view_from_image)
    expected_xyxy = quads.to_relative(seen_px, (side_px, side_px)).reshape(1, 4)
    seen = [(view, expected_xyxy)]
    if mirrored:
        seen.append((mirror_image(view), mirror_boxes(expected_xyxy)))
    return joint_score(np.array([_best(detector(v), e, iou_threshold) for v, e in seen]))


def _best(rows: dict[str, np.ndarray], expected_xyxy: np.ndarray, iou_threshold: float) -> float:
    found_xyxy, scores = select(
        rows["coordinates"], rows["confidence"], MIN_SCORE, iou_threshold, MAX_BOXES
    )
    ious = boxes.iou_matrix(found_xyxy, expected_xyxy)[:, 0]
    return float((scores * np.interp(ious, NEAR_IOU, (0, 1))).max(initial=0.0))


def mirror_image(image: np.ndarray) -> np.ndarray:
    """Mirror an image (H, W, C), left for right."""
    return np.ascontiguousarray(image[:, ::-1])


def mirror_boxes(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Mirror boxes (N, 4), relative, with their image."""
    left, top, right, bottom = boxes_xyxy.T
    return np.stack([1 - right, top, 1 - left, bottom], axis=-1)
