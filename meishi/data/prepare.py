"""One scene in the form the pipeline works on.

Quads canonical (first corner the top left one, as the photo shows the card), images no larger
than needed and in a plain form that any decoder reads alike.
"""

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from meishi.data.records import Card, Record
from meishi.geometry import quads
from meishi.params import PreprocessParams
from meishi.pictures import images

JPEG_QUALITY = 95


def prepare(record: Record, content: bytes, params: PreprocessParams) -> tuple[Record, bytes]:
    """Bring a scene into the pipeline's form.

    Args:
        record: the scene; its quads may start at any corner.
        content: its image file.
        params: the largest side.

    Returns:
        The record with canonical quads, and the image file: as it was if it is upright RGB and
        no larger than allowed, a JPEG otherwise.
    """
    cards = tuple(replace(card, quad=_canonical(card, record)) for card in record.cards)
    record = replace(record, cards=cards)
    if max(record.size_px) <= params.max_side_px and images.is_plain(content):
        return record, content
    small = images.shrink(images.decode(content, record.image), params.max_side_px)
    name = PurePosixPath(record.image).with_suffix(".jpg").name
    height, width = small.shape[:2]
    record = replace(record, image=name, width=width, height=height)
    return record, images.encode(small, ".jpg", JPEG_QUALITY)


def _canonical(card: Card, record: Record) -> np.ndarray:
    # In pixels: the order is decided by angles, which relative coordinates distort.
    outline_px = quads.canonical(quads.to_px(card.quad, record.size_px))
    return quads.to_relative(outline_px, record.size_px)
