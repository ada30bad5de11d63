"""Card artwork: flat RGB pictures of cards with Japanese and Latin text.

A design is drawn once at PX_PER_MM and used in many scenes. Formats are ISO and national ones in
millimetres: Japanese 91x55, European 85x55, US 89x51, ID-1 85.6x54, trading 63x88, square, slim.
"""

from dataclasses import dataclass

import numpy as np

from meishi.scenes import layouts
from meishi.scenes.pen import Pen

FORMATS_MM = {  # name: (long side, short side, share of the designs)
    "jp": (91.0, 55.0, 0.34),
    "eu": (85.0, 55.0, 0.20),
    "us": (89.0, 51.0, 0.20),
    "id1": (85.6, 54.0, 0.12),
    "trading": (88.0, 63.0, 0.08),
    "slim": (85.0, 42.0, 0.03),
    "square": (65.0, 65.0, 0.03),
}


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


def draw_design(name: str, rng: np.random.Generator, pictures: list[np.ndarray]) -> Design:
    """Draw a card. `pictures` (RGB) serve as photographs on it."""
    formats = list(FORMATS_MM)
    chosen = formats[rng.choice(len(formats), p=[FORMATS_MM[f][2] for f in formats])]
    long_mm, short_mm, _ = FORMATS_MM[chosen]
    upright = chosen == "trading" or rng.random() < 0.15
    size_mm = (short_mm, long_mm) if upright else (long_mm, short_mm)
    pen = Pen(rng, size_mm, pictures)
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
