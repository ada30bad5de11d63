"""Card artwork: flat RGB pictures of cards with Japanese and Latin text.

A design is drawn once at PX_PER_MM and used in many scenes. Formats are ISO and national ones in
millimetres: Japanese 91x55, European 85x55, US 89x51, ID-1 85.6x54, trading 63x88, square, slim.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pylopdf_fonts_jp
from faker import Faker
from PIL import Image, ImageDraw, ImageFont

from meishi.scenes.surfaces import noise, random_colour

PX_PER_MM = 8
FORMATS_MM = {  # name: (long side, short side, share of the designs)
    "jp": (91.0, 55.0, 0.34),
    "eu": (85.0, 55.0, 0.20),
    "us": (89.0, 51.0, 0.20),
    "id1": (85.6, 54.0, 0.12),
    "trading": (88.0, 63.0, 0.08),
    "slim": (85.0, 42.0, 0.03),
    "square": (65.0, 65.0, 0.03),
}
LOCALES = ("ja_JP", "en_US", "de_DE", "fr_FR", "pt_BR", "zh_TW")
FONT_FILES = ("NotoSansJP-Regular.otf", "NotoSerifJP-Regular.otf")


@dataclass(frozen=True)
class Design:
    """A flat card.

    Attributes:
        name: unique id, the unit that is never on two sides of the split.
        image: RGB uint8 (H, W, 3) at PX_PER_MM.
        size_mm: (width, height).
        radius_mm: radius of the rounded corners, 0 for cut ones.
        glossy: whether light mirrors in it.
    """

    name: str
    image: np.ndarray
    size_mm: tuple[float, float]
    radius_mm: float
    glossy: bool


@lru_cache(maxsize=256)
def font(index: int, size_px: int) -> ImageFont.FreeTypeFont:
    """Load one of the Noto JP fonts (OFL-1.1)."""
    folder = pylopdf_fonts_jp.__path__[0]
    return ImageFont.truetype(f"{folder}/{FONT_FILES[index]}", size_px)


@lru_cache(maxsize=len(LOCALES))
def faker(locale: str) -> Faker:
    """Make one Faker per locale; `draw_design` seeds it."""
    return Faker(locale)


def draw_design(name: str, rng: np.random.Generator, pictures: list[np.ndarray]) -> Design:
    """Draw a card. `pictures` (RGB) serve as photographs on it."""
    formats = list(FORMATS_MM)
    chosen = formats[rng.choice(len(formats), p=[FORMATS_MM[f][2] for f in formats])]
    long_mm, short_mm, _ = FORMATS_MM[chosen]
    upright = chosen == "trading" or rng.random() < 0.15
    size_mm = (short_mm, long_mm) if upright else (long_mm, short_mm)
    pen = Pen(rng, size_mm, pictures)
    pen.ground()
    layouts = {"id1": [pen.identity, pen.bank, pen.business], "trading": [pen.trading]}
    layout = layouts.get(chosen, [pen.business, pen.business, pen.advert, pen.minimal])
    layout[int(rng.integers(len(layout)))]()
    if rng.random() < 0.08:
        pen.frame()
    rounded = chosen in ("id1", "trading") or rng.random() < 0.2
    radius_mm = float(rng.uniform(2, 5)) if rounded else 0.0
    return Design(name, pen.image(), size_mm, radius_mm, bool(rng.random() < 0.35))


class Pen:
    """Draws on one card; lengths are shares of the card's height unless they end in _px."""

    def __init__(self, rng: np.random.Generator, size_mm: tuple[float, float], pictures: list):
        """Take an empty card of the given (width, height) and photographs to draw from."""
        self.rng, self.pictures = rng, pictures
        self.width, self.height = (int(side * PX_PER_MM) for side in size_mm)
        self.unit = min(self.width, self.height)
        self.canvas = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.canvas)
        locale = str(rng.choice(LOCALES, p=[0.4, 0.3, 0.08, 0.07, 0.08, 0.07]))
        self.words = faker(locale)
        self.words.seed_instance(int(rng.integers(2**31)))
        self.face = int(rng.integers(len(FONT_FILES)))
        self.ink = (20, 20, 20)

    def image(self) -> np.ndarray:
        """Return the picture as RGB uint8."""
        return np.asarray(self.canvas).copy()

    def ground(self) -> None:
        """Fill the card: white, tinted, dark, gradient, pattern or a photograph."""
        kind = self.rng.choice(
            ["white", "tint", "dark", "colour", "gradient", "pattern", "photo"],
            p=[0.36, 0.10, 0.12, 0.12, 0.10, 0.10, 0.10],
        )
        colour = {
            "white": self.rng.uniform(232, 255) + self.rng.normal(0, 2, 3),
            "tint": self.rng.uniform(215, 255, 3),
            "dark": self.rng.uniform(5, 60, 3),
        }.get(str(kind), random_colour(self.rng))
        array = np.full((self.height, self.width, 3), np.clip(colour, 0, 255), np.uint8)
        if kind in ("gradient", "pattern"):
            array = self._gradient(colour) if kind == "gradient" else self._pattern(colour)
        if kind == "photo":
            array = self.picture(self.width, self.height)
        self.canvas.paste(Image.fromarray(array))
        self.ink = self._contrasting(array.mean(axis=(0, 1)))

    def _gradient(self, colour: np.ndarray) -> np.ndarray:
        """Blend towards a second colour along a random direction."""
        angle = self.rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[: self.height, : self.width] / self.unit
        field = x * np.cos(angle) + y * np.sin(angle)
        field = (field - field.min()) / np.ptp(field)
        return (colour + field[..., None] * (random_colour(self.rng) - colour)).astype(np.uint8)

    def _pattern(self, colour: np.ndarray) -> np.ndarray:
        """Cover the ground with clouds or repeated marks of a second colour."""
        field = noise(self.rng, int(self.rng.integers(2, 12)), 4, 256)
        if self.rng.random() < 0.5:
            field = (field > self.rng.uniform(0.35, 0.65)).astype(np.float32)
        field = cv2.resize(field, (self.width, self.height))[..., None]
        return (colour + field * (random_colour(self.rng) - colour)).astype(np.uint8)

    def _contrasting(self, ground: np.ndarray) -> tuple[int, int, int]:
        """Choose an ink that reads on the ground."""
        dark = ground.mean() > 125
        base = self.rng.uniform(0, 70, 3) if dark else self.rng.uniform(190, 255, 3)
        return tuple(int(v) for v in base)

    def picture(self, width: int, height: int) -> np.ndarray:
        """Cut a (height, width) photograph: a given picture or painted clouds."""
        if self.pictures and self.rng.random() < 0.75:
            source = self.pictures[int(self.rng.integers(len(self.pictures)))]
            scale = self.rng.uniform(0.4, 1.0)
            side = int(min(source.shape[:2]) * scale)
            top, left = (int(self.rng.integers(0, n - side + 1)) for n in source.shape[:2])
            source = source[top : top + side, left : left + side]
            if self.rng.random() < 0.3:
                source = source[..., self.rng.permutation(3)]
        else:
            field = noise(self.rng, int(self.rng.integers(1, 6)), 5, 256)[..., None]
            source = (
                random_colour(self.rng) * field + random_colour(self.rng) * (1 - field)
            ).astype(np.uint8)
        ratio = max(width / source.shape[1], height / source.shape[0])
        size = (
            max(width, round(source.shape[1] * ratio)),
            max(height, round(source.shape[0] * ratio)),
        )
        return cv2.resize(source, size, interpolation=cv2.INTER_LINEAR)[:height, :width]

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        bold: bool = False,
        colour=None,
        right=False,
    ):
        """Write one line; x, y, size are shares of the shorter side; returns the height used."""
        face = font(self.face, max(8, int(size * self.unit)))
        position = (x * self.unit, y * self.unit)
        stroke = max(1, int(size * self.unit / 22)) if bold else 0
        self.draw.text(
            position,
            words,
            font=face,
            fill=colour or self.ink,
            stroke_width=stroke,
            anchor="ra" if right else "la",
        )
        return size * 1.45

    def column(self, x: float, y: float, words: str, size: float) -> None:
        """Write downwards, one character below the other, as vertical Japanese does."""
        for character in words:
            self.text(x, y, character, size)
            y += size * 1.1

    def contact(self) -> list[str]:
        """Make the small lines of a card: address, telephone, e-mail."""
        words = self.words
        lines = [words.address().replace("\n", " ")[:34], f"TEL {words.phone_number()}"]
        lines += [words.email(), f"www.{words.domain_name()}", f"FAX {words.phone_number()}"]
        return lines[: int(self.rng.integers(2, 6))]

    def logo(self, x: float, y: float, size: float) -> None:
        """Draw an emblem of one to three shapes."""
        for _ in range(int(self.rng.integers(1, 4))):
            colour = tuple(int(v) for v in random_colour(self.rng))
            dx, dy = self.rng.uniform(0, size * 0.4, 2)
            box = [(x + dx) * self.unit, (y + dy) * self.unit]
            box += [(x + dx + size * 0.6) * self.unit, (y + dy + size * 0.6) * self.unit]
            shape = int(self.rng.integers(4))
            if shape == 0:
                self.draw.ellipse(box, fill=colour)
            elif shape == 1:
                self.draw.rectangle(box, fill=colour)
            elif shape == 2:
                self.draw.polygon(
                    [(box[0], box[3]), ((box[0] + box[2]) / 2, box[1]), (box[2], box[3])],
                    fill=colour,
                )
            else:
                self.draw.arc(box, 0, 300, fill=colour, width=max(3, int(size * self.unit / 9)))

    def code(self, x: float, y: float, size: float) -> None:
        """Draw a square code of random modules with three finder marks."""
        modules = self.rng.random((21, 21)) < 0.5
        for top, left in ((0, 0), (0, 14), (14, 0)):
            modules[top : top + 7, left : left + 7] = True
            modules[top + 1 : top + 6, left + 1 : left + 6] = False
            modules[top + 2 : top + 5, left + 2 : left + 5] = True
        side = int(size * self.unit)
        array = cv2.resize(
            np.where(modules, 0, 255).astype(np.uint8),
            (side, side),
            interpolation=cv2.INTER_NEAREST,
        )
        self.canvas.paste(
            Image.fromarray(array).convert("RGB"), (int(x * self.unit), int(y * self.unit))
        )

    def panel(self) -> None:
        """Lay a band, a half or a corner of another colour or a photograph over the card."""
        w, h, rng = self.width, self.height, self.rng
        share = rng.uniform(0.15, 0.5)
        boxes = [
            (0, 0, int(w * share), h),
            (int(w * (1 - share)), 0, w, h),
            (0, 0, w, int(h * share)),
        ]
        boxes += [(0, int(h * (1 - share)), w, h)]
        left, top, right, bottom = boxes[int(rng.integers(4))]
        if rng.random() < 0.35:
            patch = Image.fromarray(self.picture(right - left, bottom - top))
        else:
            patch = Image.new(
                "RGB", (right - left, bottom - top), tuple(int(v) for v in random_colour(rng))
            )
        if rng.random() < 0.2:
            self.draw.polygon(
                [(left, top), (right, top), (left, bottom)], fill=patch.getpixel((0, 0))
            )
        else:
            self.canvas.paste(patch, (left, top))

    def frame(self) -> None:
        """Draw a border inside the card, the trap for whoever looks for the outline."""
        inset, width = (
            self.rng.uniform(0.02, 0.1) * self.unit,
            int(self.rng.uniform(0.005, 0.03) * self.unit) + 1,
        )
        box = [inset, inset, self.width - inset, self.height - inset]
        self.draw.rectangle(
            box, outline=tuple(int(v) for v in random_colour(self.rng)), width=width
        )

    def business(self) -> None:
        """Lay out name, title, company and contact, horizontally or in Japanese columns."""
        if self.rng.random() < 0.5:
            self.panel()
        wide, tall = self.width / self.unit, self.height / self.unit
        if self.words.locales[0] == "ja_JP" and self.height > self.width:
            self.column(wide * 0.7, 0.15, self.words.company()[:12], 0.08)
            self.column(wide * 0.42, 0.3, self.words.name(), 0.13)
            self.column(wide * 0.15, 0.2, self.words.address()[:18], 0.05)
            return
        x, y = self.rng.uniform(0.06, 0.35), self.rng.uniform(0.06, 0.25)
        if self.rng.random() < 0.7:
            self.logo(
                self.rng.uniform(0.05, wide - 0.4),
                self.rng.uniform(0.05, tall - 0.4),
                self.rng.uniform(0.15, 0.4),
            )
        y += self.text(
            x, y, self.words.company(), self.rng.uniform(0.06, 0.1), bold=self.rng.random() < 0.5
        )
        y += self.text(x, y, self.words.job()[:24], 0.045)
        y += self.text(
            x,
            y + 0.03,
            self.words.name(),
            self.rng.uniform(0.09, 0.15),
            bold=self.rng.random() < 0.5,
        )
        y = max(y, tall - 0.4)
        for line in self.contact():
            y += self.text(x, y, line, self.rng.uniform(0.038, 0.055))
        if self.rng.random() < 0.25:
            self.code(wide - 0.36, tall - 0.36, 0.3)

    def advert(self) -> None:
        """Fill the card with a shop's large words, pictures and bands."""
        self.panel()
        for _ in range(int(self.rng.integers(1, 4))):
            w, h = (int(self.rng.uniform(0.2, 0.5) * self.unit) for _ in range(2))
            x, y = (
                int(self.rng.uniform(0, self.width - w)),
                int(self.rng.uniform(0, self.height - h)),
            )
            self.canvas.paste(Image.fromarray(self.picture(w, h)), (x, y))
        y = self.rng.uniform(0.02, 0.15)
        for size in (0.16, 0.09, 0.07, 0.12, 0.06):
            colour = tuple(int(v) for v in random_colour(self.rng))
            y += self.text(
                self.rng.uniform(0.03, 0.3), y, self.words.company().upper(), size, True, colour
            )

    def minimal(self) -> None:
        """Leave the card nearly empty: one word or emblem."""
        wide, tall = self.width / self.unit, self.height / self.unit
        if self.rng.random() < 0.4:
            self.panel()
        if self.rng.random() < 0.6:
            self.logo(wide * 0.4, tall * 0.25, self.rng.uniform(0.2, 0.45))
        self.text(
            wide * self.rng.uniform(0.08, 0.3),
            tall * self.rng.uniform(0.4, 0.7),
            self.words.company(),
            0.09,
        )

    def identity(self) -> None:
        """Lay out an identity card: portrait, title bar, pairs of label and value."""
        bar = tuple(int(v) for v in random_colour(self.rng))
        self.draw.rectangle([0, 0, self.width, self.height * 0.16], fill=bar)
        self.text(
            0.06,
            0.03,
            self.words.country().upper()[:24],
            0.08,
            True,
            self._contrasting(np.float64(bar)),
        )
        w, h = int(0.42 * self.unit), int(0.55 * self.unit)
        left = 0.06 if self.rng.random() < 0.7 else self.width / self.unit - 0.5
        self.canvas.paste(
            Image.fromarray(self.picture(w, h)), (int(left * self.unit), int(0.26 * self.unit))
        )
        x, y = (0.56 if left < 0.5 else 0.06), 0.24
        for value in (
            self.words.last_name(),
            self.words.first_name(),
            self.words.date(),
            self.words.city(),
        ):
            y += self.text(x, y, value.upper(), 0.065, True) + self.text(
                x, y + 0.08, "──── ───", 0.03
            )
        self.text(
            0.06,
            self.height / self.unit - 0.13,
            f"ID<<{self.rng.integers(10**9, 10**10)}<<<<",
            0.07,
        )

    def bank(self) -> None:
        """Lay out a bank card: chip, number, name."""
        tall = self.height / self.unit
        self.draw.rounded_rectangle(
            [0.12 * self.unit, 0.36 * self.unit, 0.3 * self.unit, 0.5 * self.unit],
            8,
            (205, 175, 90),
        )
        digits = " ".join(f"{self.rng.integers(0, 10**4):04d}" for _ in range(4))
        self.text(0.12, tall * 0.58, digits, 0.11)
        self.text(0.12, tall * 0.8, self.words.name().upper(), 0.075)
        self.text(0.12, 0.08, self.words.company(), 0.09, True)

    def trading(self) -> None:
        """Lay out a playing or trading card: thick border, picture window, box of text."""
        border = int(self.rng.uniform(0.03, 0.08) * self.unit)
        edge = self.rng.choice([8, 30, 235]) + self.rng.normal(0, 5, 3)
        self.draw.rectangle(
            [0, 0, self.width, self.height], fill=tuple(int(v) for v in np.clip(edge, 0, 255))
        )
        inner = Image.fromarray(self.picture(self.width - 2 * border, self.height - 2 * border))
        self.canvas.paste(inner, (border, border))
        pad, top = int(border * 1.8), int(self.height * 0.12)
        window = (self.width - 2 * pad, int(self.height * 0.42))
        self.canvas.paste(Image.fromarray(self.picture(*window)), (pad, top))
        box = [pad, int(self.height * 0.6), self.width - pad, int(self.height * 0.93)]
        self.draw.rectangle(box, fill=tuple(int(v) for v in self.rng.uniform(180, 250, 3)))
        self.ink, y = (25, 25, 25), self.height / self.unit * 0.61
        for line in self.contact():
            y += self.text(pad / self.unit + 0.02, y, line, 0.05)
