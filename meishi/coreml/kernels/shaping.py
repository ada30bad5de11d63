"""MIL's operations that move values without changing them, and those that make new ones."""

import math
from collections.abc import Sequence

import numpy as np

from meishi.coreml.kernels.arguments import (
    Arguments,
    Kernel,
    axes_of,
    concrete,
    integer,
    integers,
    shape_of,
)
from meishi.keras import tf


def _reshape(o: Arguments):
    """MIL's 0 keeps the axis at the same place, counted from the last."""
    wanted, sizes = integers(o.shape), shape_of(o.x)
    first = len(wanted) - len(sizes)
    kept = [sizes[i - first] if i >= first else 1 for i in range(len(wanted))]
    return tf.reshape(o.x, [k if n == 0 else n for n, k in zip(wanted, kept, strict=True)])


def _reshape_like(o: Arguments):
    shape: list[int] = []
    places = zip(o.ref_tensors, o.begins, o.ends, o.end_masks, strict=True)
    for tensor, begin, end, to_end in places:
        shape += shape_of(tensor)[integer(begin) : None if concrete(to_end) else integer(end)]
    return tf.reshape(o.x, shape)


def _expand_dims(o: Arguments):
    """Axes count in the result, as in NumPy."""
    sizes, axes = shape_of(o.x), integers(o.axes)
    rank = len(sizes) + len(axes)
    added = {axis % rank for axis in axes}
    rest = iter(sizes)
    return tf.reshape(o.x, [1 if axis in added else next(rest) for axis in range(rank)])


def _squeeze(o: Arguments):
    """Axes that are named but are not 1 stay."""
    sizes = shape_of(o.x)
    named = axes_of(o.axes, len(sizes))
    return tf.reshape(o.x, [n for i, n in enumerate(sizes) if n != 1 or i not in named])


def _flatten2d(o: Arguments):
    sizes, axis = shape_of(o.x), integer(o.axis, 1)
    return tf.reshape(o.x, [math.prod(sizes[:axis]), math.prod(sizes[axis:])])


def _concat(o: Arguments):
    axis = integer(o.axis)
    values = [tf.convert_to_tensor(value) for value in o.values]
    values = [value if len(value.shape) else tf.reshape(value, [1]) for value in values]
    if not o.interleave:
        return tf.concat(values, axis=axis)
    sizes = list(shape_of(values[0]))
    axis %= len(sizes)
    sizes[axis] *= len(values)
    return tf.reshape(tf.stack(values, axis=axis + 1), sizes)


def _stack(o: Arguments):
    return tf.stack([tf.convert_to_tensor(value) for value in o.values], axis=integer(o.axis, 0))


def _split(o: Arguments):
    parts = integer(o.num_splits) if o.split_sizes is None else integers(o.split_sizes)
    return tuple(tf.split(o.x, parts, axis=integer(o.axis)))


def _reverse(o: Arguments):
    return tf.reverse(o.x, axes_of(o.axes, len(shape_of(o.x))))


def _reverse_sequence(o: Arguments):
    axes = {"seq_axis": integer(o.seq_axis, 0), "batch_axis": integer(o.batch_axis, 0)}
    return tf.reverse_sequence(o.x, o.lengths, **axes)


def _regrouped(x, inner: Sequence[int], order: Sequence[int], outer: Sequence[int]):
    return tf.reshape(tf.transpose(tf.reshape(x, inner), order), outer)


def _depth_to_space(o: Arguments):
    """The block is the slow part of the channels, as in TensorFlow."""
    (n, c, h, w), b = shape_of(o.x), integer(o.block_size)
    c //= b * b
    return _regrouped(o.x, (n, b, b, c, h, w), (0, 3, 4, 1, 5, 2), (n, c, h * b, w * b))


def _space_to_depth(o: Arguments):
    (n, c, h, w), b = shape_of(o.x), integer(o.block_size)
    h, w = h // b, w // b
    return _regrouped(o.x, (n, c, h, b, w, b), (0, 3, 5, 1, 2, 4), (n, c * b * b, h, w))


