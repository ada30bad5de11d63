"""An ML program as coremltools' loader reads it: less than the format has, and Core ML runs.

Nothing that is changed here changes a result.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from meishi.coreml.toolkit import ct

MIL = ct.proto.MIL_pb2
# Of a constant and any other operation, what is more than a note.
_CONSTANT, _OTHER = {"name", "val"}, {"name"}
# coremltools writes a default of these inputs in float32, and its loader wants it to be of the
# type that another input has: the first of those named that is there.
_DEFAULTS = {
    "batch_norm": ("epsilon", ("variance",)),
    "instance_norm": ("epsilon", ("gamma", "beta", "x")),
    "layer_norm": ("epsilon", ("gamma", "beta", "x")),
    "local_response_norm": ("k", ("alpha",)),
}


def alone(spec, function: str) -> Any:
    """Copy a package's spec with one function of its program.

    Args:
        spec: of the package.
        function: the one to keep.

    Returns:
        A spec without notes, with a constant for each weight that an operation binds without one,
        and scalars of the float type that they are to have.
    """
    copy = type(spec)()
    copy.CopyFrom(spec)
    for name in set(copy.mlProgram.functions) - {function}:
        del copy.mlProgram.functions[name]
    copy.mlProgram.ClearField("docString")
    copy.mlProgram.attributes.clear()
    numbers = count()
    for part in copy.mlProgram.functions.values():
        part.attributes.clear()
        types = {given.name: given.type.tensorType.dataType for given in part.inputs}
        for block in part.block_specializations.values():
            _rewrite(block, numbers, types, {})
    return copy


def _rewrite(block, numbers: Iterator[int], types: dict[str, int], scalars: dict[str, Any]) -> None:
    """Rewrite a block in place.

    Args:
        block: of a function or an operation.
        numbers: of new constants.
        types: of the values by name, those of outer blocks; those of the block are added.
        scalars: values of constants with one float, likewise.
    """
    block.attributes.clear()
    operations = []
    for operation in block.operations:
        for inner in operation.blocks:
            _rewrite(inner, numbers, dict(types), dict(scalars))
        _clear_notes(operation)
        for given in operation.inputs.values():
            for bound in given.arguments:
                if bound.value.WhichOneof("value") == "blobFileValue":
                    operations.append(_constant(bound, f":{next(numbers)}"))
        if (default := _converted_default(operation, types, scalars)) is not None:
            operations.append(_constant(default, f":{next(numbers)}"))
        operations.append(operation)
        types |= {out.name: out.type.tensorType.dataType for out in operation.outputs}
        if operation.type == "const" and _float(operation.attributes["val"]) is not None:
            scalars[operation.outputs[0].name] = operation.attributes["val"]
    if len(operations) > len(block.operations):
        del block.operations[:]
        block.operations.extend(operations)


def _clear_notes(operation) -> None:
    if not operation.type.startswith("constexpr_"):  # whose parameters may be attributes
        known = _CONSTANT if operation.type == "const" else _OTHER
        for name in set(operation.attributes) - known:
            del operation.attributes[name]
    for value in operation.attributes.values():
        value.ClearField("docString")
    for given in operation.inputs.values():
        for bound in given.arguments:
            if bound.WhichOneof("binding") == "value":
                bound.value.ClearField("docString")


def _converted_default(operation, types: dict[str, int], scalars: dict[str, Any]) -> Any:
    """Return an input of an operation, bound to its number in the type it is to have, if it is not.

    The number that is there may be that of other operations, too.
    """
    name, others = _DEFAULTS.get(operation.type, ("", ()))
    if name not in operation.inputs:
        return None
    bound = _only(operation, name)
    value = bound.value if bound.WhichOneof("binding") == "value" else scalars.get(bound.name)
    wanted = [
        _type(_only(operation, other), types) for other in others if other in operation.inputs
    ]
    number = None if value is None else _float(value)
    if value is None or number is None or not wanted:
        return None
    if wanted[0] not in {MIL.FLOAT16, MIL.FLOAT32} - {value.type.tensorType.dataType}:
        return None
    converted = MIL.Value()
    converted.type.tensorType.dataType = wanted[0]
    if wanted[0] == MIL.FLOAT16:
        converted.immediateValue.tensor.bytes.values = np.float16(number).tobytes()
    else:
        converted.immediateValue.tensor.floats.values.append(number)
    bound.value.CopyFrom(converted)
    return bound


def _only(operation, name: str) -> Any:
    return operation.inputs[name].arguments[0]


def _type(bound, types: dict[str, int]) -> int | None:
    if bound.WhichOneof("binding") == "value":
        return bound.value.type.tensorType.dataType
    return types.get(bound.name)


def _float(value) -> float | None:
    """Return the number of a value in float16 or float32 that has no axes; None of another."""
    kind = value.type.tensorType
    tensor = value.immediateValue.tensor
    if kind.rank == 0 and kind.dataType == MIL.FLOAT32 and len(tensor.floats.values) == 1:
        return tensor.floats.values[0]
    if kind.rank == 0 and kind.dataType == MIL.FLOAT16 and len(tensor.bytes.values) == 2:
        return float(np.frombuffer(tensor.bytes.values, np.float16)[0])
    return None


def _constant(bound, name: str):
    """Move a value that is bound to an operation to a constant; no name in use has a colon."""
    constant = MIL.Operation(type="const")
    constant.outputs.add(name=name).type.CopyFrom(bound.value.type)
    constant.attributes["val"].CopyFrom(bound.value)
    bound.name = name
    return constant
