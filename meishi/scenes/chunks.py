"""Worlds rendered in chunks of a few scenes by worker processes, here or on other machines.

A chunk is what a worker is asked for at a time, and what an interrupted run need not do again. The
result depends neither on who drew which chunk nor on where a run was resumed.
"""

import hashlib
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes
from meishi.processes import workers
from meishi.scenes.render import Drawn, World

SCENES_PER_CHUNK = 10

Draw = Callable[[World, range], Iterator[Drawn]]


@dataclass(frozen=True)
class Chunk:
    """Some scenes of a world, with the chunk's number in it."""

    world: World
    number: int

    @property
    def scenes(self) -> range:
        """Return the numbers of the scenes."""
        first = self.number * SCENES_PER_CHUNK
        return range(first, min(first + SCENES_PER_CHUNK, self.world.scenes))

    def __str__(self) -> str:
        """Name the chunk in a message."""
        return f"scenes {self.scenes.start} to {self.scenes.stop - 1} of world {self.world.number}"

    def path(self, folder: Path) -> Path:
        """Return where the finished chunk waits."""
        return folder / f"world-{self.world.number:03d}-{self.number:02d}.zip"


def chunks_of(todo: list[World]) -> list[Chunk]:
    """Cut worlds into chunks, in order."""
    return [
        Chunk(world, number)
        for world in todo
        for number in range(-(-world.scenes // SCENES_PER_CHUNK))
    ]


def work_folder(parent: Path, todo: list[World], code: tuple[str, ...]) -> Path:
    """Name the folder of a run's finished chunks, so that another run's are not taken for them.

    The name changes with the plan and with the packages that draw, `code`.
    """
    digest = hashlib.sha256(f"{todo} {workers.code_digest(code)}".encode())
    return parent / digest.hexdigest()[:12]


def render_worlds(
    todo: list[World],
    folder: Path,
    draw: Draw,
    code: tuple[str, ...],
    scheduler: str | None,
    processes: int,
) -> None:
    """Render the chunks that `folder` does not hold yet, with progress.

    Only this process writes: workers on other machines share no disk with it.

    Args:
        todo: worlds, see `render.plan`.
        folder: where finished chunks wait, one zip each; a killed run goes on with the rest.
        draw: yields some scenes of a world: `render.composed` or another.
        code: packages that decide what is drawn; workers with others are refused.
        scheduler: address of a Dask scheduler; if None, see `workers.connect`.
        processes: how many to start without a scheduler; the result does not depend on it.

    Raises:
        InputError: if workers are out of reach or out of date, or miss a wheel.
    """
    chunks = chunks_of(todo)
    missing = [chunk for chunk in chunks if not chunk.path(folder).exists()]
    if not missing:
        return
    total, left = (sum(len(chunk.scenes) for chunk in some) for some in (chunks, missing))
    with (
        workers.connect(scheduler, processes) as run,
        tqdm(total=total, initial=total - left, unit="scene", desc="render") as bar,
    ):
        drawn = run.map(partial(draw_chunk, draw=draw), missing, code=code)
        for chunk, content in zip(missing, drawn, strict=True):
            atomic_write_bytes(chunk.path(folder), content)
            bar.update(len(chunk.scenes))


def draw_chunk(chunk: Chunk, draw: Draw) -> bytes:
    """Draw the scenes of a chunk into a zip.

    Raises:
        InputError: if this machine misses what the scenes are made of.
    """
    stream = io.BytesIO()
    try:
        with zipfile.ZipFile(stream, "w") as archive:
            for drawn in draw(chunk.world, chunk.scenes):
                quality = [cv2.IMWRITE_WEBP_QUALITY, drawn.quality]
                image = cv2.imencode(".webp", drawn.scene.image[..., ::-1], quality)[1].tobytes()
                archive.writestr(f"{drawn.name}.webp", image)
                archive.writestr(f"{drawn.name}.json", json.dumps(record(drawn, image)))
    except OSError as error:
        raise InputError(
            f"worker on {socket.gethostname()}, in {Path.cwd()}: {chunk}: {error}; each machine "
            f"needs the wheels at {chunk.world.wheels}, seen from where its workers were started"
        ) from error
    return stream.getvalue()


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
        "width": scene.image.shape[1],
        "height": scene.image.shape[0],
        "cards": cards,
        "backgrounds": list(drawn.backgrounds),
        "attributes": {"surface": drawn.surface, **scene.attributes},
    }


def finished_scenes(folder: Path, todo: list[World]) -> Iterator[tuple[dict, bytes]]:
    """Yield (record, image bytes) of all worlds in order."""
    for chunk in chunks_of(todo):
        with zipfile.ZipFile(chunk.path(folder)) as archive:
            for member in archive.namelist():
                if member.endswith(".json"):
                    row = json.loads(archive.read(member))
                    yield row, archive.read(row["image"])