def _pixel_shuffle(o: Arguments):
    """The block is the fast part of the channels, as in PyTorch."""
    (n, c, h, w), f = shape_of(o.x), integer(o.upscale_factor)
    c //= f * f
    return _regrouped(o.x, (n, c, f, f, h, w), (0, 1, 4, 2, 5, 3), (n, c, h * f, w * f))


def _pixel_unshuffle(o: Arguments):
    (n, c, h, w), f = shape_of(o.x), integer(o.downscale_factor)
    h, w = h // f, w // f
    return _regrouped(o.x, (n, c, h, f, w, f), (0, 1, 3, 5, 2, 4), (n, c * f * f, h, w))


def _space_to_batch(o: Arguments):
    x = tf.transpose(o.x, (0, 2, 3, 1))
    y = tf.space_to_batch(x, integers(o.block_shape), concrete(o.paddings))
    return tf.transpose(y, (0, 3, 1, 2))


def _batch_to_space(o: Arguments):
    x = tf.transpose(o.x, (0, 2, 3, 1))
    y = tf.batch_to_space(x, integers(o.block_shape), concrete(o.crops))
    return tf.transpose(y, (0, 3, 1, 2))


def _band_part(o: Arguments):
    """Diagonals that lie beyond the matrix are all of its own, which the kernel wants as -1."""
    kept = integer(o.lower, -1), integer(o.upper, -1)
    sizes = shape_of(o.x)[-2:]
    return tf.linalg.band_part(
        o.x, *(n if n < size else -1 for n, size in zip(kept, sizes, strict=True))
    )


def _range_1d(o: Arguments) -> np.ndarray:
    bounds = [concrete(part) for part in (o.start, o.end, o.step)]
    kind = np.int32 if all(bound.dtype.kind == "i" for bound in bounds) else np.float32
    start, end, step = (bound.item() for bound in bounds)
    return np.arange(start, end, step).astype(kind)


def _fill(o: Arguments):
    value = np.float32(0) if o.value is None else o.value
    return tf.fill(integers(o.shape), tf.convert_to_tensor(value))


def _fill_like(o: Arguments):
    value = np.float32(0) if o.value is None else o.value
    return tf.fill(list(shape_of(o.ref_tensor)), tf.convert_to_tensor(value))


def _one_hot(o: Arguments):
    on, off = (np.int32(1) if o.on_value is None else o.on_value), o.off_value
    on = tf.convert_to_tensor(on)
    off = tf.cast(0 if off is None else off, on.dtype)
    axis = integer(o.axis, -1) % (len(shape_of(o.indices)) + 1)
    hot = tf.one_hot(o.indices, integer(o.one_hot_vector_size), axis=axis)
    return tf.where(hot > 0, on, off)


def _non_zero(o: Arguments) -> np.ndarray:
    return np.argwhere(concrete(o.x)).astype(np.int32)


OPS: dict[str, Kernel] = {
    "band_part": _band_part,
    "batch_to_space": _batch_to_space,
    "concat": _concat,
    "depth_to_space": _depth_to_space,
    "expand_dims": _expand_dims,
    "fill": _fill,
    "fill_like": _fill_like,
    "flatten2d": _flatten2d,
    "non_zero": _non_zero,
    "one_hot": _one_hot,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "range_1d": _range_1d,
    "reshape": _reshape,
    "reshape_like": _reshape_like,
    "reverse": _reverse,
    "reverse_sequence": _reverse_sequence,
    "shape": lambda o: np.array(shape_of(o.x), np.int32),
    "space_to_batch": _space_to_batch,
    "space_to_depth": _space_to_depth,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": lambda o: tf.tile(o.x, integers(o.reps)),
    "transpose": lambda o: tf.transpose(o.x, integers(o.perm)),
}
