"""MIL operations on TensorFlow kernels: one small function an operation, one table.

Each function takes the operation's inputs as attributes (tensors, NumPy constants, lists of
them, or None where an optional input is absent) and gives its output, or a tuple of outputs.
Tensors are channels first, (N, C, H, W), as MIL has them; arithmetic is float32. Semantics follow
Apple's MIL op reference (apple.github.io/coremltools, source/coremltools.converters.mil.mil.ops).
"""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from meishi.coreml import convolution, resizing
from meishi.keras import tf

Inputs = SimpleNamespace


def _unary(kernel: Callable) -> Callable:
    return lambda o: kernel(o.x)


def _binary(kernel: Callable) -> Callable:
    return lambda o: kernel(*_same_type(o.x, o.y))


def _reduce(kernel: Callable) -> Callable:
    return lambda o: kernel(o.x, axis=_axes(o.axes), keepdims=bool(o.keep_dims))


def _same_type(x, y):
    """Make tensors of two inputs; a constant takes the type of the other."""
    if tf.is_tensor(x):
        return x, tf.cast(y, x.dtype)
    y = tf.convert_to_tensor(y)
    return tf.cast(x, y.dtype), y


def _axes(axes) -> list[int] | None:
    return None if axes is None else [int(axis) for axis in np.atleast_1d(axes)]


def _cast(o: Inputs):
    """Change the type; every float type is float32 here."""
    kinds = {"bool": tf.bool, "int": tf.int32, "uint": tf.int32, "fp": tf.float32}
    return tf.cast(o.x, kinds[o.dtype.rstrip("0123456789")])


def _clip(o: Inputs):
    return tf.clip_by_value(o.x, o.alpha, o.beta)


def _softmax(o: Inputs):
    return tf.nn.softmax(o.x, axis=int(o.axis))


def _leaky_relu(o: Inputs):
    return tf.nn.leaky_relu(o.x, alpha=o.alpha)


def _prelu(o: Inputs):
    alpha = _per_channel(o.alpha, o.x)
    return tf.maximum(o.x, 0.0) + alpha * tf.minimum(o.x, 0.0)


def _elu(o: Inputs):
    return tf.where(o.x > 0, o.x, o.alpha * tf.math.expm1(tf.minimum(o.x, 0.0)))


def _sigmoid_hard(o: Inputs):
    return tf.clip_by_value(o.alpha * o.x + o.beta, 0.0, 1.0)


def _batch_norm(o: Inputs):
    scale = 1.0 / np.sqrt(o.variance + o.epsilon)
    scale = scale if o.gamma is None else scale * o.gamma
    shift = -o.mean * scale + (0.0 if o.beta is None else o.beta)
    return o.x * _per_channel(scale, o.x) + _per_channel(shift, o.x)


def _per_channel(values, x) -> tf.Tensor:
    """Shape (C,) constants to broadcast over axis 1 of x."""
    return tf.reshape(tf.cast(values, x.dtype), [-1] + [1] * (len(x.shape) - 2))


def _linear(o: Inputs):
    y = tf.linalg.matmul(o.x, o.weight, transpose_b=True)
    return y if o.bias is None else y + o.bias


def _matmul(o: Inputs):
    return tf.linalg.matmul(
        *_same_type(o.x, o.y), transpose_a=bool(o.transpose_x), transpose_b=bool(o.transpose_y)
    )


def _transpose(o: Inputs):
    return tf.transpose(o.x, o.perm)


def _reshape(o: Inputs):
    """MIL's 0 keeps the axis at the same place."""
    shape = [o.x.shape[i] if size == 0 else int(size) for i, size in enumerate(o.shape)]
    return tf.reshape(o.x, shape)


def _expand_dims(o: Inputs):
    """Axes count in the result, as in NumPy."""
    rank = len(o.x.shape) + len(o.axes)
    added = {int(axis) % rank for axis in o.axes}
    rest = iter(o.x.shape)
    return tf.reshape(o.x, [1 if axis in added else next(rest) for axis in range(rank)])


def _squeeze(o: Inputs):
    return tf.squeeze(o.x, axis=_axes(o.axes))


