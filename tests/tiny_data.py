"""A small data source, drawn on the spot: cards as white quads with dark lines on plain desks."""

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from meishi.data.manifest import WeightsEntry, write_source
from meishi.data.records import Card, Record
from meishi.geometry import quads
from meishi.pictures import images

SIZE_PX = (160, 120)
ABOUT = {
    "name": "tiny",
    "licence": "Apache-2.0",
    "sources": [{"name": "drawn", "licence": "Apache-2.0", "url": "https://example.org"}],
}
WEIGHTS = WeightsEntry("weights/efficientnet_lite0.npz", "", "Apache-2.0", "drawn")


def draw_scene(number: int, cards: int, group: int) -> tuple[Record, bytes]:
    """Draw one scene; scenes of a group share a design and a background."""
    rng = np.random.default_rng(number)
    image = np.full((SIZE_PX[1], SIZE_PX[0], 3), rng.integers(40, 120, 3), np.uint8)
    image += rng.integers(0, 20, image.shape, dtype=np.uint8)
    drawn = []
    for slot in range(cards):
        quad_px = _card_px(rng, slot, cards)
        cv2.fillConvexPoly(image, quad_px.round().astype(np.int32), (240, 240, 235))
        top, bottom = quad_px[:2].mean(axis=0), quad_px[2:].mean(axis=0)
        for share in (0.3, 0.5, 0.7):
            centre = top * (1 - share) + bottom * share
            left, right = (centre + [[-8, 0], [8, 0]]).round().astype(int)
            cv2.line(image, tuple(map(int, left)), tuple(map(int, right)), (60, 60, 70), 1)
        drawn.append(Card(quads.to_relative(quad_px, SIZE_PX), f"design-{group}"))
    name = f"s{number:05d}"
    attributes = {"cards": cards, "surface": "plain"}
    record = Record(
        id=name,
        shard="",
        image=f"{name}.webp",
        sha256="",
        width=SIZE_PX[0],
        height=SIZE_PX[1],
        cards=tuple(drawn),
        backgrounds=(f"desk-{group}",),
        attributes=attributes,
    )
    return record, images.encode(image, ".webp")


def scenes(groups: int = 6, scenes_per_group: int = 3) -> Iterator[tuple[Record, bytes]]:
    """Draw scenes with 0, 1, 2, 0, 1, 2, ... cards."""
    for number in range(groups * scenes_per_group):
        yield draw_scene(number, number % 3, number // scenes_per_group)


def write_data(folder: Path, drawn: Iterator[tuple[Record, bytes]] | None = None) -> None:
    """Write the source, manifest and stand-in weights included."""
    weights = io.BytesIO()
    np.savez_compressed(weights, **{"stem/kernel": np.zeros(1, np.float16)})
    shown = scenes() if drawn is None else drawn
    write_source(folder, shown, ABOUT, (WEIGHTS, weights.getvalue()))


def _card_px(rng: np.random.Generator, slot: int, cards: int) -> np.ndarray:
    """Place one card in its slice of the frame, so that no two overlap: (4, 2)."""
    width = SIZE_PX[0] / cards
    centre = np.array([width * (slot + 0.5), SIZE_PX[1] / 2]) + rng.uniform(-3, 3, 2)
    corners = np.array([[-28, -17], [28, -17], [28, 17], [-28, 17]]) + rng.uniform(-3, 3, (4, 2))
    angle = rng.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return centre + corners @ turn.T
