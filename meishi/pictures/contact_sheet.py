"""Contact sheets: many small pictures with their quads, for people to look at before training."""

import numpy as np

from meishi.data.choosing import spread
from meishi.data.shards import ShardReader
from meishi.geometry import quads
from meishi.pictures import images
from meishi.pictures.overlay import TRUTH, draw_quad, draw_text

ROWS, SHOWN = 8, 3  # scenes on the sheet of the augmentation, frames and crops of each
AUGMENTED_PX = 180
QUALITY = 85

Packed = tuple[bytes, list]  # a sample as training reads it: JPEG file and quads, relative


def tile(image: np.ndarray, card_quads: np.ndarray, side_px: int, label: str = "") -> np.ndarray:
    """Shrink a picture into a white square, with its quads drawn.

    Args:
        image: RGB uint8.
        card_quads: (N, 4, 2) relative.
        side_px: of the square.
        label: written into its lower left corner.

    Returns:
        (side_px, side_px, 3) RGB uint8, the picture at its left top.
    """
    small = images.shrink(image, side_px).copy()
    height, width = small.shape[:2]
    for quad in card_quads:
        draw_quad(small, quads.to_px(quad, (width, height)), TRUTH, max(1, side_px // 120))
    square = np.full((side_px, side_px, 3), 255, np.uint8)
    square[:height, :width] = small
    if label:
        draw_text(square, label, np.array([4, side_px - 6]), 0.7)
    return square


def grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Join equal tiles, row by row; the last row is filled up with white."""
    columns = min(columns, len(tiles))
    padded = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.vstack(rows)


class AugmentedSheet:
    """Before and after: some scenes, and the first frames and crops that were made of each."""

    def __init__(self, reader: ShardReader):
        """Choose ROWS scenes, spread evenly over the reader's."""
        self.reader = reader
        self.numbers = set(spread(len(reader), ROWS))
        self.tiles: list[np.ndarray] = []

    def add(self, number: int, frames: list[Packed], crops: list[Packed]) -> None:
        """Show a scene, if it was chosen.

        Args:
            number: of the scene, in the reader's order.
            frames: of the scene, as (JPEG file, quads).
            crops: likewise.
        """
        if number not in self.numbers:
            return
        [(record, content)] = self.reader.scenes([self.reader.records[number]])
        before = images.decode(content, record.id)
        self.tiles.append(tile(before, record.quads, AUGMENTED_PX, record.id))
        for kind, made in (("frame", frames), ("crop", crops)):
            # Crops are made card by card: these are of as many cards as can be.
            chosen = spread(len(made), SHOWN)
            shown = [_sample_tile(made[i], f"{kind} {i}") for i in chosen]
            blank = np.full((AUGMENTED_PX, AUGMENTED_PX, 3), 255, np.uint8)
            self.tiles += shown + [blank] * (SHOWN - len(shown))  # a kind keeps its columns

    def jpeg(self) -> bytes:
        """Return the sheet as a file: a row for each scene."""
        return images.encode(grid(self.tiles, 1 + 2 * SHOWN), ".jpg", QUALITY)


def _sample_tile(sample: Packed, label: str) -> np.ndarray:
    jpeg, card_quads = sample
    shape = np.array(card_quads).reshape(-1, 4, 2)
    return tile(images.decode(jpeg, label), shape, AUGMENTED_PX, label)
