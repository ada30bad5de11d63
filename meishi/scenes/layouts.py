"""Card layouts: business cards, adverts, identity, bank and trading cards."""

from datetime import datetime

import numpy as np
from PIL import Image

from meishi.scenes.pen import Pen
from meishi.scenes.surfaces import random_colour

LATEST = datetime(2026, 1, 1)  # of dates; Faker's own is now, and a scene depends on no clock


def business(pen: Pen) -> None:
    """Lay out name, title, company and contact, horizontally or in Japanese columns."""
    if pen.rng.random() < 0.5:
        pen.panel()
    wide, tall = pen.width / pen.unit, pen.height / pen.unit
    if pen.words.locales[0] == "ja_JP" and pen.height > pen.width:
        pen.column(wide * 0.7, 0.15, pen.words.company()[:12], 0.08)
        pen.column(wide * 0.42, 0.3, pen.words.name(), 0.13)
        pen.column(wide * 0.15, 0.2, pen.words.address()[:18], 0.05)
        return
    x, y = pen.rng.uniform(0.06, 0.35), pen.rng.uniform(0.06, 0.25)
    if pen.rng.random() < 0.7:
        pen.logo(
            pen.rng.uniform(0.05, wide - 0.4),
            pen.rng.uniform(0.05, tall - 0.4),
            pen.rng.uniform(0.15, 0.4),
        )
    y += pen.text(
        x, y, pen.words.company(), pen.rng.uniform(0.06, 0.1), bold=pen.rng.random() < 0.5
    )
    y += pen.text(x, y, pen.words.job()[:24], 0.045)
    y += pen.text(
        x,
        y + 0.03,
        pen.words.name(),
        pen.rng.uniform(0.09, 0.15),
        bold=pen.rng.random() < 0.5,
    )
    y = max(y, tall - 0.4)
    for line in pen.contact():
        y += pen.text(x, y, line, pen.rng.uniform(0.038, 0.055))
    if pen.rng.random() < 0.25:
        pen.code(wide - 0.36, tall - 0.36, 0.3)


def advert(pen: Pen) -> None:
    """Fill the card with a shop's large words, pictures and bands."""
    pen.panel()
    for _ in range(int(pen.rng.integers(1, 4))):
        w, h = (int(pen.rng.uniform(0.2, 0.5) * pen.unit) for _ in range(2))
        left = int(pen.rng.uniform(0, pen.width - w))
        top = int(pen.rng.uniform(0, pen.height - h))
        pen.canvas.paste(Image.fromarray(pen.picture(w, h)), (left, top))
    y = pen.rng.uniform(0.02, 0.15)
    for share in (0.16, 0.09, 0.07, 0.12, 0.06):
        colour = tuple(int(v) for v in random_colour(pen.rng))
        y += pen.text(
            pen.rng.uniform(0.03, 0.3), y, pen.words.company().upper(), share, True, colour
        )


def minimal(pen: Pen) -> None:
    """Leave the card nearly empty: one word or emblem."""
    wide, tall = pen.width / pen.unit, pen.height / pen.unit
    if pen.rng.random() < 0.4:
        pen.panel()
    if pen.rng.random() < 0.6:
        pen.logo(wide * 0.4, tall * 0.25, pen.rng.uniform(0.2, 0.45))
    pen.text(
        wide * pen.rng.uniform(0.08, 0.3),
        tall * pen.rng.uniform(0.4, 0.7),
        pen.words.company(),
        0.09,
    )


def identity(pen: Pen) -> None:
    """Lay out an identity card: portrait, title bar, pairs of label and value."""
    bar = tuple(int(v) for v in random_colour(pen.rng))
    pen.draw.rectangle([0, 0, pen.width, pen.height * 0.16], fill=bar)
    pen.text(
        0.06,
        0.03,
        pen.words.country().upper()[:24],
        0.08,
        True,
        pen.contrasting(np.array(bar)),
    )
    w, h = int(0.42 * pen.unit), int(0.55 * pen.unit)
    left = 0.06 if pen.rng.random() < 0.7 else pen.width / pen.unit - 0.5
    pen.canvas.paste(
        Image.fromarray(pen.picture(w, h)), (int(left * pen.unit), int(0.26 * pen.unit))
    )
    x, y = (0.56 if left < 0.5 else 0.06), 0.24
    for value in (
        pen.words.last_name(),
        pen.words.first_name(),
        pen.words.date(end_datetime=LATEST),
        pen.words.city(),
    ):
        y += pen.text(x, y, value.upper(), 0.065, True) + pen.text(x, y + 0.08, "──── ───", 0.03)
    pen.text(
        0.06,
        pen.height / pen.unit - 0.13,
        f"ID<<{pen.rng.integers(10**9, 10**10)}<<<<",
        0.07,
    )


def bank(pen: Pen) -> None:
    """Lay out a bank card: chip, number, name."""
    tall = pen.height / pen.unit
    pen.draw.rounded_rectangle(
        [0.12 * pen.unit, 0.36 * pen.unit, 0.3 * pen.unit, 0.5 * pen.unit],
        8,
        (205, 175, 90),
    )
    digits = " ".join(f"{pen.rng.integers(0, 10**4):04d}" for _ in range(4))
    pen.text(0.12, tall * 0.58, digits, 0.11)
    pen.text(0.12, tall * 0.8, pen.words.name().upper(), 0.075)
    pen.text(0.12, 0.08, pen.words.company(), 0.09, True)


def trading(pen: Pen) -> None:
    """Lay out a playing or trading card: thick border, picture window, box of text."""
    border = int(pen.rng.uniform(0.03, 0.08) * pen.unit)
    edge = pen.rng.choice([8, 30, 235]) + pen.rng.normal(0, 5, 3)
    pen.draw.rectangle(
        [0, 0, pen.width, pen.height], fill=tuple(int(v) for v in np.clip(edge, 0, 255))
    )
    inner = Image.fromarray(pen.picture(pen.width - 2 * border, pen.height - 2 * border))
    pen.canvas.paste(inner, (border, border))
    pad, top = int(border * 1.8), int(pen.height * 0.12)
    window = (pen.width - 2 * pad, int(pen.height * 0.42))
    pen.canvas.paste(Image.fromarray(pen.picture(*window)), (pad, top))
    box = [pad, int(pen.height * 0.6), pen.width - pad, int(pen.height * 0.93)]
    pen.draw.rectangle(box, fill=tuple(int(v) for v in pen.rng.uniform(180, 250, 3)))
    pen.ink, y = (25, 25, 25), pen.height / pen.unit * 0.61
    for line in pen.contact():
        y += pen.text(pad / pen.unit + 0.02, y, line, 0.05)
