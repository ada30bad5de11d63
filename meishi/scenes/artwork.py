"""Card artwork: flat RGB pictures of cards with text in many languages.

A design is drawn once at PX_PER_MM and used in many scenes. Formats are ISO and national ones in
millimetres: Japanese 91x55, European 85x55, US 89x51, ID-1 85.6x54, trading 63x88 and others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from meishi.scenes import layouts
from meishi.scenes.pen import LOCALES, Pen

FORMATS_MM = {  # name: (long side, short side)
    "jp": (91.0, 55.0),
    "eu": (85.0, 55.0),
    "us": (89.0, 51.0),
    "id1": (85.6, 54.0),
    "trading": (88.0, 63.0),
    "slim": (85.0, 42.0),
    "square": (65.0, 65.0),
    "ticket": (140.0, 60.0),
}


@dataclass(frozen=True, eq=False)
class Style:
    """What designs are drawn from: the shares of FORMATS_MM and of languages, each adding to 1."""

    formats: Mapping[str, float]
    locales: Mapping[str, float]


COMMON = Style(
    {
        "jp": 0.34,
        "eu": 0.20,
        "us": 0.20,
        "id1": 0.12,
        "trading": 0.08,
        "slim": 0.03,
        "square": 0.03,
    },
    LOCALES,
)
WIDE = Style(
    {
        "jp": 0.26,
        "eu": 0.17,
        "us": 0.17,
        "id1": 0.14,
        "trading": 0.13,
        "slim": 0.03,
        "square": 0.04,
        "ticket": 0.06,
    },
    {
        "ja_JP": 0.3,
        "en_US": 0.22,
        "ko_KR": 0.1,
        "zh_CN": 0.06,
        "zh_TW": 0.06,
        "de_DE": 0.07,
        "fr_FR": 0.06,
        "ru_RU": 0.07,
        "vi_VN": 0.06,
    },
)


SCRIPTS = Style(
    WIDE.formats,
    {
        "th_TH": 0.3,
        "ar_AA": 0.25,
        "ja_JP": 0.15,
        "en_US": 0.15,
        "zh_TW": 0.1,
        "ko_KR": 0.05,
    },
)


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


def draw_design(
    name: str, rng: np.random.Generator, pictures: list[np.ndarray], style: Style = COMMON
) -> Design:
    """Draw a card. `pictures` (RGB) serve as photographs on it."""
    formats = list(style.formats)
    chosen = formats[rng.choice(len(formats), p=list(style.formats.values()))]
    long_mm, short_mm = FORMATS_MM[chosen]
    upright = chosen == "trading" or rng.random() < 0.15
    size_mm = (short_mm, long_mm) if upright else (long_mm, short_mm)
    pen = Pen(rng, size_mm, pictures, style.locales)
    pen.ground()
    special = {
        "id1": (layouts.identity, layouts.bank, layouts.business),
        "trading": (layouts.trading,),
    }
    choices = special.get(
        chosen, (layouts.business, layouts.business, layouts.advert, layouts.minimal)
    )
    choices[int(rng.integers(len(choices)))](pen)
    if rng.random() < 0.08:
        pen.frame()
    rounded = chosen in ("id1", "trading") or rng.random() < 0.2
    radius_mm = float(rng.uniform(2, 5)) if rounded else 0.0
    return Design(name, pen.image(), size_mm, radius_mm, bool(rng.random() < 0.35))
