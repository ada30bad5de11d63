"""Drawing on one card: grounds, pictures, words, emblems, codes, panels.

Text is set in Noto Sans JP and Noto Serif JP, which hold Japanese, Chinese, Latin and Cyrillic, and
in Nanum Gothic, which holds Korean; Thai and Arabic in the Noto faces of each (all OFL-1.1).
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec

import cv2
import numpy as np
from faker import Faker
from PIL import Image, ImageDraw, ImageFont

from meishi.scenes.surfaces import noise, random_colour

PX_PER_MM = 8
LOCALES = {  # share of the designs
    "ja_JP": 0.4,
    "en_US": 0.3,
    "de_DE": 0.08,
    "fr_FR": 0.07,
    "pt_BR": 0.08,
    "zh_TW": 0.07,
}
FONT_FILES = (
    ("pylopdf_fonts_jp", "NotoSansJP-Regular.otf"),
    ("pylopdf_fonts_jp", "NotoSerifJP-Regular.otf"),
    ("koreanize_matplotlib", "fonts/NanumGothic.ttf"),
    ("pylopdf_fonts_th", "NotoSansThai-Variable.ttf"),
    ("pylopdf_fonts_th", "NotoSerifThai-Variable.ttf"),
    ("pylopdf_fonts_ar", "NotoSansArabic-Variable.ttf"),
    ("pylopdf_fonts_ar", "NotoNaskhArabic-Variable.ttf"),
)
COMMON_FACES = (0, 1)  # of FONT_FILES: a plain one and one with serifs
FACES = {"ko_KR": (2, 2), "th_TH": (3, 4), "ar_AA": (5, 6)}  # of those that need others


@lru_cache(maxsize=256)
def font(index: int, size_px: int) -> ImageFont.FreeTypeFont:
    """Load one of FONT_FILES; the packages that carry them are not imported."""
    package, file = FONT_FILES[index]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"{package}: missing; pip install -r requirements-render.txt")
    return ImageFont.truetype(f"{found.submodule_search_locations[0]}/{file}", size_px)


@cache
def faker(locale: str) -> Faker:
    """Make one Faker per locale; `draw_design` seeds it."""
    return Faker(locale)


class Pen:
    """Draws on one card; lengths are shares of the card's height unless they end in _px."""

    def __init__(
        self,
        rng: np.random.Generator,
        size_mm: tuple[float, float],
        pictures: list,
        locales: Mapping[str, float],
    ):
        """Take an empty card of the given (width, height) and photographs to draw from.

        `locales` are the languages to choose from, with their shares.
        """
        self.rng, self.pictures = rng, pictures
        self.width, self.height = (int(side * PX_PER_MM) for side in size_mm)
        self.unit = min(self.width, self.height)
        self.canvas = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.canvas)
        locale = str(rng.choice(list(locales), p=list(locales.values())))
        self.words = faker(locale)
        self.words.seed_instance(int(rng.integers(2**31)))
        self.face = FACES.get(locale, COMMON_FACES)[int(rng.integers(2))]
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
        self.ink = self.contrasting(array.mean(axis=(0, 1)))

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

    def contrasting(self, ground: np.ndarray) -> tuple[int, int, int]:
        """Choose an ink that reads on the ground."""
        dark = ground.mean() > 125
        base = self.rng.uniform(0, 70, 3) if dark else self.rng.uniform(190, 255, 3)
        return int(base[0]), int(base[1]), int(base[2])

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
            anchor="la",
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
