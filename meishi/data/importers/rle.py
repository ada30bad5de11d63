"""COCO's run lengths: a mask as the lengths of runs of 0 and 1 in turn, column by column.

Compressed, each length is written in 6 bits a character, five of them payload, the differences to
the length two before (from the third on).
"""

import numpy as np

from meishi.pictures.images import MAX_PIXELS


class RleError(ValueError):
    """Run lengths make no mask; the message says why."""


def mask_from_runs(runs: list[int], size_px: tuple[int, int]) -> np.ndarray:
    """Unpack run lengths.

    Args:
        runs: lengths of runs, the first of zeros, column by column.
        size_px: width and height.

    Returns:
        (H, W) bool.

    Raises:
        RleError: if they do not fill the mask exactly, or it is larger than a picture may be.
    """
    width, height = size_px
    if width * height > MAX_PIXELS:
        raise RleError(f"its size is {width}x{height}; {MAX_PIXELS} pixels at most are read")
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise RleError(f"its runs cover {sum(runs)} pixels; the mask has {width * height}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def unpacked_runs(text: str) -> list[int]:
    """Read compressed run lengths.

    Raises:
        RleError: if a character is none of COCO's, or the text ends early.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise RleError(f"its counts hold {character!r}, which is no run length")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise RleError("its counts end within a number")
    return runs
