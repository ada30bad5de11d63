"""Flat views of cards that say which way they read, and of what is none, for the classifier.

A rendered scene's quads begin at the card's own top left corner; `preprocess` forgets it, for
neither detector nor segmenter may depend on it. Here the scenes of a prepared side are looked up
among the raw ones, which still say so. Photos labelled by hand begin anywhere: only the sources
that params.yaml names are used. What is no card comes from any source, see `mining`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from meishi.data import records
from meishi.data.augment import develop, photometric
from meishi.data.choosing import require_sources
from meishi.data.making import Made, make_samples
from meishi.data.own_quads import reads
from meishi.data.photo_print import on_photo, printed
from meishi.data.records import Record
from meishi.data.samples import SampleSet
from meishi.data.shards import RECORDS_FILE, ShardReader, read_records
from meishi.errors import InputError
from meishi.geometry import directions, quads
from meishi.params import DirectionParams
from meishi.pictures import images
from meishi.recipe import LightParams

GRIDS = ((1, 2), (2, 1), (2, 2), (2, 4), (4, 2), (4, 4))  # rows, columns of a view in pieces
Job = tuple[int, Record, bytes, list[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Scenes:
    """A side's scenes, as they were collected.

    Attributes:
        reader: of the raw scenes.
        records: those of the side that show a card of these sources or one of the others.
        sources: whose quads begin at the card's own top left corner.
        others: by scene, quads (N, 4, 2), canonical and relative, that show no card.
    """

    reader: ShardReader
    records: list[Record]
    sources: Sequence[str]
    others: Mapping[str, np.ndarray]

    def quads_px(self, record: Record) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return a scene's quads in pixels: those of cards that say how they read, and others."""
        own = list(record.quads) if reads(record, self.sources) else []
        found = own, self.others.get(record.id, ())
        cards, others = ([quads.to_px(quad, record.size_px) for quad in part] for part in found)
        return cards, others

    def __iter__(self) -> Iterator[tuple[Record, bytes, list[np.ndarray], list[np.ndarray]]]:
        """Yield each scene: record, image file, and `quads_px`."""
        for record, content in self.reader.scenes(self.records):
            yield record, content, *self.quads_px(record)


def scenes_of(
    raw: Path, side: Path, sources: Sequence[str], others: Mapping[str, np.ndarray]
) -> Scenes:
    """Find a side's scenes among the raw ones; there may be none, see `require_cards`.

    Args:
        raw: folder of the collected scenes.
        side: folder of a prepared side.
        sources: names of fetch.sources whose quads begin at the card's own top left corner.
        others: see `Scenes`.

    Raises:
        InputError: for a name that is of no source.
    """
    names = {record.id for record in read_records(side / RECORDS_FILE, records.parse)}
    reader = ShardReader(raw, records.parse_source)
    require_sources(reader.records, sources, "direction.sources")
    scenes = Scenes(reader, reader.records, sources, others)
    shown = [r for r in reader.records if r.id in names and any(scenes.quads_px(r))]
    return replace(scenes, records=shown)


def photos_of(reader: ShardReader, others: Mapping[str, np.ndarray]) -> Scenes:
    """Take photos without a card for what was mined in them.

    Args:
        reader: of a side's photos.
        others: see `Scenes`.
    """
    return Scenes(reader, [record for record in reader.records if record.id in others], (), others)


def require_cards(scenes: Scenes, side: Path) -> None:
    """Refuse a training side that does not say of any card how it reads; InputError.

    Args:
        scenes: of the side.
        side: its folder, for the message.
    """
    if not any(scenes.quads_px(record)[0] for record in scenes.records):
        raise InputError(
            f"{side}: no scene with a card is of direction.sources "
            f"({', '.join(scenes.sources) or 'none'}), whose quads begin at the card's own top "
            "left corner; name a rendered source there"
        )


