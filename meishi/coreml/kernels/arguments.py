"""What the kernels of MIL operations share: their inputs, and the values and shapes of these.

An operation's inputs come as attributes: tensors, NumPy constants, lists of them, or None where an
optional input is absent. A program is traced into a graph first; an operation whose result depends
on values that only a run has (`concrete`, `shape_of`) raises `NeedsValues`, and the program is then
run eagerly, where every tensor has its values.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np

from meishi.keras import tf

Kernel = Callable[["Arguments"], object]

_LARGE = 1 << 16  # values of a constant that a graph refers to


class NeedsValues(Exception):  # noqa: N818  a signal to the runner, not a fault
    """An operation needs values that a graph under construction does not have."""


class Arguments(SimpleNamespace):
    """Inputs of an operation; an optional one that is not given reads as None."""

    def __getattr__(self, name: str) -> None:  # noqa: D105
        return None


def concrete(value) -> np.ndarray:
    """Return the values of a constant or of an eager tensor as an array."""
    if tf.is_tensor(value):
        if not isinstance(value, tf.__internal__.EagerTensor):
            raise NeedsValues
        return value.numpy()
    if isinstance(value, list | tuple):
        return np.array([concrete(item) for item in value])
    return np.asarray(value)


def shape_of(x) -> tuple[int, ...]:
    """Return the shape of a tensor or a constant, every axis known."""
    if not tf.is_tensor(x):
        return tuple(int(size) for size in np.shape(x))
    if x.shape.rank is None or None in tuple(x.shape):
        raise NeedsValues
    return tuple(int(size) for size in x.shape)


def integers(values) -> list[int]:
    """Return a constant list of integers, whatever its axes; a scalar becomes a list of one."""
    return [int(value) for value in np.ravel(concrete(values))]


def integer(value, default: int | None = None) -> int:
    """Return a constant scalar."""
    if value is None and default is not None:
        return default
    return int(concrete(value))


def axes_of(axes, rank: int) -> list[int]:
    """Return axes counted from the front; None means all of them."""
    return list(range(rank)) if axes is None else [axis % rank for axis in integers(axes)]


def held(values):
    """Make a tensor of a large constant, which a graph then refers to and does not copy.

    A constant within a graph is copied, written and read again before the first prediction: a
    second for three million values, and two gigabytes are more than a graph can have.
    """
    if not isinstance(values, np.ndarray) or values.size < _LARGE:
        return values
    with tf.init_scope():
        return tf.constant(values)


def same_type(x, y) -> tuple:
    """Make tensors of two inputs; a constant takes the type of the other."""
    x, y = held(x), held(y)
    if tf.is_tensor(x):
        return x, tf.cast(y, x.dtype)
    y = tf.convert_to_tensor(y)
    return tf.cast(x, y.dtype), y


def per_channel(values, x):
    """Shape (C,) values to broadcast over axis 1 of x."""
    return tf.reshape(tf.cast(values, x.dtype), [-1] + [1] * (len(x.shape) - 2))


def swap(x, order: Sequence[int]):
    """Transpose; a constant becomes a tensor."""
    return tf.transpose(x, list(order))
