"""Things that are no cards: blocks, phones, keyboards, frames, pens; with papers.py, all clutter.

Each function draws one thing on a canvas at a place on the desk. Many are rectangles on purpose:
what separates a card from them is proportion, thickness and print.
"""

import cv2
import numpy as np

from meishi.scenes.canvas import Ground, rectangle, rounded_alpha
from meishi.scenes.papers import book, note, sheet, sign
from meishi.scenes.surfaces import plain, random_colour

WOOD = np.array(
    [[196, 154, 108], [222, 190, 150], [160, 110, 70], [238, 225, 200], [232, 232, 228]]
)


def block(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Stand a toy block or a small box."""
    long, short = rng.uniform(20, 90), rng.uniform(8, 26)
    colour = (
        WOOD[rng.integers(len(WOOD))] + rng.normal(0, 10, 3)
        if rng.random() < 0.7
        else random_colour(rng)
    )
    top = np.clip(colour + rng.normal(0, 5, (24, 64, 1)), 0, 255).astype(np.uint8)
    base = rectangle(place_mm, (long, short), rng.uniform(0, np.pi))
    canvas.cuboid(base, rng.uniform(6, 24), top, colour)


def blocks(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Scatter many equal blocks."""
    long, short, height = rng.uniform(18, 70), rng.uniform(7, 20), rng.uniform(5, 18)
    colour = WOOD[rng.integers(len(WOOD))] + rng.normal(0, 12, 3)
    reach = long * rng.uniform(1.5, 5)
    for _ in range(int(rng.integers(3, 18))):
        base = rectangle(
            np.asarray(place_mm) + rng.uniform(-reach, reach, 2),
            (long, short),
            rng.uniform(0, np.pi),
        )
        tint = np.clip(colour * rng.uniform(0.85, 1.1), 0, 255)
        top = np.clip(tint + rng.normal(0, 4, (16, 48, 1)), 0, 255).astype(np.uint8)
        canvas.cuboid(base, height, top, tint)


def phone(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a phone or tablet: dark glass, or a screen with icons."""
    width = rng.uniform(62, 80) if rng.random() < 0.8 else rng.uniform(130, 170)
    size = (width, width * rng.uniform(1.9, 2.2) if width < 100 else width * 1.4)
    texture = np.full((440, 220, 3), rng.uniform(8, 40), np.uint8)
    if rng.random() < 0.5:
        texture[18:-18, 8:-8] = cv2.resize(plain(rng), (204, 404))
        for x in range(24, 190, 46):
            for y in range(40, int(rng.integers(80, 400)), 50):
                colour = tuple(int(v) for v in random_colour(rng))
                cv2.rectangle(texture, (x, y), (x + 30, y + 30), colour, -1)
    alpha = rounded_alpha((220, 440), rng.uniform(15, 34))
    base = rectangle(place_mm, size, rng.uniform(0, 2 * np.pi))
    canvas.flat(base, texture, alpha, height_mm=rng.uniform(5, 9), shadow=0.6)


def keyboard(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a keyboard or a remote: a grid of small rectangles."""
    rows, columns = (
        (5, int(rng.integers(12, 18))) if rng.random() < 0.6 else (int(rng.integers(6, 11)), 3)
    )
    ground, key = random_colour(rng) * 0.5, random_colour(rng)
    texture = np.full((rows * 40 + 20, columns * 40 + 20, 3), ground, np.uint8)
    for row in range(rows):
        for column in range(columns):
            x, y = column * 40 + 13, row * 40 + 13
            cv2.rectangle(texture, (x, y), (x + 32, y + 32), tuple(int(v) for v in key), -1)
            letter = chr(int(rng.integers(65, 91)))
            cv2.putText(
                texture,
                letter,
                (x + 8, y + 22),
                0,
                0.5,
                tuple(int(255 - v) for v in key),
                1,
                cv2.LINE_AA,
            )
    size = (columns * 19.0, rows * 19.0)
    canvas.flat(
        rectangle(place_mm, size, rng.uniform(0, np.pi)), texture, height_mm=rng.uniform(4, 15)
    )


def pen(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a pen, cable-straight tool or ruler."""
    size = (
        (rng.uniform(110, 160), rng.uniform(6, 12))
        if rng.random() < 0.8
        else (rng.uniform(150, 310), 30)
    )
    shade = np.sin(np.linspace(0.3, np.pi - 0.3, 12))[:, None, None]
    texture = np.clip(shade * random_colour(rng) * np.ones((12, 120, 3)), 0, 255).astype(np.uint8)
    texture[:, : int(rng.integers(5, 40))] = np.clip(random_colour(rng), 0, 255)
    canvas.flat(
        rectangle(place_mm, size, rng.uniform(0, 2 * np.pi)), texture, height_mm=5.0, shadow=0.6
    )


def frame(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay an empty frame, tray or window: a rectangle with a border only."""
    width = rng.uniform(90, 280)
    size = (width, width * rng.uniform(0.6, 0.8))
    alpha = np.full((150, 200), 255, np.uint8)
    border = int(rng.integers(4, 18))
    alpha[border:-border, border:-border] = int(rng.choice([0, 0, 90, 255]))
    texture = np.full((150, 200, 3), random_colour(rng), np.uint8)
    texture[border:-border, border:-border] = texture[0, 0] * rng.uniform(0.6, 0.95)
    canvas.flat(
        rectangle(place_mm, size, rng.uniform(0, np.pi)),
        texture,
        alpha,
        height_mm=rng.uniform(2, 12),
        shadow=0.2,
    )


def disc(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Lay a cup, coin, lid or plate from above: concentric discs."""
    diameter = rng.uniform(20, 110)
    texture, alpha = np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128), np.uint8)
    cv2.circle(alpha, (64, 64), 63, 255, -1, cv2.LINE_AA)
    for radius in (64, int(rng.integers(45, 60)), int(rng.integers(20, 45))):
        cv2.circle(
            texture, (64, 64), radius, tuple(int(v) for v in random_colour(rng)), -1, cv2.LINE_AA
        )
    height = rng.uniform(2, 40)
    canvas.flat(
        rectangle(place_mm, (diameter, diameter), 0.0), texture, alpha, height_mm=height, shadow=0.5
    )


def badge(canvas: Ground, rng: np.random.Generator, place_mm) -> None:
    """Stand a printed box, eraser, drive or charger: print on something too thick for a card."""
    size = (rng.uniform(25, 100), rng.uniform(15, 50))
    ground = random_colour(rng)
    texture = np.full((100, 200, 3), ground, np.uint8)
    colour = tuple(int(v) for v in random_colour(rng))
    cv2.putText(
        texture,
        str(rng.integers(10, 10**6)),
        (14, 62),
        int(rng.integers(5)),
        1.4,
        colour,
        3,
        cv2.LINE_AA,
    )
    base = rectangle(place_mm, size, rng.uniform(0, 2 * np.pi))
    canvas.cuboid(base, rng.uniform(8, 30), texture, ground)


THINGS = {
    "block": (block, 0.12),
    "blocks": (blocks, 0.14),
    "phone": (phone, 0.12),
    "keyboard": (keyboard, 0.08),
    "sheet": (sheet, 0.06),
    "book": (book, 0.10),
    "note": (note, 0.10),
    "pen": (pen, 0.08),
    "frame": (frame, 0.07),
    "disc": (disc, 0.05),
    "badge": (badge, 0.06),
    "sign": (sign, 0.02),
}
