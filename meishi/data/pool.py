"""What scenes lend each other: cards to paste, and backgrounds to lie on.

Built once, from the training scenes alone, and given to every worker: at most MAX_DONORS cards
(JPEG files) and MAX_BACKGROUNDS scenes as they are on disk, 6.3 MB with the data as committed.
Which ones, depends on the seed alone. Frames borrow from all photos without a card, too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from meishi.data import cutout
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.geometry import quads
from meishi.pictures import images

MAX_DONORS, MAX_BACKGROUNDS = 300, 150
DONOR_PX = 320  # longer side of a donor at most
QUALITY = 95
MIN_SIDE_PX = 40  # a card that is shown smaller is a blur wherever it is pasted


@dataclass(frozen=True)
class Donor:
    """A card to paste: its flat picture as a file, the scene it is of, the light of that scene."""

    content: bytes
    scene: str
    light: float


Cut = tuple[Record, bytes, int]  # a scene, its image file, and which of its cards
MapCuts = Callable[[Callable[[Cut], Donor], Iterable[Cut]], Iterable[Donor]]


@dataclass(frozen=True)
class Background:
    """A scene without cards: its image file and name."""

    content: bytes
    scene: str


@dataclass(frozen=True)
class Pool:
    """All that can be borrowed."""

    donors: tuple[Donor, ...] = ()
    backgrounds: tuple[Background, ...] = ()

    def with_photos(self, photos: ShardReader) -> "Pool":
        """Return the pool with all of these photos without a card among the backgrounds."""
        beside = tuple(Background(content, record.id) for record, content in photos)
        return replace(self, backgrounds=self.backgrounds + beside)


def is_held(record: Record, if_unknown: bool) -> bool:
    """Tell whether fingers lie on a scene's cards; imported photos may not say."""
    return bool(record.attributes.get("held", if_unknown))


def build(reader: ShardReader, seed: int, map_cuts: MapCuts = map) -> Pool:
    """Choose donors, one a scene, and backgrounds, from scenes of the training split.

    Args:
        reader: of that split.
        seed: of the choice.
        map_cuts: calls `cut_donor` with each cut, here or in other processes, in their order.
    """
    rng = np.random.default_rng([seed, MAX_DONORS])
    empty = [record for record in reader.records if not record.cards]
    full = [record for record in reader.records if record.cards and not is_held(record, False)]
    backgrounds = _in_order(reader, _drawn(rng, empty)[:MAX_BACKGROUNDS])
    return Pool(
        tuple(map_cuts(cut_donor, _cuts(rng, reader, full))),
        tuple(Background(content, record.id) for record, content in backgrounds),
    )


def cut_donor(cut: Cut) -> Donor:
    """Cut a card out of a scene: a pure function of the cut."""
    record, content, index = cut
    image = images.decode(content, record.id)
    card = cutout.flat(image, quads.to_px(record.quads[index], record.size_px), DONOR_PX)
    return Donor(images.encode(card, ".jpg", QUALITY), record.id, cutout.brightness(image))


def _cuts(rng: np.random.Generator, reader: ShardReader, full: list[Record]) -> Iterator[Cut]:
    """Draw the cards of the donors: every scene with one that can be cut out is as likely."""
    choices: dict[str, int] = {}
    for record in _drawn(rng, full):
        if len(choices) == MAX_DONORS:
            break
        usable = [index for index in range(len(record.cards)) if _is_usable(record, index)]
        if usable:
            choices[record.id] = usable[int(rng.integers(len(usable)))]
    chosen = [record for record in full if record.id in choices]
    for record, content in reader.scenes(chosen):
        yield record, content, choices[record.id]


def _drawn(rng: np.random.Generator, records: list[Record]) -> list[Record]:
    return [records[i] for i in rng.permutation(len(records))]


def _in_order(reader: ShardReader, records: list[Record]) -> Iterator[tuple[Record, bytes]]:
    """Read scenes in the order of the shards, as they are read fastest."""
    names = {record.id for record in records}
    return reader.scenes(record for record in reader.records if record.id in names)


def _is_usable(record: Record, index: int) -> bool:
    quad_px = quads.to_px(record.quads[index], record.size_px)
    sides = np.linalg.norm(quads.following(quad_px) - quad_px, axis=1)
    return bool(sides.min() >= MIN_SIDE_PX) and cutout.is_whole(record.quads, index)
