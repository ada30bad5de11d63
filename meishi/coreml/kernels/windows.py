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
    if not any(pads):
        return x
    amounts = np.reshape(pads, (-1, 2)).tolist()
    twin = kept_last(x)
    if twin is not None:
        return channels_first(tf.pad(twin, [[0, 0], *amounts, [0, 0]], constant_values=value))
    return tf.pad(x, [[0, 0], [0, 0], *amounts], constant_values=value)


def channels_last(x):
    """(N, C, *D) to (N, *D, C)."""
    kept = kept_last(x)
    return tf.transpose(x, (0, *range(2, len(x.shape)), 1)) if kept is None else kept


def channels_first(x):
    """(N, *D, C) to (N, C, *D); in a graph the result remembers what it was made of."""
    last = len(x.shape) - 1
    y = tf.transpose(x, (0, last, *range(1, last)))
    if not isinstance(y, tf.__internal__.EagerTensor):
        y.channels_last_twin = x
    return y


def kept_last(x):
    """Return the channels-last twin of a tensor in a graph; None if it has none."""
    return getattr(x, "channels_last_twin", None)


def pointwise_last(inputs: dict) -> dict | None:
    """Turn the inputs of an operation that works value by value to channels last.

    Between two convolutions its result then needs no transposing, there and back; a graph drops
    the transposes that nothing uses.

    Returns:
        The inputs by name, or None if a tensor has no twin or a constant is more than one value.
    """
    turned, rank = {}, max(len(np.shape(value)) for value in inputs.values())
    for name, value in inputs.items():
        if tf.is_tensor(value):
            turned[name] = kept_last(value)
            if turned[name] is None:
                return None
        elif isinstance(value, np.ndarray) and value.ndim and value.size > 1:
            return None
        else:
            scalar = isinstance(value, np.ndarray) and value.size == 1
            turned[name] = value.reshape(()) if scalar else value
    ranks = {len(value.shape) for value in turned.values() if tf.is_tensor(value)}
    return turned if ranks == {rank} else None
