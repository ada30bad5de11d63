"""Tracing the scenes of a world: the same surfaces as the composed ones, designs of its own."""

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np

from meishi.scenes.artwork import WIDE, Design
from meishi.scenes.render import WORLDS_KEPT, Drawn, World, choose_surface, draw_designs
from meishi.tracing import light, tracer
from meishi.tracing.compose import Stage, compose

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


def traced(world: World, numbers: range) -> Iterator[Drawn]:
    """Trace some scenes of a world; a panorama belongs to a few worlds, and to no others."""
    cv2.setNumThreads(1)
    designs, panorama = _designs(world), _panorama(world)
    for number in numbers:
        yield _scene(world, number, designs, panorama)


@lru_cache(maxsize=WORLDS_KEPT)
def _designs(world: World) -> list[Design]:
    return draw_designs(world, "e", 2, DESIGNS_PER_WORLD, WIDE)


@lru_cache(maxsize=WORLDS_KEPT)
def _panorama(world: World) -> tuple[str, np.ndarray]:
    panoramas = sorted(light.panoramas(world.wheels).items())
    name, content = panoramas[world.number % len(panoramas)]
    return name, tracer.decode_panorama(content)


def _scene(world: World, number: int, designs, panorama: tuple[str, np.ndarray]) -> Drawn:
    name = f"w{world.number:03d}-t{number:03d}"
    rng = np.random.default_rng([world.seed, world.number, 3, number])
    kind, surface, background = choose_surface(rng, world, name, PHOTOGRAPHED_SHARE)
    backgrounds = [background]
    if rng.random() < PANORAMA_SHARE:
        surroundings = light.photographed(rng, panorama[1])
        backgrounds.append(f"panorama/{panorama[0]}")
    else:
        surroundings = light.painted(rng)
    rough_mm = float(rng.uniform(1, 8)) if kind in SOFT else 0.0
    scene = compose(rng, Stage(surface, surroundings, rough_mm), designs)
    return Drawn(name, scene, kind, tuple(backgrounds), WEBP_QUALITY)
