"""A frame with what was found in it: boxes, quads, track ids, speed."""

from collections.abc import Sequence

import cv2
import numpy as np

from meishi.capture.card import CapturedCard
from meishi.geometry import quads
from meishi.pictures.overlay import BOX, FOUND, draw_quad, draw_text
from meishi.preview.tracking import TrackedCard

GUESS = (150, 150, 150)  # colour of a card that is missed for the moment
READABLE_PX = 900  # longer side at which the text has its natural size
MIN_SCALE = 0.6


def drawn(
    image: np.ndarray, found: Sequence[CapturedCard], cards: Sequence[TrackedCard], fps: float
) -> np.ndarray:
    """Draw boxes as detected, quads as followed with their ids, and the speed.

    Args:
        image: (H, W, 3) RGB uint8; not changed.
        found: by the models in this frame.
        cards: of the tracker.
        fps: frames a second, measured on this host.

    Returns:
        (H, W, 3) RGB uint8.
    """
    canvas = image.copy()
    size_px = (image.shape[1], image.shape[0])
    width_px = max(1, round(max(size_px) / 500))
    for card in found:
        low, high = quads.to_px(np.array(card.box_xyxy).reshape(2, 2), size_px).round().astype(int)
        cv2.rectangle(canvas, low.tolist(), high.tolist(), BOX, 1)
    for tracked in cards:
        draw_quad(canvas, tracked.quad_px, FOUND if tracked.seen else GUESS, width_px)
    for tracked in cards:
        text = f"{tracked.track_id}: {tracked.score:.2f}" if tracked.seen else f"{tracked.track_id}"
        _label(canvas, text, tracked.quad_px.mean(axis=0))
    _label(canvas, f"{fps:.1f} fps on this host", np.zeros(2))
    return canvas


def _label(canvas: np.ndarray, text: str, place_px: np.ndarray) -> None:
    scale = max(MIN_SCALE, max(canvas.shape[:2]) / READABLE_PX)
    draw_text(canvas, text, place_px, scale)
