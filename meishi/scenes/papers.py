"""Printed and empty paper that is no card: sheets, books, notes, envelopes, words on the desk."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from meishi.scenes.canvas import Ground, rectangle
from meishi.scenes.pen import font
from meishi.scenes.surfaces import mottled, random_colour


def lines_of_print(rng: np.random.Generator, width: int, height: int, ground) -> np.ndarray:
    """Print a page: heading, paragraphs, a picture now and then; RGB (height, width, 3)."""
    page = np.full((height, width, 3), ground, np.uint8)
    ink = tuple(
        int(v)
        for v in (rng.uniform(0, 90, 3) if np.mean(ground) > 110 else rng.uniform(180, 255, 3))
    )
    margin, y = int(width * rng.uniform(0.06, 0.14)), int(height * 0.08)
    step = int(rng.integers(10, 22))
    while y < height * 0.93:
        if rng.random() < 0.12:
            y += step * int(rng.integers(1, 4))
        stop = width - margin - int(rng.uniform(0, width * 0.3) * (rng.random() < 0.3))
        x = margin
        while x < stop:
            word = int(rng.integers(step, step * 5))
            cv2.rectangle(page, (x, y), (min(x + word, stop), y + max(1, step // 3)), ink, -1)
            x += word + step // 2
        y += step
    if rng.random() < 0.35:
        top, side = int(rng.uniform(0.1, 0.6) * height), int(width * rng.uniform(0.3, 0.8))
        patch = cv2.resize(mottled(rng), (side, int(side * 0.6)))
        patch = patch[: max(0, height - top)]
        page[top : top + patch.shape[0], margin : margin + side] = patch[
            :, : max(0, width - margin)
        ]
    return page


def sheet(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a printed page, larger than any card, usually cut by the frame."""
    width = rng.uniform(148, 297)
    ground = (
        rng.uniform(225, 255) + rng.normal(0, 3, 3) if rng.random() < 0.8 else random_colour(rng)
    )
    page = lines_of_print(rng, 420, 594, np.clip(ground, 0, 255))
    place = np.asarray(place_mm) + rng.normal(0, width * 0.4, 2)
    canvas.flat(
        rectangle(place, (width, width * 1.414), rng.uniform(0, 2 * np.pi)), page, shadow=0.25
    )


def book(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Stand a thick book, brochure or parcel with print on its top."""
    width = rng.uniform(100, 210)
    cover = lines_of_print(rng, 300, 420, random_colour(rng))
    base = rectangle(place_mm, (width, width * rng.uniform(1.3, 1.5)), rng.uniform(0, 2 * np.pi))
    canvas.cuboid(base, rng.uniform(8, 35), cover, (235, 230, 215))


def note(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a square sticky note, a strip of paper or an empty envelope."""
    kind = int(rng.integers(3))
    size = [
        (76, 76),
        (rng.uniform(90, 200), rng.uniform(8, 30)),
        (220, 110 * rng.uniform(0.6, 0.85)),
    ][kind]
    colour = rng.uniform(150, 255, 3) if kind == 0 else rng.uniform(205, 250) + rng.normal(0, 6, 3)
    texture = np.full((120, 120, 3), np.clip(colour, 0, 255), np.uint8)
    if kind == 2:
        cv2.line(
            texture, (0, 0), (60, 66), tuple(int(v * 0.85) for v in texture[0, 0]), 1, cv2.LINE_AA
        )
        cv2.line(
            texture, (120, 0), (60, 66), tuple(int(v * 0.85) for v in texture[0, 0]), 1, cv2.LINE_AA
        )
    canvas.flat(
        rectangle(place_mm, size, rng.uniform(0, 2 * np.pi)),
        texture,
        height_mm=rng.uniform(0.2, 2),
        shadow=0.4,
    )


def sign(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Print large letters on the desk itself: text without a card around it."""
    texture, alpha = np.zeros((120, 400, 3), np.uint8), np.zeros((120, 400), np.uint8)
    picture = Image.fromarray(alpha)
    words = (
        "".join(chr(int(c)) for c in rng.integers(0x30A2, 0x30F3, 7))
        if rng.random() < 0.5
        else "MENU 24h"
    )
    ImageDraw.Draw(picture).text((8, 14), words, fill=230, font=font(0, 52))
    texture[:] = random_colour(rng)
    corners = rectangle(
        place_mm, (rng.uniform(60, 260), rng.uniform(20, 70)), rng.uniform(0, 2 * np.pi)
    )
    canvas.flat(corners, texture, np.asarray(picture), shadow=0.0)
