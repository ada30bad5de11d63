"""Running a graph of operations: constants apart, results rounded, the walk traced once.

An operation on constants is computed at once and stays a NumPy array, so that shapes and axes made
by a model are known while its graph is traced. A model whose shapes depend on values runs
operation by operation instead.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from meishi.coreml.kernels import windows
from meishi.coreml.kernels.arguments import NeedsValues
from meishi.errors import InputError
from meishi.keras import tf

Walk = Callable[[Mapping[str, tf.Tensor]], dict]
_SPECIAL = re.compile(r"[^A-Za-z0-9_.-]+")  # what a scope of a graph cannot be named
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\} *")
_NODE = re.compile(r"\{\{node ([^}/]+)/")


def apply(kernel: Callable[[], object], inputs: list, rounded: bool, name: str):
    """Run one operation.

    Args:
        kernel: computes it.
        inputs: what it works on; without a tensor among them its results are arrays.
        rounded: whether floats of the result are rounded to float16.
        name: of the operation, for errors.

    Returns:
        What the kernel gives: one value, or a tuple of them.

    Raises:
        InputError: if it cannot be run on these inputs.
    """
    with blamed(name):
        if has_tensor(inputs):
            with tf.name_scope(_SPECIAL.sub("_", name)):  # errors of a graph's run name it
                result = kernel()
        else:
            with tf.init_scope():
                result = _constants(kernel())
    return half(result) if rounded else result


@contextmanager
def blamed(name: str) -> Iterator[None]:
    """Name the operation whose kernel fails, in an InputError."""
    try:
        yield
    except NeedsValues:
        raise
    except Exception as error:  # a model from elsewhere may lead a kernel to any
        raise InputError(f"{name} cannot be run: {error}") from error


def has_tensor(value) -> bool:
    """Whether a value is a tensor, or a list with one."""
    if isinstance(value, list | tuple):
        return any(has_tensor(item) for item in value)
    return tf.is_tensor(value)


def traced(walks: list[Walk], tensors: Mapping[str, tf.Tensor]) -> Walk:
    """Make a graph of a walk for inputs of these shapes.

    Args:
        walks: ways to walk one program; a graph is made of the first of which it can be.
        tensors: inputs.

    Returns:
        What runs the graph; the last walk itself if no graph can be made.

    Raises:
        InputError: of the last walk, if an operation cannot be run.
    """
    for walk in walks[:-1]:
        try:
            return _graph_of(walk, tensors)
        except (NeedsValues, InputError):
            continue
    try:
        return _graph_of(walks[-1], tensors)
    except NeedsValues:
        return walks[-1]


class Graphs:
    """The graphs of a model, one for each shape of its inputs: those that were asked for last.

    Each holds the model's weights once more.
    """

    KEPT = 4

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: OrderedDict[Hashable, Walk] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Walk]) -> Walk:
        """Return what runs inputs of these shapes; made if it is not there."""
        if key not in self._kept:
            while len(self._kept) >= self.KEPT:
                self._kept.popitem(last=False)
            self._kept[key] = make()
        self._kept.move_to_end(key)
        return self._kept[key]


def _graph_of(walk: Walk, tensors: Mapping[str, tf.Tensor]) -> Walk:
    signature = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=f"in_{place}")
        for place, tensor in enumerate(tensors.values())
    ]
    graph = tf.function(
        lambda *inputs: walk(dict(zip(tensors, inputs, strict=True))), autograph=False
    )
    concrete = graph.get_concrete_function(*signature)

    def run(inputs):
        try:
            return concrete(*inputs.values())
        except tf.errors.OpError as error:
            raise InputError(_told(error.message)) from error

    return run


def _told(message: str) -> str:
    """Say which operation failed in a graph, and why, without the graph's own words."""
    place = _NODE.search(message)
    reason = _FUNCTION.sub("", message).split("\n")[0]
    return f"{place[1] if place else 'an operation'} cannot be run: {reason}"


def _constants(result):
    if isinstance(result, tuple | list):
        return tuple(_constants(part) for part in result)
    return result.numpy() if tf.is_tensor(result) else result


def half(value):
    """Round floats to the nearest float16; those beyond it are infinite."""
    if isinstance(value, tuple | list):
        return tuple(half(part) for part in value)
    if tf.is_tensor(value):
        twin = windows.kept_last(value)
        if twin is not None:
            return windows.channels_first(half(twin))
        return (
            tf.cast(tf.cast(value, tf.float16), value.dtype) if value.dtype.is_floating else value
        )
    array = np.asarray(value)
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32) if array.dtype.kind == "f" else value
