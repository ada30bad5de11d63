"""Masks of labelled objects, held small: there are thousands, each as large as its photo."""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mask:
    """A binary mask of a whole photo, packed.

    Attributes:
        size_px: width and height of the photo.
        corner_px: column and row of the part that is held; all around it is False.
        part_px: width and height of that part.
        packed: its bits, row by row, compressed.
    """

    size_px: tuple[int, int]
    corner_px: tuple[int, int]
    part_px: tuple[int, int]
    packed: bytes

    def whole(self) -> np.ndarray:
        """Unpack it: (H, W) bool, as large as the photo."""
        (left, top), (width, height) = self.corner_px, self.part_px
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        part = np.unpackbits(bits, count=width * height).reshape(height, width)
        mask = np.zeros(self.size_px[::-1], dtype=bool)
        mask[top : top + height, left : left + width] = part
        return mask


def pack(
    part: np.ndarray, size_px: tuple[int, int] | None = None, corner_px: tuple[int, int] = (0, 0)
) -> Mask:
    """Hold a mask, or a part of one.

    Args:
        part: (h, w) bool; 1 pixel at least.
        size_px: width and height of the photo; those of the part when None.
        corner_px: column and row of the part's first pixel in the photo.

    Raises:
        ValueError: if the part leaves the photo; the message completes "its mask ...".
    """
    height, width = part.shape
    size_px = size_px or (width, height)
    (left, top), (across, down) = corner_px, size_px
    if min(left, top) < 0 or left + width > across or top + height > down:
        raise ValueError(
            f"covers columns {left} to {left + width - 1} and rows {top} to {top + height - 1}; "
            f"the photo is {across}x{down} px"
        )
    packed = zlib.compress(np.packbits(part).tobytes(), 1)
    return Mask(size_px, corner_px, (width, height), packed)
