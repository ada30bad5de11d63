"""What keeps an operation of an ML program off Apple's Neural Engine, one small rule a reason.

Apple documents none of it. The rules are what others observed, on the sides of caution where they
disagree: hollance/neural-engine on GitHub (docs/unsupported-layers.md, docs/16-bit.md, and the logs
of Core ML quoted in its issues 1 and 2), the ANE guide (ane-guide.readthedocs.io, chapters 4
and 17), and coremltools' guide (typed execution, flexible shapes). Only `MLComputePlan`, on a
Mac, says where an operation really runs.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from meishi.coreml.compression import expanded

RECURRENT = ("gru", "lstm", "rnn")
CONTROL = ("cond", "while_loop", "make_list")
WITHOUT_HARDWARE = (
    "argsort",
    "band_part",
    "classify",
    "custom",
    "cumsum",
    "fill",
    "list_gather",
    "list_length",
    "list_read",
    "list_scatter",
    "list_write",
    "non_maximum_suppression",
    "non_zero",
    "one_hot",
    "random_bernoulli",
    "random_categorical",
    "random_normal",
    "random_uniform",
    "range_1d",
    "reduce_prod",
    "resample",
    "reverse_sequence",
    "scatter",
    "scatter_along_axis",
    "scatter_nd",
    "shape",
    "topk",
)
GATHERS = ("gather", "gather_along_axis", "gather_nd")
POOLS = ("avg_pool", "l2_pool", "max_pool")
ELEMENTWISE = ("add", "floor_div", "maximum", "minimum", "mul", "pow", "real_div", "sub")
MOST_KERNEL = 13
MOST_POOL_STRIDE = 2
MOST_UPSAMPLING = 2.0
MOST_AXIS = 16384
MOST_RANK = 5
MOST_ARG_AXIS = 2048
ADDED = ("bias", "mean")  # small ones do no harm
LARGE, SMALL = 1e2, 1e-4  # outside, float16 loses digits that a net notices
HALF_MAX = float(np.finfo(np.float16).max)
HALF_LEAST = float(np.finfo(np.float16).smallest_subnormal)

Rule = Callable[[object], str | None]


def reasons(operation) -> Iterator[str]:
    """Yield why an operation of coremltools' program would leave the Neural Engine."""
    for rule in RULES:
        reason = rule(operation)
        if reason:
            yield reason


def constant(operation, name: str):
    """Return a constant input's value; None if there is none, or no array of it."""
    part = operation.inputs.get(name)
    if part is None:
        return None
    if isinstance(part, list | tuple):
        values = [expanded(item) for item in part]
        if any(value is None for value in values) or len({np.shape(v) for v in values}) > 1:
            return None  # computed, or of several shapes, as what a loop starts with
        return np.asarray(values)
    return expanded(part)


def of_tensor(variable, name: str):
    """Return an attribute of a tensor; None of what has none, as a list of tensors."""
    try:
        return getattr(variable, name, None)
    except ValueError:  # what coremltools' variable of a list raises
        return None


def shape_of(variable) -> tuple[int, ...] | None:
    """Return a variable's shape; None if it is no tensor or an axis is open."""
    shape = of_tensor(variable, "shape")
    if shape is None or any(not isinstance(size, int | np.integer) for size in shape):
        return None
    return tuple(int(size) for size in shape)


def _kind(operation) -> str | None:
    kind = operation.op_type
    if kind in RECURRENT:
        return "recurrent layers run on the CPU"
    if kind in CONTROL:
        return "control flow runs on the CPU"
    if kind in GATHERS:
        return "gathering runs on the CPU or GPU"
    return "no form of it is known on the Neural Engine" if kind in WITHOUT_HARDWARE else None


def _convolution(operation) -> str | None:
    if operation.op_type not in ("conv", "conv_transpose"):
        return None
    shape = shape_of(operation.inputs["weight"])
    if shape is not None and len(shape) > 4:
        return "three-dimensional convolution runs on the CPU or GPU"
    if constant(operation, "weight") is None:
        return "its weight is computed, not constant"
    dilations = constant(operation, "dilations")
    if dilations is not None and np.max(dilations) > 1:
        return f"dilated by {_listed(dilations)}"
    if shape is not None and max(shape[2:]) > MOST_KERNEL:
        return f"kernel {_listed(shape[2:])}, {MOST_KERNEL} at most"
    strides = constant(operation, "strides")
    if operation.op_type == "conv_transpose" and strides is not None:
        return _upsampling_by(strides)
    return None


