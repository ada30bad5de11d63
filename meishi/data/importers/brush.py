"""Label Studio's run lengths: a brush mask as the bytes of an RGBA picture, packed bit by bit.

The packing is that of @thi.ng/rle-pack: a header (count of values, bits a value, four sizes of run
lengths), then runs, each of one value repeated or of values one after the other.
"""

import numpy as np

from meishi.data.importers.rle import RleError
from meishi.pictures.images import MAX_PIXELS

CHANNELS = 4
HALF_OPAQUE = 128


class _Bits:
    """Numbers from a stream of bits, the highest bit of a byte first."""

    def __init__(self, content: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in content)
        self._at = 0

    def take(self, count: int) -> int:
        end = self._at + count
        if end > len(self._text):
            raise RleError("its run lengths end early")
        value = int(self._text[self._at : end], 2)
        self._at = end
        return value


def mask_from_brush(packed: list[int], size_px: tuple[int, int]) -> np.ndarray:
    """Unpack a brush mask.

    Args:
        packed: bytes, 0 to 255.
        size_px: width and height of the picture.

    Returns:
        (H, W) bool: where the brush covers at least half.

    Raises:
        RleError: if they are no bytes, end early, or are of a picture of another size.
    """
    width, height = size_px
    if not all(type(value) is int and 0 <= value < 256 for value in packed):
        raise RleError("its run lengths are no bytes")
    if width * height > MAX_PIXELS:
        raise RleError(f"its size is {width}x{height}; {MAX_PIXELS} pixels at most are read")
    bits = _Bits(bytes(packed))
    count, wide = bits.take(32), bits.take(5) + 1
    if count != width * height * CHANNELS or wide != 8:
        raise RleError(
            f"its run lengths are of {count} values of {wide} bits; a picture of {width}x{height} "
            f"px has {width * height * CHANNELS} of 8"
        )
    values = _unpacked(bits, count)
    # Alpha: the colour is the label's.
    return values.reshape(height, width, CHANNELS)[..., CHANNELS - 1] >= HALF_OPAQUE


def _unpacked(bits: _Bits, count: int) -> np.ndarray:
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, dtype=np.uint8)
    start = 0
    while start < count:
        repeated = bits.take(1)
        end = start + 1 + bits.take(sizes[bits.take(2)])
        if end > count:
            raise RleError("its run lengths go beyond the picture")
        if repeated:
            values[start:end] = bits.take(8)
        else:
            values[start:end] = [bits.take(8) for _ in range(end - start)]
        start = end
    return values
