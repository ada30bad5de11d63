"""Walking the operations of a MIL function, its conditions, loops, lists and states too."""

from functools import partial

import numpy as np

from meishi.coreml import execution
from meishi.coreml.compression import expanded
from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.kernels.lists import LISTS, holds
from meishi.coreml.ops import CONSTANTS, OPS

# Inputs of operations that are functions, or names of classes: no values.
_SKIPPED = {
    "classify": ("classes",),
    "cond": ("_true_fn", "_false_fn", "_existing_blocks"),
    "while_loop": ("_cond", "_body", "_existing_blocks"),
}


def walk(block, known: dict, rounded: bool) -> list:
    """Run a block; the values of its variables join `known`, by name.

    Args:
        block: coremltools' function or block.
        known: tensors, arrays and lists by name: inputs, states, what outer blocks made.
        rounded: whether floats of every result are rounded to float16.

    Returns:
        The values of the block's outputs.
    """
    for operation in block.operations:
        if operation.op_type in CONSTANTS:
            continue  # read where it is used
        results = _results(operation, known, rounded)
        for variable, value in zip(operation.outputs, results, strict=True):
            known[variable.name] = value
    return [_value(variable, known) for variable in block.outputs]


def _results(operation, known: dict, rounded: bool):
    kind = operation.op_type
    if kind == "read_state":
        return (known[operation.inputs["input"].name],)
    arguments = {
        name: _value(part, known)
        for name, part in operation.inputs.items()
        if name not in _SKIPPED.get(kind, ())
    }
    if kind == "coreml_update_state":
        known[operation.inputs["state"].name] = arguments["value"]
        return (arguments["value"],)
    if kind == "cond":
        return walk(operation.blocks[0 if holds(arguments["pred"]) else 1], known, rounded)
    if kind == "while_loop":
        return _looped(operation, arguments["loop_vars"], known, rounded)
    if kind in LISTS:
        return (LISTS[kind](Arguments(**arguments)),)
    kernel = partial(OPS[kind], Arguments(**arguments))
    name = f"operation {kind} of {operation.outputs[0].name}"
    result = execution.apply(kernel, list(arguments.values()), rounded, name)
    return result if isinstance(result, tuple | list) else (result,)


def _looped(operation, values, known: dict, rounded: bool):
    condition, body = operation.blocks
    while True:
        known.update((part.name, v) for part, v in zip(condition.inputs, values, strict=True))
        if not holds(walk(condition, known, rounded)[0]):
            return values
        known.update((part.name, v) for part, v in zip(body.inputs, values, strict=True))
        values = walk(body, known, rounded)


def _value(part, known: dict):
    if isinstance(part, list | tuple):
        return [_value(item, known) for item in part]
    if part is None or part.name in known:
        return None if part is None else known[part.name]
    constant = expanded(part)
    if not isinstance(constant, np.ndarray | np.generic):
        return constant
    kinds = {"f": np.float32, "i": np.int32, "u": np.int32}
    return constant.astype(kinds.get(constant.dtype.kind, constant.dtype))
