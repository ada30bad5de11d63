"""What a Core ML model holds, without running it: for reading, and to see what would refuse it.

Multiply-adds are those of convolutions and of products with constant matrices, from the shapes that
the program declares; where a shape is not fixed they are left out and the count says so.
"""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from meishi.coreml import checks, lint
from meishi.coreml.features import Feature
from meishi.coreml.network import inspection as networks
from meishi.coreml.network.network import KINDS as NETWORKS
from meishi.coreml.ops import CONSTANTS
from meishi.coreml.package import read_spec
from meishi.coreml.runtime import metadata_of, parts, refusal

Shape = tuple[int, ...]


def inspect(path: Path | str) -> dict[str, Any]:
    """Describe an `.mlpackage` or `.mlmodel`.

    Returns:
        kind, specification_version, inputs, outputs, metadata and models: for each model of a
        pipeline (or the one there is) its kind, why it is refused, operations with their number,
        the operations unknown here, weights, compression, and macs with the layers it leaves out;
        and lint: what would leave the Neural Engine (`lint.summary`). With several functions also
        these, and the one that runs by default; with states, states.

    Raises:
        InputError: if it is no package or damaged.
    """
    spec, _ = read_spec(Path(path))
    described = checks.description(spec)
    functions = sorted(spec.mlProgram.functions)
    several = {"function": checks.function_name(spec), "functions": functions}
    return {
        "kind": spec.WhichOneof("Type"),
        "specification_version": spec.specificationVersion,
        **(several if len(functions) > 1 else {}),
        "inputs": [_feature(part) for part in described.input],
        "outputs": [_feature(part) for part in described.output],
        **({"states": [_feature(part) for part in described.state]} if described.state else {}),
        "metadata": {name: text for name, text in metadata_of(spec).items() if text},
        "models": [_model(part) for part in parts(spec)],
        "lint": lint.summary(path),
    }


def _feature(spec) -> dict[str, Any]:
    feature = Feature.from_spec(spec)
    row: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
    if feature.type:
        row |= {"type": feature.type, "shape": list(feature.shape)}
    if feature.choices or feature.ranges:
        row["allowed"] = feature.wanted()
    return row | ({"optional": True} if feature.optional else {})


def _model(spec) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": spec.WhichOneof("Type"), "refused": refusal(spec)}
    if row["kind"] in NETWORKS:
        return row | networks.described(spec)
    if row["kind"] != "mlProgram":
        return row
    operations = list(checks.operations(spec, checks.function_name(spec)))
    counts = Counter(operation.type for operation in operations)
    macs, open_layers = _macs(operations)
    return row | {
        "operations": {kind: n for kind, n in sorted(counts.items()) if kind not in CONSTANTS},
        "unknown_operations": checks.unknown_operations(spec),
        "weights": _weights(operations),
        "compression": {
            kind: n for kind, n in sorted(counts.items()) if kind.startswith("constexpr_")
        },
        "macs": macs,
        "macs_unknown": open_layers,
    }


def _weights(operations) -> int:
    """Count the values of constants kept in the weight file, as they are once expanded."""
    inner = {
        argument.name
        for operation in operations
        if operation.type.startswith("constexpr_")
        for given in operation.inputs.values()
        for argument in given.arguments
    }
    total = 0
    for operation in operations:
        filed = any(
            value.WhichOneof("value") == "blobFileValue" for value in operation.attributes.values()
        )
        expanded = operation.type.startswith("constexpr_")
        names = [output.name for output in operation.outputs]
        if (filed or expanded) and not set(names) & inner:
            total += sum(math.prod(_shape(output) or ()) for output in operation.outputs)
    return total


def _macs(operations) -> tuple[int, list[str]]:
    shapes = {output.name: _shape(output) for part in operations for output in part.outputs}
    total, unknown = 0, []
    for operation in operations:
        if operation.type not in ("conv", "conv_transpose", "linear", "matmul"):
            continue
        count = _product(operation, shapes)
        total += count or 0
        if count is None:
            unknown.append(operation.outputs[0].name)
    return total, unknown


def _product(operation, shapes: dict[str, Shape | None]) -> int | None:
    """Multiply-adds of one layer; None if a shape is open."""

    def shape(name: str) -> Shape | None:
        given = operation.inputs[name].arguments
        return shapes.get(given[0].name) if given else None

    out = _shape(operation.outputs[0])
    weight = shape("y" if operation.type == "matmul" else "weight")
    if operation.type == "conv_transpose":
        out = shape("x")  # each of its values goes through the kernel once
    if out is None or weight is None:
        return None
    if operation.type == "matmul":
        turned = operation.inputs["transpose_y"].arguments
        flag = turned[0].value.immediateValue.tensor.bools.values if turned else []
        axis = -1 if list(flag) == [True] or len(weight) == 1 else -2
        return math.prod(out) * weight[axis]
    return math.prod(out) * math.prod(weight[1:])


def _shape(output) -> Shape | None:
    """Return a variable's declared shape; None if an axis is open."""
    sizes = []
    for dimension in output.type.tensorType.dimensions:
        if dimension.WhichOneof("dimension") != "constant":
            return None
        sizes.append(int(dimension.constant.size))
    return tuple(sizes)