def make_views(
    parts: Sequence[Scenes],
    params: DirectionParams,
    light: LightParams,
    seed: int,
    processes: int,
    pictures: Sequence[bytes] = (),
) -> SampleSet:
    """Make `views_per_card` augmented views of each quad, in worker processes.

    Args:
        parts: with cards and others, in order.
        params: size, number and geometry of the views.
        light: recipe of light, colour and sensor.
        seed: of every draw; the result does not depend on the number of processes.
        processes: how many workers.
        pictures: files of photos without a card. Of the cards' views `pictured` have a part of one
            in print and `on_photo` one for their ground, or a classifier that has seen photos as
            what is none would refuse cards with one.

    Returns:
        A set; the quad of each view is the view itself, beginning at the card's own top left, and
        a view that shows no card has none.
    """
    jobs = ((number, *scene) for number, scene in enumerate(chain.from_iterable(parts)))
    make = partial(_make, params=params, light=light, seed=seed, pictures=list(pictures))
    return make_samples(make, jobs, sum(len(part.records) for part in parts), processes)


def _quad_from(start: int) -> np.ndarray:
    if start == directions.NO_CARD:
        return np.zeros((0, 4, 2))
    return np.roll(quads.FRAME, -start, axis=0)[None]


def plain_views(scenes: Scenes, params: DirectionParams) -> Iterator[tuple[np.ndarray, int]]:
    """Yield each quad's view as `meishi capture` makes it, and its start, `NO_CARD` of others."""
    for record, content, cards_px, others_px in scenes:
        image = images.decode(content, record.id)
        for own_px in cards_px:
            quad_px = quads.canonical(own_px)
            start = directions.start_of(own_px, quad_px)
            yield directions.view(image, quad_px, params.view_px), start
        for quad_px in others_px:
            yield directions.view(image, quad_px, params.view_px), directions.NO_CARD


def _make(
    jobs: list[Job], params: DirectionParams, light: LightParams, seed: int, pictures: list[bytes]
) -> Made:
    cv2.setNumThreads(1)
    recipe = photometric(light)
    made = []
    for number, record, content, cards_px, others_px in jobs:
        image = images.decode(content, record.id)
        shown = [(quad_px, True) for quad_px in cards_px]
        shown += [(quad_px, False) for quad_px in others_px]
        made.append(
            [
                _view(image, quad, params, recipe, pictures, rng)
                for index, quad in enumerate(shown)
                for i in range(params.views_per_card)
                for rng in [np.random.default_rng([seed, number, index, i])]
            ]
        )
    return made


def _view(
    image: np.ndarray,
    quad: tuple[np.ndarray, bool],
    params: DirectionParams,
    recipe,
    pictures: list[bytes],
    rng: np.random.Generator,
) -> tuple[bytes, np.ndarray]:
    """Show a quad a little off its corners, from any of them, in another light, some in pieces.

    Some cards get photos in print, and some views, of others too, are inverted.
    """
    quad_px, is_card = quad
    side_px = np.sqrt(abs(quads.area(quad_px)))
    loose_px = quad_px + rng.normal(0, params.corner_sigma * side_px, quad_px.shape)
    first = int(rng.integers(directions.STARTS))
    shown = directions.view(image, np.roll(loose_px, -first, axis=0), params.view_px)
    if rng.random() < params.shuffled:
        shown = shuffle(shown, rng)
    if is_card and pictures:
        upright = np.ascontiguousarray(np.rot90(shown, -first))  # as the card reads, so its print
        shown = np.ascontiguousarray(np.rot90(_pictured(upright, params, pictures, rng), first))
    if rng.random() < params.inverted:
        shown = 255 - shown
    content = images.encode(develop(recipe, shown, rng), ".jpg", params.jpeg_quality)
    start = -first % directions.STARTS if is_card else directions.NO_CARD
    return content, _quad_from(start)


def _pictured(
    view: np.ndarray, params: DirectionParams, pictures: list[bytes], rng: np.random.Generator
) -> np.ndarray:
    """Print parts of photos on some cards, beneath all that is on them or beside it."""
    for share, put in ((params.on_photo, on_photo), (params.pictured, printed)):
        if rng.random() < share:
            photo = images.decode(pictures[rng.integers(len(pictures))], "a photo without a card")
            view = put(view, photo, rng)
    return view


def shuffle(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a view into a grid of pieces and lay them out anew, none turned.

    What stands where is gone, and letters are left to say which way is up: designs that a program
    has drawn have their layout in common, and a photo's card has another.
    """
    rows, columns = GRIDS[rng.integers(len(GRIDS))]
    pieces = [part for row in np.split(view, rows) for part in np.split(row, columns, axis=1)]
    order = rng.permutation(len(pieces)).reshape(rows, columns)
    return np.concatenate([np.concatenate([pieces[n] for n in row], axis=1) for row in order])
