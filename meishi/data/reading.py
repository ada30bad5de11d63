"""Flat views of cards that say which way they read, for the direction classifier.

A rendered scene's quads begin at the card's own top left corner; `preprocess` forgets it, for
neither detector nor segmenter may depend on it. Here the scenes of a prepared side are looked up
among the raw ones, which still say so. Photos labelled by hand begin anywhere: only the sources
that params.yaml names are used.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from meishi import images, workers
from meishi.data import records
from meishi.data.augment import develop, photometric
from meishi.data.own_quads import reads
from meishi.data.records import Record
from meishi.data.samples import SampleSet
from meishi.data.shards import RECORDS_FILE, ShardReader, read_records
from meishi.errors import InputError
from meishi.geometry import directions, quads
from meishi.params import DirectionParams
from meishi.recipe import LightParams

SCENES_PER_TASK = 16
GRIDS = ((1, 2), (2, 1), (2, 2), (2, 4), (4, 2), (4, 4))  # rows, columns of a view in pieces
CODE = ("meishi.data", "meishi.geometry", "meishi.images")  # what decides a view
Job = tuple[int, Record, bytes]


def scenes_that_read(raw: Path, side: Path, sources: Sequence[str]) -> tuple[ShardReader, list]:
    """Find a side's scenes whose quads begin at the card's own top left corner.

    Args:
        raw: folder of the collected scenes.
        side: folder of a prepared side.
        sources: names of fetch.sources whose quads do.

    Returns:
        The reader of the raw scenes, and the records of those with cards.

    Raises:
        InputError: if there are none.
    """
    names = {record.id for record in read_records(side / RECORDS_FILE, records.parse)}
    reader = ShardReader(raw, records.parse_source)
    found = [r for r in reader.records if r.id in names and r.cards and reads(r, sources)]
    if not found:
        raise InputError(
            f"{side}: no scene with a card is of direction.sources ({', '.join(sources) or 'none'})"
            ", whose quads begin at the card's own top left corner; name a rendered source there"
        )
    return reader, found


def make_views(
    scenes: tuple[ShardReader, list[Record]],
    params: DirectionParams,
    light: LightParams,
    seed: int,
    processes: int,
) -> SampleSet:
    """Make `views_per_card` augmented views of each card, in worker processes.

    Args:
        scenes: see `scenes_that_read`.
        params: size, number and geometry of the views.
        light: recipe of light, colour and sensor.
        seed: of every draw; the result does not depend on the number of processes.
        processes: how many workers.

    Returns:
        A set; the quad of each view is the view itself, beginning at the card's own top left.
    """
    reader, chosen = scenes
    jobs = ((number, *scene) for number, scene in enumerate(reader.scenes(chosen)))
    tasks = iter(lambda: list(islice(jobs, SCENES_PER_TASK)), [])
    make = partial(_make, params=params, light=light, seed=seed)
    jpegs: list[bytes] = []
    starts: list[int] = []
    with workers.connect(None, processes) as run:
        made = (scene for scenes in run.map(make, tasks, _name, CODE) for scene in scenes)
        for scene in tqdm(made, total=len(chosen), unit="scene", desc="flat views"):
            jpegs += [content for content, _ in scene]
            starts += [start for _, start in scene]
    digest = hashlib.sha256(repr(starts).encode())
    for jpeg in jpegs:
        digest.update(jpeg)
    own = [np.roll(quads.FRAME, -start, axis=0)[None] for start in starts]
    return SampleSet(jpegs, own, digest.hexdigest())


def plain_views(
    scenes: tuple[ShardReader, list[Record]], params: DirectionParams
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield each card's view as `meishi capture` makes it, with the view's corner it begins at."""
    reader, chosen = scenes
    for record, content in reader.scenes(chosen):
        image = images.decode(content, record.id)
        for own_px in _own_quads_px(record):
            quad_px = quads.canonical(own_px)
            start = directions.start_of(own_px, quad_px)
            yield directions.view(image, quad_px, params.view_px), start


def _name(jobs: list[Job]) -> str:
    return f"scenes {jobs[0][1].id} to {jobs[-1][1].id}"


def _make(
    jobs: list[Job], params: DirectionParams, light: LightParams, seed: int
) -> list[list[tuple[bytes, int]]]:
    cv2.setNumThreads(1)
    recipe = photometric(light)
    made = []
    for number, record, content in jobs:
        image = images.decode(content, record.id)
        made.append(
            [
                _view(image, own_px, params, recipe, np.random.default_rng([seed, number, card, i]))
                for card, own_px in enumerate(_own_quads_px(record))
                for i in range(params.views_per_card)
            ]
        )
    return made


def _own_quads_px(record: Record) -> list[np.ndarray]:
    return [quads.to_px(quad, record.size_px) for quad in record.quads]


def _view(image, own_px: np.ndarray, params: DirectionParams, recipe, rng) -> tuple[bytes, int]:
    """Show a card a little off its corners, from any of them, in another light, some in pieces."""
    side_px = np.sqrt(abs(quads.area(own_px)))
    loose_px = own_px + rng.normal(0, params.corner_sigma * side_px, own_px.shape)
    first = int(rng.integers(directions.STARTS))
    shown = directions.view(image, np.roll(loose_px, -first, axis=0), params.view_px)
    if rng.random() < params.shuffled:
        shown = shuffle(shown, rng)
    content = images.encode(develop(recipe, shown, rng), ".jpg", params.jpeg_quality)
    return content, -first % directions.STARTS


def shuffle(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a view into a grid of pieces and lay them out anew, none turned.

    What stands where is gone, and letters are left to say which way is up: designs that a program
    has drawn have their layout in common, and a photo's card has another.
    """
    rows, columns = GRIDS[rng.integers(len(GRIDS))]
    pieces = [part for row in np.split(view, rows) for part in np.split(row, columns, axis=1)]
    order = rng.permutation(len(pieces)).reshape(rows, columns)
    return np.concatenate([np.concatenate([pieces[n] for n in row], axis=1) for row in order])
