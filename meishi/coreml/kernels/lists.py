"""MIL's lists of tensors, and what its conditions and loops go by.

In a loop of the graph a list of fixed length is one tensor, see `Stacked`. Where a loop is
unrolled, its condition must be known while the program is traced; one that depends on values makes
the program run operation by operation. No list is changed in place: each write gives a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, NeedsValues, concrete, integer, integers
from meishi.keras import tf


@dataclass(frozen=True)
class Elements:
    """A list's values; None where nothing was written yet."""

    values: tuple
    blank: np.ndarray | None  # what a place holds before it is written
    fixed: bool = False  # never longer than it was made

    def at(self, index):
        """Return the value at an index, which may be a tensor of a graph's loop."""
        try:
            value = self.values[integer(index)]
        except NeedsValues:
            return Stacked.of(self).at(index)
        return self.blank if value is None else value

    def listed(self) -> "Elements":
        """Return the list itself."""
        return self

    def replaced(self, index: int, value) -> "Elements":
        """Return a list with another value at an index, longer if need be."""
        values = [*self.values, *[None] * (index + 1 - len(self.values))]
        values[index] = value
        return Elements(tuple(values), self.blank, self.fixed)


@dataclass(frozen=True)
class Stacked:
    """A list in a loop of the graph: its values are the rows of one tensor."""

    tensor: tf.Tensor

    @classmethod
    def of(cls, elements: Elements) -> "Stacked":
        """Stack a list; NeedsValues if a place of it is of unknown shape."""
        values = [elements.blank if value is None else value for value in elements.values]
        if not values or any(value is None for value in values):
            raise NeedsValues
        return cls(tf.stack(values))

    def at(self, index):
        """Return the value at an index."""
        return tf.gather(self.tensor, tf.reshape(index, ()))

    def replaced(self, index, value) -> "Stacked":
        """Return a list with another value at an index."""
        place = tf.reshape(index, (1, 1))
        return Stacked(tf.tensor_scatter_nd_update(self.tensor, place, value[None]))

    def listed(self) -> Elements:
        """Return a list of the rows."""
        return Elements(tuple(tf.unstack(self.tensor)), None, fixed=True)


def carried(value, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return the tensor that a loop of the graph carries for a value.

    Raises:
        NeedsValues: for a list that may grow.
    """
    if isinstance(value, Elements):
        if not value.fixed:
            raise NeedsValues
        value = Stacked.of(value)
    return value.tensor if isinstance(value, Stacked) else tf.convert_to_tensor(value, dtype)


def uncarried(tensor: tf.Tensor, start):
    """Return what a tensor of a loop stands for, by the value that the loop began with."""
    return Stacked(tensor) if isinstance(start, Elements | Stacked) else tensor


def _make(o: Arguments) -> Elements:
    """A shape that is open until a value is written leaves no blank."""
    sizes = [value for value in np.atleast_1d(np.array(o.elem_shape, object)).tolist()]
    known = all(isinstance(size, int | np.integer) for size in sizes)
    kind = np.int32 if "int" in str(o.dtype or "fp32") else np.float32
    length = integer(o.init_length, 1)
    blank = np.zeros(sizes, kind) if known else None
    return Elements((None,) * length, blank, o.dynamic_length is not None and not o.dynamic_length)


def _write(o: Arguments) -> Elements | Stacked:
    if isinstance(o.ls, Stacked):
        return o.ls.replaced(o.index, o.value)
    return o.ls.replaced(integer(o.index), o.value)


def _read(o: Arguments):
    return o.ls.at(o.index)


def _gather(o: Arguments):
    if isinstance(o.ls, Stacked):
        return tf.gather(o.ls.tensor, o.indices)
    return tf.stack([o.ls.at(index) for index in integers(o.indices)])


def _scatter(o: Arguments) -> Elements:
    found = o.ls.listed()
    values = tf.unstack(o.value) if tf.is_tensor(o.value) else o.value
    for place, index in enumerate(integers(o.indices)):
        found = found.replaced(index, values[place])
    return found


def _length(o: Arguments):
    return np.int32(len(o.ls.listed().values))


LISTS: dict[str, Callable[[Arguments], object]] = {
    "list_gather": _gather,
    "list_length": _length,
    "list_read": _read,
    "list_scatter": _scatter,
    "list_write": _write,
    "make_list": _make,
}


def holds(condition) -> bool:
    """Return the value of a condition."""
    return bool(concrete(condition).reshape(())[()])
