"""Percent of the frame in place of pixels, which some writers put into formats of pixels.

Nothing in such a file says so; but no photographer puts every card of every photo into the first
hundred pixels of its top left corner.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from meishi.data.records import Record
from meishi.geometry import quads

IN_PIXELS = ("coco", "cvat", "labelme")  # formats whose coordinates are pixels
LARGEST = 101.0  # a card's corners go to 100 %, and a bit beyond
MIN_SIDE_PX = 400  # of each photo: in a smaller one the corner is a good part of it


def in_pixels(
    scenes: Iterable[tuple[Record, bytes]], kind: str, path: Path, faults: list[str]
) -> Iterator[tuple[Record, bytes]]:
    """Pass scenes on; a fault follows if all their cards lie as percent would.

    Args:
        scenes: of one export.
        kind: its format.
        path: of the export, for the message.
        faults: receives it.
    """
    looks_so, cards, smallest = kind in IN_PIXELS, 0, np.inf
    for record, content in scenes:
        if record.cards:
            corners_px = [quads.to_px(quad, record.size_px) for quad in record.quads]
            looks_so &= min(record.size_px) >= MIN_SIDE_PX and np.max(corners_px) <= LARGEST
            cards, smallest = cards + len(record.cards), min(smallest, *record.size_px)
        yield record, content
    if looks_so and cards:
        faults.append(
            f"{path}: all {cards} outlines lie in the first {LARGEST:.0f} px of photos of "
            f"{smallest:.0f} px and more: percent of the frame? expected pixels; export again, or "
            "multiply by the photo's width and height / 100"
        )
