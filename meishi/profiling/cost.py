"""What a net costs: parameters, multiply-accumulates, bytes on disk.

Multiply-accumulates are counted node by node from the frozen graph of one image, with the shapes
TensorFlow infers, not by a formula for each net. Convolutions of all kinds and matrix products
count; additions, activations and resizing do not, as is usual.
"""

import math
from collections.abc import Callable
from pathlib import Path


def count_parameters(model) -> int:
    """Return the number of a Keras model's weights, batch norm's statistics included."""
    return int(model.count_params())


def count_macs(graph) -> int:
    """Count the multiply-accumulates of one run of a graph; see `macs_by_kind`."""
    return sum(macs_by_kind(graph).values())


def macs_by_kind(graph) -> dict[str, int]:
    """Count the multiply-accumulates of one run of a graph, of depthwise convolutions and others.

    Args:
        graph: a GraphDef whose shapes are all fixed, such as a frozen graph of one image.

    Returns:
        {"dense": count, "depthwise": count}.

    Raises:
        ValueError: if a shape that counts is not fixed.
    """
    from meishi.keras import tf

    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    counts = {"dense": 0, "depthwise": 0}
    for operation in imported.get_operations():
        if operation.type in MACS:
            kind = "depthwise" if operation.type == DEPTHWISE else "dense"
            counts[kind] += MACS[operation.type](operation)
    return counts


def bytes_on_disk(path: Path) -> int:
    """Return the size of a file, or of all files in a folder (a package is one)."""
    path = Path(path)
    files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    if not files:
        raise ValueError(f"{path}: no such file or folder, or an empty one")
    return sum(file.stat().st_size for file in files)


def _convolution(operation) -> int:
    height, width, inputs, _ = _shape(operation.inputs[1])  # inputs of one group
    return math.prod(_shape(operation.outputs[0])) * height * width * inputs


def _depthwise(operation) -> int:
    height, width, _, _ = _shape(operation.inputs[1])
    return math.prod(_shape(operation.outputs[0])) * height * width


def _transposed(operation) -> int:
    """Each input value meets the whole kernel (height, width, outputs, inputs)."""
    height, width, outputs, _ = _shape(operation.inputs[1])
    return math.prod(_shape(operation.inputs[2])) * height * width * outputs


def _product(transposed_by: str) -> Callable:
    def count(operation) -> int:
        axis = -2 if operation.get_attr(transposed_by) else -1
        return math.prod(_shape(operation.outputs[0])) * _shape(operation.inputs[0])[axis]

    return count


def _shape(tensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise ValueError(f"{tensor.name}: shape {tensor.shape} is not fixed; freeze one image")
    return tensor.shape.as_list()


DEPTHWISE = "DepthwiseConv2dNative"
MACS: dict[str, Callable] = {
    "BatchMatMulV2": _product("adj_x"),
    "Conv2D": _convolution,
    "Conv2DBackpropInput": _transposed,
    DEPTHWISE: _depthwise,
    "MatMul": _product("transpose_a"),
}
