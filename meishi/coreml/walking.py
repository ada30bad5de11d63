"""Walking the operations of a MIL function, its conditions, loops, lists and states too."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from meishi.coreml import execution
from meishi.coreml.compression import expanded
from meishi.coreml.kernels import windows
from meishi.coreml.kernels.arguments import Arguments, NeedsValues
from meishi.coreml.kernels.lists import LISTS, carried, holds, uncarried
from meishi.coreml.ops import CONSTANTS, OPS
from meishi.errors import InputError
from meishi.keras import tf

# Inputs of operations that are functions, or names of classes: no values.
_SKIPPED = {
    "classify": ("classes",),
    "cond": ("_true_fn", "_false_fn", "_existing_blocks"),
    "while_loop": ("_cond", "_body", "_existing_blocks"),
}

# What a loop of the graph cannot hold: its body is walked apart.
_CHANGING = frozenset({"coreml_update_state", "read_state"})

# Of one or two inputs of the same rank, value by value, whatever the order of the axes.
_POINTWISE = frozenset(
    "abs add cast clip elu exp gelu leaky_relu maximum minimum mul relu relu6 sigmoid sigmoid_hard "
    "silu softplus sqrt square sub tanh".split()
)


@dataclass(frozen=True)
class Manner:
    """How a program is walked.

    Args:
        rounded: whether floats of every result are rounded to float16.
        unrolled: whether loops are unrolled in a graph, so that what they make of constants is
            known in it; else a loop is one of the graph's own wherever that can be.
        mixed: whether the program says what is float16: nothing else is rounded then.
        constants: expanded ones, by the identity of their variable: each is expanded once.
    """

    rounded: bool
    unrolled: bool
    mixed: bool = False
    constants: dict[int, object] = field(default_factory=dict, repr=False, compare=False)

    def rounds(self, operation) -> bool:
        """Tell whether the results of an operation are rounded."""
        return self.rounded and (not self.mixed or any(map(is_half, operation.outputs)))


def is_half(variable) -> bool:
    """Tell whether a program declares a variable as float16."""
    return variable.is_tensor_or_scalar_of("fp16")


def declares_half(block) -> bool:
    """Tell whether any operation of a block, or of one in it, makes float16."""
    return any(
        part.op_type not in CONSTANTS
        and (any(map(is_half, part.outputs)) or any(map(declares_half, part.blocks)))
        for part in block.operations
    )


def walk(block, known: dict, manner: Manner) -> list:
    """Run a block; the values of its variables join `known`, by name.

    Args:
        block: coremltools' function or block.
        known: tensors, arrays and lists by name: inputs, states, what outer blocks made.
        manner: how.

    Returns:
        The values of the block's outputs.
    """
    for operation in block.operations:
        if operation.op_type in CONSTANTS:
            continue  # read where it is used
        results = _results(operation, known, manner)
        if _unread(operation, block):
            continue  # the loader names what it makes, and may name it as another value
        for variable, value in zip(operation.outputs, results, strict=True):
            known[variable.name] = value
    return [_value(variable, known, manner) for variable in block.outputs]


def _unread(operation, block) -> bool:
    if operation.op_type != "coreml_update_state":
        return False
    (made,) = operation.outputs
    return not made.child_ops and all(made is not part for part in block.outputs)


def _results(operation, known: dict, manner: Manner):
    kind = operation.op_type
    if kind == "read_state":
        return (known[operation.inputs["input"].name],)
    arguments = {
        name: _value(part, known, manner)
        for name, part in operation.inputs.items()
        if name not in _SKIPPED.get(kind, ())
    }
    if kind == "coreml_update_state":
        known[operation.inputs["state"].name] = arguments["value"]
        return (arguments["value"],)
    if kind == "cond":
        return walk(operation.blocks[0 if holds(arguments["pred"]) else 1], known, manner)
    if kind == "while_loop":
        return _looped(operation, arguments["loop_vars"], known, manner)
    name = f"operation {kind} of {operation.outputs[0].name}"
    if kind in LISTS:
        with execution.blamed(name):
            return (LISTS[kind](Arguments(**arguments)),)
    turned = windows.pointwise_last(arguments) if kind in _POINTWISE else None
    kernel = partial(OPS[kind], Arguments(**arguments))
    if turned is not None:
        kernel = partial(_on_channels_last, OPS[kind], turned)
    result = execution.apply(kernel, list(arguments.values()), manner.rounds(operation), name)
    return result if isinstance(result, tuple | list) else (result,)


def _on_channels_last(kernel, turned: dict):
    return windows.channels_first(kernel(Arguments(**turned)))


def _looped(operation, values, known: dict, manner: Manner):
    if tf.inside_function() and not manner.unrolled:
        try:
            return _graph_loop(operation, values, known, manner)
        except (NeedsValues, InputError, TypeError, ValueError):
            pass  # lists, states, or shapes that change: step by step, which says what is wrong
    condition, body = operation.blocks
    while True:
        if not holds(_block(condition, values, known, manner)[0]):
            return values
        values = _block(body, values, known, manner)


def _graph_loop(operation, values, known: dict, manner: Manner):
    """Make one loop of the graph, whose body is walked once however often it runs.

    Raises:
        NeedsValues, InputError, TypeError, ValueError: if that cannot be.
    """
    condition, body = operation.blocks
    if _changes_state(body):
        raise NeedsValues
    starts = [carried(value) for value in values]

    def run(block, tensors) -> list:
        inside = [uncarried(part, old) for part, old in zip(tensors, values, strict=True)]
        return _block(block, inside, dict(known), manner)

    def goes_on(*tensors):
        return tf.reshape(run(condition, tensors)[0], ())

    def step(*tensors):
        made = zip(run(body, tensors), tensors, strict=True)
        return [carried(value, old.dtype) for value, old in made]

    ends = tf.while_loop(goes_on, step, starts)
    return [uncarried(end, old) for end, old in zip(ends, values, strict=True)]


def _changes_state(block) -> bool:
    return any(
        part.op_type in _CHANGING or any(map(_changes_state, part.blocks))
        for part in block.operations
    )


def _block(block, values, known: dict, manner: Manner) -> list:
    """Run a block of a loop on the loop's values."""
    known.update((part.name, value) for part, value in zip(block.inputs, values, strict=True))
    return walk(block, known, manner)


def _value(part, known: dict, manner: Manner):
    if isinstance(part, list | tuple):
        return [_value(item, known, manner) for item in part]
    if part is None or part.name in known:
        return None if part is None else known[part.name]
    if id(part) not in manner.constants:
        manner.constants[id(part)] = _constant(part)
    return manner.constants[id(part)]


def _constant(part):
    constant = expanded(part)
    if not isinstance(constant, np.ndarray | np.generic):
        return constant
    kinds = {"f": np.float32, "i": np.int32, "u": np.int32}
    return constant.astype(kinds.get(constant.dtype.kind, constant.dtype))
