"""Tracing the scenes of a world: the same surfaces as the composed ones, designs of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from meishi.scenes.artwork import SCRIPTS, WIDE, Design, Style
from meishi.scenes.render import WORLDS_KEPT, Drawn, World, choose_surface, draw_designs
from meishi.tracing import light, tracer
from meishi.tracing.compose import PLAIN, Setting, Stage, compose

DESIGNS_PER_WORLD = 48
PHOTOGRAPHED_SHARE = 0.6  # of the scenes; the rest lie on painted surfaces
PANORAMA_SHARE = 0.55  # of the scenes; the rest are lit by painted rooms
WEBP_QUALITY = 50  # grain costs bytes: all of data/ stays under 100 MB
SOFT = ("cloth", "woven")
ORIGINS = (
    {
        "name": "@pmndrs/assets 1.7.0",
        "licence": "CC0-1.0",
        "url": "https://www.npmjs.com/package/@pmndrs/assets",
    },
    {
        "name": "Nanum Gothic",
        "licence": "OFL-1.1",
        "url": "https://pypi.org/project/koreanize-matplotlib/",
    },
)


ORIGINS_EXTENDED = (
    *ORIGINS,
    {
        "name": "Noto Sans Thai, Noto Serif Thai",
        "licence": "OFL-1.1",
        "url": "https://pypi.org/project/pylopdf-fonts-th/",
    },
    {
        "name": "Noto Sans Arabic, Noto Naskh Arabic",
        "licence": "OFL-1.1",
        "url": "https://pypi.org/project/pylopdf-fonts-ar/",
    },
)


@dataclass(frozen=True, eq=False)
class Series:
    """A series of scenes in each world.

    Attributes:
        letter: of its scenes' names.
        stream: of its scenes' random numbers, and
        prefix, designs_stream, style: those of its designs.
        setting: of its scenes.
    """

    letter: str
    stream: int
    prefix: str
    designs_stream: int
    style: Style
    setting: Setting


TRACED = Series("t", 3, "e", 2, WIDE, PLAIN)
EXTENDED = Series("x", 5, "f", 4, SCRIPTS, Setting(upright=0.55, sleeved=0.35))


def traced(world: World, numbers: range) -> Iterator[Drawn]:
    """Trace some scenes of a world; a panorama belongs to a few worlds, and to no others."""
    yield from _drawn(world, numbers, TRACED)


def extended(world: World, numbers: range) -> Iterator[Drawn]:
    """Trace what the other series lacks: upright frames, sleeves, Thai and Arabic cards."""
    yield from _drawn(world, numbers, EXTENDED)


def _drawn(world: World, numbers: range, series: Series) -> Iterator[Drawn]:
    cv2.setNumThreads(1)
    designs, panorama = _designs(world, series), _panorama(world)
    for number in numbers:
        yield _scene(world, number, series, designs, panorama)


@lru_cache(maxsize=WORLDS_KEPT)
def _designs(world: World, series: Series) -> list[Design]:
    return draw_designs(
        world, series.prefix, series.designs_stream, DESIGNS_PER_WORLD, series.style
    )


@lru_cache(maxsize=WORLDS_KEPT)
def _panorama(world: World) -> tuple[str, np.ndarray]:
    panoramas = sorted(light.panoramas(world.wheels).items())
    name, content = panoramas[world.number % len(panoramas)]
    return name, tracer.decode_panorama(content)


def _scene(
    world: World, number: int, series: Series, designs, panorama: tuple[str, np.ndarray]
) -> Drawn:
    name = f"w{world.number:03d}-{series.letter}{number:03d}"
    rng = np.random.default_rng([world.seed, world.number, series.stream, number])
    kind, surface, background = choose_surface(rng, world, name, PHOTOGRAPHED_SHARE)
    backgrounds = [background]
    if rng.random() < PANORAMA_SHARE:
        surroundings = light.photographed(rng, panorama[1])
        backgrounds.append(f"panorama/{panorama[0]}")
    else:
        surroundings = light.painted(rng)
    rough_mm = float(rng.uniform(1, 8)) if kind in SOFT else 0.0
    stage = Stage(surface, surroundings, rough_mm)
    scene = compose(rng, stage, designs, series.setting)
    return Drawn(name, scene, kind, tuple(backgrounds), WEBP_QUALITY)
