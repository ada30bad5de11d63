"""Things in a scene that look like cards: what has an outline of a card's size and is as full.

The detector proposes books, blocks, tiles and phones; a random box hardly ever frames one of them.
Crops round these outlines are what the segmenter must learn to refuse. Nothing says what they are:
only that no labelled card is there.
"""

import cv2
import numpy as np

from meishi.geometry import boxes

SEARCH_PX = 320  # longer side of the picture that outlines are searched in
BLUR_SIGMA_PX = 1.2
EDGE_LOW, EDGE_HIGH = 20, 60  # Canny's thresholds: faint outlines count too
MIN_FULL = 0.75  # of the smallest rectangle round an outline, what its hull fills
SAME_THING_IOU = 0.7
MOST = 24  # the fullest ones


def outlined_boxes(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Find boxes round outlines that fill a rectangle.

    Args:
        image: (H, W, 3) RGB uint8.
        low: least longer side of the rectangle, of the image's; the shorter may be half of it.
        high: greatest longer side.

    Returns:
        boxes_xyxy (N, 4) relative, at most `MOST`, the fullest first.
    """
    scale = SEARCH_PX / max(image.shape[:2])
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edges = cv2.Canny(cv2.GaussianBlur(grey, (0, 0), BLUR_SIGMA_PX), EDGE_LOW, EDGE_HIGH)
    closed = cv2.dilate(edges, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found, full = [], []
    for contour in contours:
        sides = np.array(cv2.minAreaRect(contour)[1])
        if sides.min() < low * SEARCH_PX / 2 or not low <= sides.max() / SEARCH_PX <= high:
            continue
        full.append(cv2.contourArea(cv2.convexHull(contour)) / sides.prod())
        x, y, width, height = cv2.boundingRect(contour)
        found.append(np.array([x, y, x + width, y + height]) / np.tile(grey.shape[::-1], 2))
    return _fullest(boxes.as_rows(np.array(found)), np.array(full))


def _fullest(found_xyxy: np.ndarray, full: np.ndarray) -> np.ndarray:
    kept = full >= MIN_FULL
    found_xyxy, full = found_xyxy[kept], full[kept]
    return found_xyxy[boxes.nms(found_xyxy, full, SAME_THING_IOU, MOST)]