def _concat(o: Inputs):
    if o.interleave:
        raise ValueError("concat: interleaved channels are not implemented by this runtime")
    return tf.concat(o.values, axis=int(o.axis))


def _stack(o: Inputs):
    return tf.stack(o.values, axis=int(o.axis))


def _split(o: Inputs):
    parts = int(o.num_splits) if o.split_sizes is None else [int(n) for n in o.split_sizes]
    return tuple(tf.split(o.x, parts, axis=int(o.axis)))


def _slice_by_index(o: Inputs):
    rank = len(o.x.shape)
    stride = np.ones(rank, np.int32) if o.stride is None else o.stride
    masks = [0 if mask is None else _bits(mask) for mask in (o.begin_mask, o.end_mask)]
    squeezed = 0 if o.squeeze_mask is None else _bits(o.squeeze_mask)
    return tf.strided_slice(
        o.x,
        o.begin,
        o.end,
        stride,
        begin_mask=masks[0],
        end_mask=masks[1],
        shrink_axis_mask=squeezed,
    )


def _bits(mask: np.ndarray) -> int:
    return sum(1 << i for i, bit in enumerate(mask) if bit)


def _slice_by_size(o: Inputs):
    return tf.slice(o.x, o.begin, o.size)


def _gather(o: Inputs):
    return tf.gather(o.x, o.indices, axis=int(o.axis))


def _pad(o: Inputs):
    """`pad` speaks of the last axes only."""
    amounts = np.reshape(o.pad, (-1, 2))
    amounts = np.concatenate([np.zeros((len(o.x.shape) - len(amounts), 2), int), amounts])
    if o.mode == "constant":
        return tf.pad(o.x, amounts, constant_values=o.constant_val)
    if o.mode == "reflect":
        return tf.pad(o.x, amounts, mode="REFLECT")
    for axis, (before, after) in enumerate(amounts):  # "replicate": repeat the border
        picks = np.clip(np.arange(-before, o.x.shape[axis] + after), 0, o.x.shape[axis] - 1)
        o.x = tf.gather(o.x, picks, axis=axis)
    return o.x


OPS: dict[str, Callable[[Inputs], object]] = {
    "abs": _unary(tf.abs),
    "add": _binary(tf.add),
    "avg_pool": convolution.avg_pool,
    "batch_norm": _batch_norm,
    "cast": _cast,
    "clip": _clip,
    "concat": _concat,
    "conv": convolution.conv,
    "conv_transpose": convolution.conv_transpose,
    "elu": _elu,
    "exp": _unary(tf.exp),
    "expand_dims": _expand_dims,
    "gather": _gather,
    "gelu": lambda o: tf.nn.gelu(o.x, approximate=o.mode != "EXACT"),
    "identity": _unary(tf.identity),
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "log": lambda o: tf.math.log(o.x + o.epsilon),
    "matmul": _matmul,
    "max_pool": convolution.max_pool,
    "maximum": _binary(tf.maximum),
    "minimum": _binary(tf.minimum),
    "mul": _binary(tf.multiply),
    "pad": _pad,
    "pow": _binary(tf.pow),
    "prelu": _prelu,
    "real_div": _binary(tf.truediv),
    "reduce_max": _reduce(tf.reduce_max),
    "reduce_mean": _reduce(tf.reduce_mean),
    "reduce_sum": _reduce(tf.reduce_sum),
    "relu": _unary(tf.nn.relu),
    "relu6": _unary(tf.nn.relu6),
    "reshape": _reshape,
    "resize_bilinear": resizing.resize_bilinear,
    "resize_nearest_neighbor": resizing.resize_nearest_neighbor,
    "sigmoid": _unary(tf.sigmoid),
    "sigmoid_hard": _sigmoid_hard,
    "silu": _unary(tf.nn.silu),
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "softmax": _softmax,
    "softplus": _unary(tf.nn.softplus),
    "split": _split,
    "sqrt": _unary(tf.sqrt),
    "square": _unary(tf.square),
    "squeeze": _squeeze,
    "stack": _stack,
    "sub": _binary(tf.subtract),
    "tanh": _unary(tf.tanh),
    "transpose": _transpose,
    "upsample_bilinear": resizing.upsample_bilinear,
    "upsample_nearest_neighbor": resizing.upsample_nearest_neighbor,
}
