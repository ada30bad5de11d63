"""What the nets see of prepared scenes: the images on which conversions are compared."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from meishi.data.choosing import spread
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.geometry import boxes, crops, directions, flat_views, quads
from meishi.pictures import images

Scene = tuple[Record, np.ndarray]


def read_scenes(folder: Path, count: int) -> list[Scene]:
    """Read up to `count` scenes of a prepared split, spread evenly over it."""
    reader = ShardReader(folder)
    chosen = reader.scenes(reader.records[pick] for pick in spread(len(reader), count))
    return [(record, images.decode(content, record.image)) for record, content in chosen]


def detector_images(scenes: Sequence[Scene], side_px: int) -> list[np.ndarray]:
    """Stretch each scene to the detector's input: (side, side, 3) uint8."""
    return [_stretched(record, image, side_px) for record, image in scenes]


def segmenter_images(scenes: Sequence[Scene], side_px: int, margin: float) -> list[np.ndarray]:
    """Crop each scene around its first card, or stretch one without a card: (side, side, 3)."""
    found = []
    for record, image in scenes:
        if not record.cards:
            found.append(_stretched(record, image, side_px))
            continue
        box_xyxy = boxes.from_quads(record.quads)[0]
        crop = crops.crop_from_image(box_xyxy, record.size_px, side_px, margin)
        found.append(crops.warp(image, crop, (side_px, side_px)))
    return found


def flat_images(scenes: Sequence[Scene], side_px: int, margin: float) -> list[np.ndarray]:
    """Show each scene's first card flat, with what lies around it: (side, side, 3).

    Of a scene without a card the frame stands for one.
    """
    found = []
    for record, image in scenes:
        frame = record.quads[0] if record.cards else quads.FRAME
        quad_px = quads.to_px(frame, record.size_px)
        found.append(flat_views.cut(image, quad_px, side_px, margin)[0])
    return found


def classifier_images(scenes: Sequence[Scene], side_px: int) -> list[np.ndarray]:
    """Show each scene's first card flat, or stretch a scene without a card: (side, side, 3)."""
    found = []
    for record, image in scenes:
        frame = record.quads[0] if record.cards else quads.FRAME
        found.append(directions.view(image, quads.to_px(frame, record.size_px), side_px))
    return found


def _stretched(record: Record, image: np.ndarray, side_px: int) -> np.ndarray:
    return crops.warp(image, crops.stretch(record.size_px, side_px), (side_px, side_px))
