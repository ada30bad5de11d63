"""Draw docs/flow.jpg, the README's picture: photo, boxes, masks, quads, cards.

usage: python docs/make_flow.py PHOTO [OUT]     (from the repository's root, models restored)
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from meishi.capture.flow import CardCapture
from meishi.errors import clean_exit
from meishi.geometry import crops, quads
from meishi.geometry.homography import rectify
from meishi.litert.running import load_capture
from meishi.pictures import images
from meishi.pictures.overlay import BOX, capture_overlay

HEIGHT_PX, GAP_PX = 240, 8


def boxes_panel(capture: CardCapture, image: np.ndarray) -> np.ndarray:
    """Draw the detector's boxes."""
    panel, size_px = image.copy(), (image.shape[1], image.shape[0])
    for box_xyxy in capture.detect(image)[0]:
        corners_px = quads.to_px(box_xyxy.reshape(2, 2), size_px)
        (left, top), (right, bottom) = np.round(corners_px).astype(int).tolist()
        cv2.rectangle(panel, (left, top), (right, bottom), BOX, 3)
    return panel


def masks_panel(capture: CardCapture, image: np.ndarray) -> np.ndarray:
    """Tint what the segmenter marks."""
    panel = image.astype(np.float32)
    for box_xyxy in capture.detect(image)[0]:
        mask, image_from_crop = capture.segment(image, box_xyxy)
        scale = capture.segmenter_px / mask.shape[0]
        crop_from_mask = crops.scaling(np.array([scale, scale]))
        size = (image.shape[1], image.shape[0])
        soft = cv2.warpPerspective(mask, image_from_crop @ crop_from_mask, size)[..., None]
        panel += 0.55 * soft * (np.float32([60, 140, 255]) - panel)
    return panel.astype(np.uint8)


def cards_panel(capture: CardCapture, image: np.ndarray) -> np.ndarray:
    """Lay the rectified cards below each other."""
    cards = [rectify(image, card.quad_px) for card in capture(image)]
    height = (HEIGHT_PX - GAP_PX * (len(cards) - 1)) // len(cards)
    fitted = [
        cv2.resize(
            c, (round(c.shape[1] * height / c.shape[0]), height), interpolation=cv2.INTER_AREA
        )
        for c in cards
    ]
    width = max(card.shape[1] for card in fitted)
    column = np.full((HEIGHT_PX, width, 3), 255, np.uint8)
    for number, card in enumerate(fitted):
        top = number * (height + GAP_PX)
        column[top : top + height, : card.shape[1]] = card
    return column


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("docs/flow.jpg"))
    given = parser.parse_args()
    image = images.decode(given.photo)
    capture = load_capture(Path("models"))
    panels = [image, boxes_panel(capture, image), masks_panel(capture, image)]
    panels.append(capture_overlay(image, capture(image)))
    size = (round(image.shape[1] * HEIGHT_PX / image.shape[0]), HEIGHT_PX)
    row = [cv2.resize(panel, size, interpolation=cv2.INTER_AREA) for panel in panels]
    row.append(cards_panel(capture, image))
    gap = np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    joined = np.hstack([part for panel in row for part in (panel, gap)][:-1])
    given.out.write_bytes(images.encode(joined, ".jpg", 88))


if __name__ == "__main__":
    with clean_exit():
        main()
