"""MIL's slices, gathers, scatters and paddings."""

import numpy as np

from meishi.coreml.kernels.arguments import (
    Arguments,
    Kernel,
    NeedsValues,
    concrete,
    held,
    integer,
    integers,
    same_type,
    shape_of,
)
from meishi.coreml.kernels.reduction import take_along_axis
from meishi.keras import tf


def _slices(o: Arguments) -> tuple[list, list, list, dict[str, int]]:
    """Return begin, end and stride, and the masks of TensorFlow's strided slice.

    In a loop, TensorFlow's converter writes a begin and an end of the first axes only; the rest of
    the axes is whole then.
    """
    rank = len(shape_of(o.x))
    begin, end = integers(o.begin), integers(o.end)
    stride = _completed(o.stride, rank, 1)
    masks = [_completed(mask, rank, 0) for mask in (o.begin_mask, o.end_mask, o.squeeze_mask)]
    for bounds, mask in ((begin, masks[0]), (end, masks[1])):
        absent = rank - len(bounds)
        mask[rank - absent :] = [1] * absent
        bounds += [0] * absent
    for axis in range(rank):
        if masks[2][axis]:  # one element; the kernel wants its stride positive
            begin[axis], stride[axis] = (0 if masks[0][axis] else begin[axis]), 1
    names = ("begin_mask", "end_mask", "shrink_axis_mask")
    return begin, end, stride, dict(zip(names, map(_bits, masks), strict=True))


def _bits(mask: list[int]) -> int:
    return sum(1 << i for i, bit in enumerate(mask) if bit)


def _completed(values, rank: int, absent: int) -> list[int]:
    """Return a value for each axis."""
    given = [] if values is None else integers(values)
    return given + [absent] * (rank - len(given))


def _slice_by_index(o: Arguments):
    begin, end, stride, masks = _slices(o)
    return tf.strided_slice(o.x, begin, end, stride, **masks)


def _slice_update(o: Arguments):
    """Replace what `slice_by_index` would return; the bounds may be values of a run."""
    sizes = shape_of(o.x)
    try:
        begin, end, stride, masks = _slices(o)
    except NeedsValues:
        return _updated_at_run(o, sizes)
    places = tf.reshape(tf.range(int(np.prod(sizes))), sizes)
    where = tf.reshape(tf.strided_slice(places, begin, end, stride, **masks), [-1, 1])
    x, update = same_type(o.x, o.update)
    flat = tf.tensor_scatter_nd_update(tf.reshape(x, [-1]), where, tf.reshape(update, [-1]))
    return tf.reshape(flat, sizes)


def _updated_at_run(o: Arguments, sizes: tuple[int, ...]):
    rank = len(sizes)
    names = ("begin_mask", "end_mask", "squeeze_mask")
    begin, end, *squeezed = (_completed(getattr(o, name), rank, 0) for name in names)
    if any(squeezed[0]) or {*shape_of(o.begin), *shape_of(o.end)} != {rank}:
        raise NeedsValues
    x, update = same_type(o.x, o.update)
    updated = tf.raw_ops.TensorStridedSliceUpdate(
        input=x,
        begin=tf.cast(o.begin, tf.int32),
        end=tf.cast(o.end, tf.int32),
        strides=_completed(o.stride, rank, 1),
        value=update,
        begin_mask=_bits(begin),
        end_mask=_bits(end),
    )
    return tf.ensure_shape(updated, sizes)


def _slice_by_size(o: Arguments):
    """A size of -1 goes to the end; a negative begin counts from it."""
    sizes = shape_of(o.x)
    begin = [b + n if b < 0 else b for b, n in zip(integers(o.begin), sizes, strict=True)]
    return tf.slice(o.x, begin, integers(o.size))


def _from_front(o: Arguments, size: int | np.ndarray):
    """Count negative indices from the front.

    Where they are to be validated (iOS 17) a negative one is out of bounds: TensorFlow refuses it.
    """
    indices = tf.cast(o.indices, tf.int32)
    return (
        indices
        if integer(o.validate_indices, 0)
        else tf.where(indices < 0, indices + size, indices)
    )


def _gather(o: Arguments):
    sizes = shape_of(o.x)
    axis = integer(o.axis, 0) % len(sizes)
    indices = _from_front(o, sizes[axis])
    return tf.gather(held(o.x), indices, axis=axis, batch_dims=integer(o.batch_dims, 0))


def _gather_along_axis(o: Arguments):
    sizes = shape_of(o.x)
    axis = integer(o.axis, 0) % len(sizes)
    return take_along_axis(tf.convert_to_tensor(o.x), _from_front(o, sizes[axis]), axis)


