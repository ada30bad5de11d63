"""The scenes of a world, drawn one by one.

A world owns its card designs and photographed surfaces, so that whole worlds can go to one side
of the split. Every scene has its own random stream, seeded by (seed, world, number): it depends
on no other scene.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from meishi.scenes import artwork, surfaces
from meishi.scenes.compose import Scene, compose

DESIGNS_PER_WORLD = 36
PHOTOGRAPHED_SHARE = 0.45  # of the scenes; the rest lie on painted surfaces
WEBP_QUALITY = 72
WORLDS_KEPT = 2  # by a worker: drawing designs takes seconds, and worlds come one after another
PYPI = "https://pypi.org/project"


@dataclass(frozen=True)
class World:
    """What a group of scenes may show: surfaces as (kind, wheel, member), and portraits."""

    number: int
    scenes: int
    seed: int
    wheels: Path
    surfaces: tuple[tuple[str, str, str], ...]
    portraits: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A scene, its name, the kind of its surface, what others may share, its WebP quality."""

    name: str
    scene: Scene
    surface: str
    backgrounds: tuple[str, ...]
    quality: int = WEBP_QUALITY


def plan(scenes: int, worlds: int, seed: int, wheels: Path) -> list[World]:
    """Deal surfaces, portraits and scene numbers to the worlds.

    Raises:
        ValueError: if there are more worlds than scenes or photographed surfaces.
        FileNotFoundError: if a wheel is missing.
    """
    photographs, faces = surfaces.photographed(wheels), surfaces.portraits(wheels)
    if not 1 <= worlds <= min(scenes, len(photographs)):
        raise ValueError(
            f"worlds: expected 1 to {min(scenes, len(photographs))} for {scenes} scenes and "
            f"{len(photographs)} photographed surfaces, got {worlds}"
        )
    rng = np.random.default_rng(seed)
    photographs = [photographs[i] for i in rng.permutation(len(photographs))]
    faces = [faces[i] for i in rng.permutation(len(faces))]
    share, rest = divmod(scenes, worlds)
    return [
        World(
            w,
            share + (w < rest),
            seed,
            wheels,
            tuple(photographs[w::worlds]),
            tuple(faces[w::worlds]),
        )
        for w in range(worlds)
    ]


def composed(world: World, numbers: range) -> Iterator[Drawn]:
    """Compose some scenes of a world with OpenCV."""
    cv2.setNumThreads(1)
    designs = _designs(world)
    for number in numbers:
        name = f"w{world.number:03d}-s{number:03d}"
        rng = np.random.default_rng([world.seed, world.number, 1, number])
        kind, surface, background = choose_surface(rng, world, name, PHOTOGRAPHED_SHARE)
        yield Drawn(name, compose(rng, surface, designs), kind, (background,))


@lru_cache(maxsize=WORLDS_KEPT)
def _designs(world: World) -> list[artwork.Design]:
    return draw_designs(world, "d", 0, DESIGNS_PER_WORLD)


def draw_designs(
    world: World, prefix: str, stream: int, count: int, style: artwork.Style = artwork.COMMON
) -> list[artwork.Design]:
    """Draw the card designs of a world."""
    pictures = [surfaces.read_picture(world.wheels, *face) for face in world.portraits]
    return [
        artwork.draw_design(
            f"w{world.number:03d}-{prefix}{i:02d}",
            np.random.default_rng([world.seed, world.number, stream, i]),
            pictures,
            style,
        )
        for i in range(count)
    ]


def choose_surface(
    rng: np.random.Generator, world: World, name: str, photographed: float
) -> tuple[str, np.ndarray, str]:
    """Choose what a scene lies on: its kind, RGB picture, and the name of the background."""
    if rng.random() >= photographed:
        kind, surface = surfaces.paint(rng)
        return kind, surface, f"painted/{name}"
    kind, wheel, member = world.surfaces[int(rng.integers(len(world.surfaces)))]
    return kind, surfaces.read_picture(world.wheels, wheel, member), f"{wheel}/{Path(member).stem}"


def origins() -> list[dict[str, str]]:
    """List where the pictures in the scenes come from, with licences, as the manifest wants it."""
    rows = [
        {"name": f"{w.name} {w.version}", "licence": w.licence, "url": f"{PYPI}/{w.name}/"}
        for w in surfaces.WHEELS
    ]
    unique = [row for i, row in enumerate(rows) if row not in rows[:i]]
    paintings = {
        "name": "portraits in miniworld 2.1.0",
        "licence": "paintings in the public domain",
        "url": f"{PYPI}/miniworld/",
    }
    fonts = {
        "name": "Noto Sans JP, Noto Serif JP",
        "licence": "OFL-1.1",
        "url": f"{PYPI}/pylopdf-fonts-jp/",
    }
    return [*unique, paintings, fonts]
