"""Rendering scenes, world by world, in worker processes.

A world owns its card designs and photographed surfaces, so that whole worlds can go to one side
of the split. Every scene has its own random stream, seeded by (seed, world, number): the result
depends neither on the number of processes nor on where an interrupted run was resumed.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from meishi import workers
from meishi.scenes import artwork, surfaces
from meishi.scenes.compose import SIZE_PX, Scene, compose

DESIGNS_PER_WORLD = 36
PHOTOGRAPHED_SHARE = 0.45  # of the scenes; the rest lie on painted surfaces
WEBP_QUALITY = 72
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


def render_worlds(
    todo: list[World], folder: Path, processes: int, draw: Callable[[World], Iterator[Drawn]]
) -> None:
    """Render the worlds that `folder` does not hold yet, in worker processes, with progress.

    Args:
        todo: worlds, see `plan`.
        folder: where finished worlds wait, one zip each; a killed run goes on with the rest.
        processes: how many; the result does not depend on it.
        draw: yields the scenes of a world, `composed` or another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [world for world in todo if not world_path(folder, world.number).exists()]
    total, left = (sum(world.scenes for world in worlds) for worlds in (todo, missing))
    with (
        workers.pool(processes) as pool,
        tqdm(total=total, initial=total - left, unit="scene", desc="render") as bar,
    ):
        for count in pool.map(partial(write_world, folder=folder, draw=draw), missing):
            bar.update(count)


def work_folder(parent: Path, todo: list[World], code: list[Path]) -> Path:
    """Name the folder of a run's finished worlds, so that another run's are not taken for them.

    The name changes with the plan and with the code that draws: the Python files in `code`.
    """
    digest = hashlib.sha256(repr(todo).encode())
    for file in sorted(file for folder in code for file in folder.glob("*.py")):
        digest.update(file.read_bytes())
    return parent / digest.hexdigest()[:12]


def world_path(folder: Path, number: int) -> Path:
    """Return where a finished world waits."""
    return folder / f"world-{number:03d}.zip"


def write_world(world: World, folder: Path, draw: Callable[[World], Iterator[Drawn]]) -> int:
    """Draw the scenes of one world into a zip; returns their number."""
    path = world_path(folder, world.number)
    temporary = path.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for drawn in draw(world):
            quality = [cv2.IMWRITE_WEBP_QUALITY, drawn.quality]
            image = cv2.imencode(".webp", drawn.scene.image[..., ::-1], quality)[1].tobytes()
            archive.writestr(f"{drawn.name}.webp", image)
            archive.writestr(f"{drawn.name}.json", json.dumps(record(drawn, image)))
    temporary.replace(path)
    return world.scenes


def composed(world: World) -> Iterator[Drawn]:
    """Compose the scenes of a world with OpenCV."""
    cv2.setNumThreads(1)
    designs = draw_designs(world, "d", 0, DESIGNS_PER_WORLD)
    for number in range(world.scenes):
        name = f"w{world.number:03d}-s{number:03d}"
        rng = np.random.default_rng([world.seed, world.number, 1, number])
        kind, surface, background = choose_surface(rng, world, name, PHOTOGRAPHED_SHARE)
        yield Drawn(name, compose(rng, surface, designs), kind, (background,))


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


def record(drawn: Drawn, image: bytes) -> dict:
    """Describe a scene in the schema of `records.jsonl`."""
    name, scene = drawn.name, drawn.scene
    cards = [
        {"quad_px": np.round(quad, 3).tolist(), "design": design}
        for quad, design in zip(scene.quads_px, scene.designs, strict=True)
    ]
    return {
        "id": name,
        "shard": "",
        "image": f"{name}.webp",
        "sha256": hashlib.sha256(image).hexdigest(),
        "width": SIZE_PX[0],
        "height": SIZE_PX[1],
        "cards": cards,
        "backgrounds": list(drawn.backgrounds),
        "attributes": {"surface": drawn.surface, **scene.attributes},
    }


def finished_scenes(folder: Path, worlds: int) -> Iterator[tuple[dict, bytes]]:
    """Yield (record, image bytes) of all worlds in order."""
    for number in range(worlds):
        with zipfile.ZipFile(world_path(folder, number)) as archive:
            for member in archive.namelist():
                if member.endswith(".json"):
                    row = json.loads(archive.read(member))
                    yield row, archive.read(row["image"])


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