def _pooling(operation) -> str | None:
    if operation.op_type not in POOLS:
        return None
    sizes = constant(operation, "kernel_sizes")
    if sizes is not None and np.max(sizes) > MOST_KERNEL:
        return f"pooling kernel {_listed(sizes)}, {MOST_KERNEL} at most"
    strides = constant(operation, "strides")
    if strides is not None and np.max(strides) > MOST_POOL_STRIDE:
        return f"pooling stride {_listed(strides)}, {MOST_POOL_STRIDE} at most"
    return None


def _upsampling(operation) -> str | None:
    if not operation.op_type.startswith(("upsample_", "resize", "crop_resize")):
        return None
    before, after = (shape_of(var) for var in (operation.inputs["x"], operation.outputs[0]))
    if before is None or after is None:
        return "the factor of its scaling is not fixed"
    return _upsampling_by([new / old for old, new in zip(before[-2:], after[-2:], strict=True)])


def _upsampling_by(factors) -> str | None:
    if max(factors) <= MOST_UPSAMPLING:
        return None
    return f"upsampling by {_listed(factors)}, {MOST_UPSAMPLING:g} at most; do it in steps of 2"


def _broadcasting(operation) -> str | None:
    """Two computed tensors of different shapes; a constant operand is fine."""
    if operation.op_type not in ELEMENTWISE:
        return None
    if any(constant(operation, name) is not None for name in ("x", "y")):
        return None
    shapes = [shape_of(operation.inputs[name]) for name in ("x", "y")]
    if None in shapes or _core(shapes[0]) == _core(shapes[1]):
        return None
    return f"broadcasts one computed tensor, {shapes[0]} with {shapes[1]}"


def _extent(operation) -> str | None:
    for variable in operation.outputs:
        shape = shape_of(variable)
        if shape is None:
            return "the shape of its result is not fixed"
        if len(shape) > MOST_RANK:
            return f"rank {len(shape)}, {MOST_RANK} at most"
        if shape and max(shape[-2:]) > MOST_AXIS:
            return f"an axis of {max(shape[-2:])}, {MOST_AXIS} at most"
    return None


def _argument(operation) -> str | None:
    if operation.op_type not in ("reduce_argmax", "reduce_argmin"):
        return None
    shape, axis = shape_of(operation.inputs["x"]), constant(operation, "axis")
    if shape is None or axis is None or shape[int(axis)] <= MOST_ARG_AXIS:
        return None
    return f"over an axis of {shape[int(axis)]}, {MOST_ARG_AXIS} at most"


def _range(operation) -> str | None:
    """Constants that float16 cannot hold, or that drive what is computed out of its good range."""
    epsilon = constant(operation, "epsilon")
    if epsilon is not None and 0 < float(epsilon) < HALF_LEAST:
        return f"epsilon {float(epsilon):g} is 0 in float16"
    for name in operation.inputs:
        if name in ("alpha", "beta", "begin", "end", "epsilon", "mode"):
            continue  # bounds and switches, not values that are multiplied or added
        values = constant(operation, name)
        if not isinstance(values, np.ndarray | np.floating) or values.dtype.kind != "f":
            continue
        reason = _extreme(float(np.max(np.abs(values), initial=0.0)), name)
        if reason:
            return f"{name}: {reason}"
    return None


def _extreme(largest: float, name: str) -> str | None:
    if not math.isfinite(largest) or largest > HALF_MAX:
        return "infinite in float16"
    if largest > LARGE:
        return f"values up to {largest:.4g}, beyond {LARGE:g}: float16 loses precision"
    if 0 < largest < SMALL and name not in ADDED:
        return f"no value above {largest:.2g}, all below {SMALL:g}: float16 loses precision"
    return None


def _core(shape) -> tuple[int, ...]:
    """Return a shape without its leading ones, which change no layout."""
    first = next((place for place, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])


def _listed(values) -> str:
    return "x".join(f"{value:g}" for value in np.asarray(values, float).ravel())


RULES: tuple[Rule, ...] = (
    _kind,
    _convolution,
    _pooling,
    _upsampling,
    _broadcasting,
    _extent,
    _argument,
    _range,
)