def _gather_nd(o: Arguments):
    batch = integer(o.batch_dims, 0)
    depth = shape_of(o.indices)[-1]
    indices = _from_front(o, np.array(shape_of(o.x)[batch : batch + depth], np.int32))
    return tf.gather_nd(o.x, indices, batch_dims=batch)


def _scattered(data, indices, updates, mode: str):
    """Change `data` at rows of indices (..., depth)."""
    kernels = {
        "update": tf.tensor_scatter_nd_update,
        "add": tf.tensor_scatter_nd_add,
        "sub": tf.tensor_scatter_nd_sub,
        "max": tf.tensor_scatter_nd_max,
        "min": tf.tensor_scatter_nd_min,
    }
    data, updates = same_type(data, updates)
    if mode in kernels:
        return kernels[mode](data, indices, updates)
    arithmetic = {"mul": np.multiply, "div": np.divide}
    result = concrete(data).copy()
    places = tuple(np.moveaxis(concrete(indices), -1, 0))
    if any((place < 0).any() for place in places):  # NumPy would count from the end
        raise ValueError("an index is out of bounds")
    arithmetic[mode].at(result, places, concrete(updates))
    return tf.constant(result)


def _mode(o: Arguments) -> str:
    return "add" if o.mode is None else str(concrete(o.mode))


def _scatter(o: Arguments):
    """Change whole slices along an axis."""
    sizes, inner = shape_of(o.data), len(shape_of(o.indices))
    axis = integer(o.axis, 0) % len(sizes)
    front = [axis, *(i for i in range(len(sizes)) if i != axis)]
    moved = list(range(axis, axis + inner))
    rest = [i for i in range(len(sizes) - 1 + inner) if i not in moved]
    updates = tf.transpose(o.updates, moved + rest)
    indices = _from_front(o, sizes[axis])[..., None]
    result = _scattered(tf.transpose(o.data, front), indices, updates, _mode(o))
    return tf.transpose(result, np.argsort(front))


def _scatter_along_axis(o: Arguments):
    sizes, shape = shape_of(o.data), shape_of(o.indices)
    axis = integer(o.axis, 0) % len(sizes)
    grid = list(tf.meshgrid(*[tf.range(n) for n in shape], indexing="ij"))
    grid[axis] = _from_front(o, sizes[axis])
    return _scattered(o.data, tf.stack(grid, axis=-1), o.updates, _mode(o))


def _scatter_nd(o: Arguments):
    depth = shape_of(o.indices)[-1]
    indices = _from_front(o, np.array(shape_of(o.data)[:depth], np.int32))
    return _scattered(o.data, indices, o.updates, _mode(o))


def _pad(o: Arguments):
    """`pad` speaks of the last axes only."""
    sizes = shape_of(o.x)
    amounts = np.reshape(integers(o.pad), (-1, 2))
    amounts = np.concatenate([np.zeros((len(sizes) - len(amounts), 2), int), amounts])
    mode = "constant" if o.mode is None else str(concrete(o.mode))
    x = tf.convert_to_tensor(o.x)
    if mode == "constant":
        value = 0 if o.constant_val is None else concrete(o.constant_val)
        return tf.pad(x, amounts, constant_values=tf.cast(value, x.dtype))
    if mode == "reflect":
        return tf.pad(x, amounts, mode="REFLECT")
    for axis, (before, after) in enumerate(amounts):  # "replicate": repeat the border
        if before or after:
            picks = np.clip(np.arange(-before, sizes[axis] + after), 0, sizes[axis] - 1)
            x = tf.gather(x, picks, axis=axis)
    return x


def _crop(o: Arguments):
    (top, bottom), (left, right) = integers(o.crop_height), integers(o.crop_width)
    height, width = shape_of(o.x)[-2:]
    return o.x[..., top : height - bottom, left : width - right]


def _sliding_windows(o: Arguments):
    sizes, size, stride = shape_of(o.x), integer(o.size), integer(o.stride, 1)
    axis = integer(o.axis) % len(sizes)
    firsts = np.arange(0, sizes[axis] - size + 1, stride)
    return tf.gather(o.x, firsts[:, None] + np.arange(size), axis=axis)


OPS: dict[str, Kernel] = {
    "crop": _crop,
    "gather": _gather,
    "gather_along_axis": _gather_along_axis,
    "gather_nd": _gather_nd,
    "pad": _pad,
    "scatter": _scatter,
    "scatter_along_axis": _scatter_along_axis,
    "scatter_nd": _scatter_nd,
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "slice_update": _slice_update,
    "sliding_windows": _sliding_windows,
}
