"""MIL's lists of tensors, and what its conditions and loops go by.

A loop is unrolled where its condition is known while the program is traced; one whose condition
depends on values makes the program run operation by operation. Lists are never changed in place:
each write gives a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, concrete, integer, integers
from meishi.keras import tf


@dataclass(frozen=True)
class Elements:
    """A list's values; None where nothing was written yet."""

    values: tuple
    blank: np.ndarray | None  # what a place holds before it is written

    def at(self, index: int):
        """Return the value at an index."""
        value = self.values[index]
        return self.blank if value is None else value

    def replaced(self, index: int, value) -> "Elements":
        """Return a list with another value at an index, longer if need be."""
        values = [*self.values, *[None] * (index + 1 - len(self.values))]
        values[index] = value
        return Elements(tuple(values), self.blank)


def _make(o: Arguments) -> Elements:
    """A shape that is open until a value is written leaves no blank."""
    sizes = [value for value in np.atleast_1d(np.array(o.elem_shape, object)).tolist()]
    known = all(isinstance(size, int | np.integer) for size in sizes)
    kind = np.int32 if "int" in str(o.dtype or "fp32") else np.float32
    length = integer(o.init_length, 1)
    return Elements((None,) * length, np.zeros(sizes, kind) if known else None)


def _write(o: Arguments) -> Elements:
    return o.ls.replaced(integer(o.index), o.value)


def _read(o: Arguments):
    return o.ls.at(integer(o.index))


def _gather(o: Arguments):
    return tf.stack([o.ls.at(index) for index in integers(o.indices)])


def _scatter(o: Arguments) -> Elements:
    found = o.ls
    for place, index in enumerate(integers(o.indices)):
        found = found.replaced(index, o.value[place])
    return found


def _length(o: Arguments):
    return np.int32(len(o.ls.values))


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
