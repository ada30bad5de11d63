"""MIL's elementwise operations of one and two inputs, comparisons, casts and quantisation.

Semantics follow Apple's MIL reference (apple.github.io/coremltools, "MIL Ops"). Every float type is
computed in float32 and every integer type in int32.
"""

from collections.abc import Callable

import numpy as np

from meishi.coreml.kernels.arguments import (
    Arguments,
    Kernel,
    concrete,
    integer,
    same_type,
    shape_of,
)
from meishi.keras import tf

_EPSILON = {"inverse": 1e-4, "log": 1e-45, "rsqrt": 1e-12}
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
_NARROW = ("int8", "uint8", "int16", "uint16")


def _unary(kernel: Callable) -> Kernel:
    return lambda o: kernel(tf.convert_to_tensor(o.x))


def _binary(kernel: Callable) -> Kernel:
    return lambda o: kernel(*same_type(o.x, o.y))


def _logical(kernel: Callable) -> Kernel:
    return lambda o: kernel(tf.cast(o.x, tf.bool), tf.cast(o.y, tf.bool))


def _epsilon(o: Arguments, name: str) -> np.float32:
    return np.float32(_EPSILON[name] if o.epsilon is None else concrete(o.epsilon))


def _log(o: Arguments) -> tf.Tensor:
    """Return log(x + epsilon), also where the sum is so small that TensorFlow takes it for zero."""
    epsilon = _epsilon(o, "log")
    total = o.x + epsilon
    if not epsilon > 0:
        return tf.math.log(total)
    least = np.float32(np.log(np.float64(epsilon)))
    return tf.where((total == 0) & (o.x == 0), tf.cast(least, total.dtype), tf.math.log(total))


def _keeping_integers(kernel: Callable) -> Callable:
    """Compute integers in float64 and truncate, as MIL does for a division of integers."""

    def apply(x, y):
        if x.dtype.is_integer:
            wide = kernel(tf.cast(x, tf.float64), tf.cast(y, tf.float64))
            return tf.cast(wide, x.dtype)
        return kernel(x, y)

    return apply


def _dividing(kernel: Callable) -> Callable:
    """Divide integers by 0, too, to 0 as NumPy does: a model may leave out what that gives."""

    def apply(x, y):
        if x.dtype.is_integer:
            by_none = tf.equal(y, 0)
            value = kernel(x, tf.where(by_none, tf.ones_like(y), y))
            return tf.where(by_none, tf.zeros_like(value), value)
        return kernel(x, y)

    return apply


def _pow(x, y):
    """Of integers too, whose negative powers are fractions: truncated, and those of 0 are 0."""
    if x.dtype.is_integer:
        whole = tf.pow(x, tf.maximum(y, 0))  # x ** y, or 1
        sign = tf.where(tf.equal(y % 2, 0), 1, x)
        return tf.where(y >= 0, whole, tf.where(tf.equal(tf.abs(x), 1), sign, 0))
    return tf.pow(x, y)


def _exp2(x):
    """Of integers too, whose negative powers are fractions: truncated to 0."""
    if x.dtype.is_integer:
        return tf.cast(tf.pow(np.float64(2), tf.cast(x, tf.float64)), x.dtype)
    return tf.pow(tf.cast(2, x.dtype), x)


def _cast(o: Arguments):
    """Change the type; floats become integers by truncation, and 8 or 16 bits wrap round."""
    kinds = {"bool": tf.bool, "int": tf.int32, "uint": tf.int32, "fp": tf.float32}
    name = str(concrete(o.dtype))
    kind = name.rstrip("0123456789")
    if kind not in kinds:
        raise ValueError(f"cast: to {name} is not implemented by this runtime")
    y = tf.cast(o.x, kinds[kind])
    return tf.cast(tf.cast(y, getattr(tf, name)), tf.int32) if name in _NARROW else y


def _clip(o: Arguments):
    # Where alpha is above beta, beta holds: `tf.clip_by_value` takes them in the other order.
    return tf.minimum(tf.maximum(o.x, o.alpha), o.beta)


def _select(o: Arguments):
    a, b = same_type(o.a, o.b)
    return tf.where(tf.cast(o.cond, tf.bool), a, b)


def _quantize(o: Arguments):
    scale, zero_point = _grid(o)
    low, high = _LIMITS[str(concrete(o.output_dtype))]
    return tf.cast(tf.clip_by_value(tf.round(o.input / scale) + zero_point, low, high), tf.int32)


def _dequantize(o: Arguments):
    scale, zero_point = _grid(o)
    return (tf.cast(o.input, tf.float32) - zero_point) * scale


def _grid(o: Arguments) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and zero point, shaped for the axis they belong to."""
    scale = concrete(o.scale).astype(np.float32)
    zero = concrete(0 if o.zero_point is None else o.zero_point).astype(np.float32)
    if scale.ndim == 0:
        return scale, zero
    rank = len(shape_of(o.input))
    shape = [1] * rank
    shape[integer(o.axis) % rank] = -1
    return scale.reshape(shape), zero.reshape(shape) if zero.ndim else zero


OPS: dict[str, Kernel] = {
    "abs": _unary(tf.abs),
    "acos": _unary(tf.acos),
    "add": _binary(tf.add),
    "asin": _unary(tf.asin),
    "atan": _unary(tf.atan),
    "atanh": _unary(tf.atanh),
    "cast": _cast,
    "ceil": _unary(tf.math.ceil),
    "clip": _clip,
    "cos": _unary(tf.cos),
    "cosh": _unary(tf.cosh),
    "dequantize": _dequantize,
    "equal": _binary(tf.equal),
    "erf": _unary(tf.math.erf),
    "exp": _unary(tf.exp),
    "exp2": _unary(_exp2),
    "floor": _unary(tf.floor),
    "floor_div": _binary(_dividing(tf.math.floordiv)),
    "greater": _binary(tf.greater),
    "greater_equal": _binary(tf.greater_equal),
    "identity": _unary(tf.identity),
    "inverse": lambda o: 1.0 / (o.x + _epsilon(o, "inverse")),
    "less": _binary(tf.less),
    "less_equal": _binary(tf.less_equal),
    "log": _log,
    "logical_and": _logical(tf.logical_and),
    "logical_not": lambda o: tf.logical_not(tf.cast(o.x, tf.bool)),
    "logical_or": _logical(tf.logical_or),
    "logical_xor": _logical(tf.math.logical_xor),
    "maximum": _binary(tf.maximum),
    "minimum": _binary(tf.minimum),
    "mod": _binary(_dividing(tf.math.floormod)),
    "mul": _binary(tf.multiply),
    "not_equal": _binary(tf.not_equal),
    "pow": _binary(_pow),
    "quantize": _quantize,
    "real_div": _binary(_dividing(_keeping_integers(tf.truediv))),
    "round": _unary(tf.round),
    "rsqrt": lambda o: tf.math.rsqrt(o.x + _epsilon(o, "rsqrt")),
    "select": _select,
    "sign": _unary(tf.sign),
    "sin": _unary(tf.sin),
    "sinh": _unary(tf.sinh),
    "sqrt": _unary(tf.sqrt),
    "square": _unary(tf.square),
    "sub": _binary(tf.subtract),
    "tan": _unary(tf.tan),
    "threshold": lambda o: tf.maximum(*same_type(o.x, o.alpha)),
}
