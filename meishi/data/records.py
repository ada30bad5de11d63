"""A labelled scene as one line of JSON.

In memory a card's quad is (4, 2) float64, relative to the upright image. The lines of a data
source carry pixels ("quad_px", pixel centres at integers), as an annotator sees them; the
pipeline's own shards carry relative coordinates ("quad"). This file reads and writes both.
"""

import json
import re
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from meishi import schema
from meishi.errors import InputError
from meishi.geometry import quads

T = TypeVar("T")

MAX_CARDS = 4
# A card may be cut by the frame: how far a corner may lie outside, how much must be inside.
CORNER_RANGE = (-1.0, 2.0)
MIN_VISIBLE = 0.2

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NAME_RULE = "expected letters, digits, '.', '_', '-'"
_Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


class RecordError(InputError):
    """A line is not a record; the message lists every fault of its form."""


@dataclass(frozen=True, eq=False)
class Card:
    """One card: its amodal outline and the name of its design.

    `quad` is (4, 2) float64, relative, clockwise; it may leave the frame.
    """

    quad: np.ndarray
    design: str


@dataclass(frozen=True, eq=False)
class Record:
    """One scene: where its image lies, and what is in it.

    `shard` is the zip's file name, `image` the name inside it, `sha256` that of the image file;
    `width` and `height` are those of the upright image in pixels.
    """

    id: str
    shard: str
    image: str
    sha256: str
    width: int
    height: int
    cards: tuple[Card, ...]
    backgrounds: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the upright image."""
        return self.width, self.height

    @property
    def quads(self) -> np.ndarray:
        """The cards' quads, (N, 4, 2) float64, relative."""
        return np.array([card.quad for card in self.cards]).reshape(-1, 4, 2)


def parse(line: str) -> Record:
    """Read a line with relative quads.

    Raises:
        RecordError: if it is not JSON of the record's form.
    """
    row = _load(line, _Row)
    return _record(row, tuple(Card(np.array(c.quad), c.design) for c in row.cards))


def parse_source(line: str) -> Record:
    """Read a line of a data source, with quads in pixels.

    Raises:
        RecordError: if it is not JSON of the record's form.
    """
    row = _load(line, _SourceRow)
    if row.width < 1 or row.height < 1:
        raise RecordError(f"width and height: expected 1 at least, got {row.width}x{row.height}")
    size_px = (row.width, row.height)
    cards = [Card(quads.to_relative(np.array(c.quad_px), size_px), c.design) for c in row.cards]
    return _record(row, tuple(cards))


def to_line(record: Record) -> str:
    """Write a record with relative quads, to a millionth of the frame; `parse` inverts it."""
    cards = [{"quad": card.quad.round(6).tolist(), "design": card.design} for card in record.cards]
    return _dump(record, cards)


def to_source_line(record: Record) -> str:
    """Write a record with quads in pixels, to a thousandth; `parse_source` inverts it."""
    cards = [
        {"quad_px": quads.to_px(card.quad, record.size_px).round(3).tolist(), "design": card.design}
        for card in record.cards
    ]
    return _dump(record, cards)


def faults(record: Record) -> list[str]:
    """Say in words what keeps a record from being used; empty when it is sound."""
    found = []
    for key, value in (("id", record.id), ("image", record.image)):
        if not NAME.fullmatch(value):
            found.append(f"{key} {value!r}: {NAME_RULE}")
    if len(record.cards) > MAX_CARDS:
        found.append(f"{len(record.cards)} cards; {MAX_CARDS} at most are allowed in a scene")
    for key, value in record.attributes.items():
        if not isinstance(value, str | int | float):
            found.append(f"attribute {key!r}: expected text, number or bool, got {value!r}")
    for number, card in enumerate(record.cards, start=1):
        if fault := _quad_fault(card.quad):
            px = quads.to_px(card.quad, record.size_px).round(1).tolist()
            found.append(f"card {number}: the quad {fault}: {px}")
    return found


def _quad_fault(quad: np.ndarray) -> str | None:
    if fault := quads.fault(quad):
        return fault
    low, high = CORNER_RANGE
    if quad.min() < low or quad.max() > high:
        return f"is out of range (corners within {low:g} to {high:g} of the frame)"
    visible = quads.visible_share(quad)
    if visible < MIN_VISIBLE:
        return f"lies {visible:.0%} inside the frame ({MIN_VISIBLE:.0%} at least is needed)"
    return None


@dataclass(frozen=True)
class _CardRow:
    quad: _Corners
    design: str


@dataclass(frozen=True)
class _SourceCardRow:
    quad_px: _Corners
    design: str


@dataclass(frozen=True)
class _Common:
    id: str
    shard: str
    image: str
    sha256: str
    width: int
    height: int
    backgrounds: tuple[str, ...]
    attributes: dict


@dataclass(frozen=True)
class _Row(_Common):
    cards: tuple[_CardRow, ...]


@dataclass(frozen=True)
class _SourceRow(_Common):
    cards: tuple[_SourceCardRow, ...]


def _load(line: str, kind: type[T]) -> T:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}") from error
    found: list[schema.Fault] = []
    row = schema.build(kind, value, found)
    if found:
        raise RecordError("; ".join(": ".join(filter(None, (f.where, f.what))) for f in found))
    return row


def _record(row: _Common, cards: tuple[Card, ...]) -> Record:
    common = {field.name: getattr(row, field.name) for field in fields(_Common)}
    return Record(**common, cards=cards)


def _dump(record: Record, cards: list[dict[str, Any]]) -> str:
    row = {field.name: getattr(record, field.name) for field in fields(Record)}
    return json.dumps(row | {"cards": cards}, ensure_ascii=False)
