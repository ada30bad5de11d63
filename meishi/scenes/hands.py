"""Fingers: behind a card that is held, and over its edges."""

import cv2
import numpy as np

from meishi.scenes.canvas import Canvas
from meishi.scenes.placement import Placed

SKINS = np.array(
    [[236, 188, 160], [222, 170, 140], [198, 140, 105], [150, 100, 72], [96, 62, 45]], np.float64
)


def hold(rng: np.random.Generator, canvas: Canvas, card: Placed, beneath: bool) -> None:
    """Put fingers behind the card, or a thumb over one of its edges."""
    skin = SKINS[int(rng.integers(len(SKINS)))] * rng.uniform(0.85, 1.1)
    edge = int(rng.integers(4))
    first, second = card.corners_mm[edge], card.corners_mm[(edge + 1) % 4]
    inwards = np.array([first[1] - second[1], second[0] - first[0]]) / np.linalg.norm(
        second - first
    )
    count = int(rng.integers(2, 5)) if beneath else int(rng.integers(1, 3))
    for _ in range(count):
        along = first + (second - first) * rng.uniform(0.05, 0.95)
        depth = rng.uniform(20, 60) if beneath else rng.uniform(4, 20)
        turn = rng.normal(0, 0.3)
        direction = (
            np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ inwards
        )
        finger(canvas, rng, along + direction * depth, direction, rng.uniform(13, 22), skin)


def finger(
    canvas: Canvas, rng: np.random.Generator, tip_mm, direction, width_mm: float, skin
) -> None:
    """Lay a finger or thumb whose tip is at `tip_mm`, coming from against `direction`."""
    length = 90.0
    across = np.array([-direction[1], direction[0]])
    start = np.asarray(tip_mm) - direction * length
    corners = np.array([start - across * width_mm / 2, np.asarray(tip_mm) - across * width_mm / 2])
    corners = np.array([*corners, tip_mm + across * width_mm / 2, start + across * width_mm / 2])
    shade = 0.72 + 0.28 * np.sin(np.linspace(0.25, np.pi - 0.25, 64))[:, None, None]
    texture = np.clip(
        shade * skin * np.ones((64, 320, 3)) + rng.normal(0, 3, (64, 320, 1)), 0, 255
    ).astype(np.uint8)
    alpha = np.zeros((64, 320), np.uint8)
    cv2.rectangle(alpha, (0, 0), (288, 63), 255, -1)
    cv2.circle(alpha, (287, 32), 32, 255, -1)
    if rng.random() < 0.5:
        nail = tuple(int(v) for v in np.clip(skin * 1.08 + 12, 0, 255))
        cv2.ellipse(texture, (294, 32), (22, 17), 0, 0, 360, nail, -1, cv2.LINE_AA)
    canvas.flat(corners, cv2.GaussianBlur(texture, (0, 0), 2), alpha, height_mm=3.0, shadow=0.45)
