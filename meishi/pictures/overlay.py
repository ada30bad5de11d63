"""Drawing what was found over a photo, for people to look at."""

import cv2
import numpy as np

from meishi.geometry import quads

FOUND, TRUTH, BOX = (255, 40, 200), (60, 220, 60), (255, 180, 0)
FONT = cv2.FONT_HERSHEY_SIMPLEX
MAX_SIDE_PX = 1280  # of a photo's overlay


def draw_quad(
    image: np.ndarray, quad_px: np.ndarray, colour: tuple[int, int, int], width_px: int
) -> None:
    """Outline a quad on an RGB image, in place; a dot marks the first corner."""
    points = np.round(quad_px * 16).astype(np.int32)
    cv2.polylines(image, [points], True, colour, width_px, cv2.LINE_AA, shift=4)
    first = tuple(int(v) for v in np.round(quad_px[0]))
    cv2.circle(image, first, 3 * width_px, colour, -1, cv2.LINE_AA)


def draw_text(image: np.ndarray, text: str, place_px: np.ndarray, scale: float) -> None:
    """Write white text on a dark box that begins at a place and stays in the picture; in place."""
    height, width = image.shape[:2]
    (across, up), below = cv2.getTextSize(text, FONT, 0.6 * scale, 1)
    size = np.array([across + 6, up + below + 6])
    left, top = np.clip(place_px, 0, np.maximum([width, height] - size, 0)).astype(int).tolist()
    right, bottom = left + int(size[0]), top + int(size[1])
    cv2.rectangle(image, (left, top), (right, bottom), (30, 30, 30), -1)
    place = (left + 3, top + 3 + up)
    cv2.putText(image, text, place, FONT, 0.6 * scale, (255, 255, 255), 1, cv2.LINE_AA)


def capture_overlay(
    image: np.ndarray, cards: list, truths: list[np.ndarray] | None = None
) -> np.ndarray:
    """Draw captured cards, and the true quads if they are known.

    Args:
        image: (H, W, 3) RGB uint8.
        cards: with `quad_px`, `confidence` (see `capture.flow.CapturedCard`).
        truths: quads in pixels of the image.

    Returns:
        RGB uint8 overlay, shrunk to MAX_SIDE_PX.
    """
    ratio = min(1.0, MAX_SIDE_PX / max(image.shape[:2]))
    size_px = (max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio)))
    canvas = cv2.resize(image, size_px, interpolation=cv2.INTER_AREA)
    width_px = max(1, round(max(size_px) / 500))
    whole = (image.shape[1], image.shape[0])

    def moved(quad_px):
        return quads.to_px(quads.to_relative(quad_px, whole), size_px)

    for quad_px in truths or []:
        draw_quad(canvas, moved(quad_px), TRUTH, width_px)
    for card in cards:
        quad_px = moved(card.quad_px)
        draw_quad(canvas, quad_px, FOUND, width_px)
        draw_text(canvas, f"{card.confidence:.2f}", quad_px.mean(axis=0), max(size_px) / 900)
    return canvas
