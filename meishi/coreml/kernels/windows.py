"""Windows that slide over (N, C, *D): their padding, and channels last and back."""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, concrete, integers, shape_of
from meishi.keras import tf


def pad_type(o: Arguments) -> str:
    """Return `valid`, `same`, `same_lower` or `custom`."""
    return "valid" if o.pad_type is None else str(concrete(o.pad_type)).lower()


def padding(o: Arguments, extent, strides) -> list[int]:
    """Return (before, after) for each axis, for a window of `extent` values."""
    kind = pad_type(o)
    if kind == "valid" or (kind == "custom" and o.pad is None):
        return [0, 0] * len(extent)
    if kind == "custom":
        return integers(o.pad)
    pads = []
    for size, window, stride in zip(shape_of(o.x)[2:], extent, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        small, large = total // 2, total - total // 2
        pads += [small, large] if kind == "same" else [large, small]
    return pads


def padded(x, pads: list[int], value: float = 0.0):
    """Pad the axes behind the channels."""
    amounts = np.reshape(pads, (-1, 2)).tolist()
    return tf.pad(x, [[0, 0], [0, 0], *amounts], constant_values=value) if any(pads) else x


def channels_last(x):
    """(N, C, *D) to (N, *D, C)."""
    return tf.transpose(x, (0, *range(2, len(x.shape)), 1))


def channels_first(x):
    """(N, *D, C) to (N, C, *D)."""
    last = len(x.shape) - 1
    return tf.transpose(x, (0, last, *range(1, last)))
