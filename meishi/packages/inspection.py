"""What a Core ML model holds, without running it: for reading, and to see what would refuse it.

Multiply-adds are those of convolutions, matrix products, attention and recurrent layers, from the
shapes that the program declares; where a shape is not fixed they are left out and the count says
so. It says so of loops, too, whose body counts once.
"""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from meishi.coreml import checks
from meishi.coreml.features import Feature
from meishi.coreml.network.network import KINDS as NETWORKS
from meishi.coreml.ops import CONSTANTS
from meishi.coreml.package import read_spec
from meishi.coreml.runtime import metadata_of, parts, refusal
from meishi.packages import lint
from meishi.packages import network_inspection as networks

Shape = tuple[int, ...]
WEIGHTED = ("conv", "conv_transpose", "linear")
RECURRENT = ("lstm", "gru", "rnn")
ATTENTION = "scaled_dot_product_attention"


def inspect(path: Path | str) -> dict[str, Any]:
    """Describe an `.mlpackage` or `.mlmodel`.

    Returns:
        kind, specification_version, inputs, outputs, metadata and models: for each model of a
        pipeline (or the one there is) its kind, why it is refused, operations with their number,
        the operations unknown here, weights, compression, and macs with the layers it leaves out;
        with several functions also these, and the one that runs by default; with states, states;
        and lint: what would leave the Neural Engine (`lint.summary`).

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
    macs, open_layers = _macs(operations, _inputs(spec))
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


def _inputs(spec):
    function = spec.mlProgram.functions.get(checks.function_name(spec))
    return function.inputs if function else ()


def _macs(operations, inputs) -> tuple[int, list[str]]:
    shapes = {part.name: _shape(part) for part in inputs}
    shapes |= {output.name: _shape(output) for part in operations for output in part.outputs}
    constants = (part for part in operations if part.type == "const")
    held = [part for part in constants if part.outputs and _holds_true(part.attributes["val"])]
    true = {part.outputs[0].name for part in held}
    total, unknown = 0, []
    for operation in operations:
        count = _product(operation, shapes, true)
        total += count or 0
        if count is None:
            made = [part.name for part in operation.outputs]  # none in a damaged program
            unknown.append(made[0] if made else operation.type)
    return total, unknown


def _holds_true(value) -> bool:
    return list(value.immediateValue.tensor.bools.values) == [True]


def _product(operation, shapes: dict[str, Shape | None], true: set[str]) -> int | None:
    """Multiply-adds of one operation; None if they cannot be told."""
    kind = operation.type
    if kind not in (*WEIGHTED, *RECURRENT, ATTENTION, "matmul", "einsum", "while_loop"):
        return 0
    given = {
        name: shapes.get(part.arguments[0].name)
        for name, part in operation.inputs.items()
        if part.arguments
    }
    named = [shape for name, shape in given.items() if name.startswith("weight")]
    weights = [shape for shape in named if shape is not None]
    out = _shape(operation.outputs[0]) if operation.outputs else None
    if kind in ("einsum", "while_loop") or out is None or len(weights) < len(named):
        return None
    if kind in WEIGHTED and not weights:  # of a damaged program
        return None
    if kind in WEIGHTED:
        # Each value that goes into a transposed convolution goes through the kernel once.
        places = given.get("x") if kind == "conv_transpose" else out
        return None if places is None else math.prod(places) * math.prod(weights[0][1:])
    if kind in RECURRENT:
        steps = given.get("x")
        return None if steps is None else math.prod(steps[:2]) * sum(map(math.prod, weights))
    if kind == ATTENTION:
        query, key = given.get("query"), given.get("key")
        return None if not query or not key else key[-2] * (math.prod(query) + math.prod(out))
    other = given.get("y")
    if other is None:
        return None
    arguments = operation.inputs["transpose_y"].arguments
    turned = any(a.name in true or _holds_true(a.value) for a in arguments)
    return math.prod(out) * other[-1 if turned or len(other) == 1 else -2]


def _shape(output) -> Shape | None:
    """Return a variable's declared shape; None if an axis is open."""
    sizes = []
    for dimension in output.type.tensorType.dimensions:
        if dimension.WhichOneof("dimension") != "constant":
            return None
        sizes.append(int(dimension.constant.size))
    return tuple(sizes)
