"""MIL operations on TensorFlow kernels: one small function an operation, one table.

Each function takes the operation's inputs as attributes (`kernels.arguments.Arguments`) and gives
its output, or a tuple of outputs. Tensors are channels first, (N, C, H, W), as MIL has them;
arithmetic is float32. Semantics follow Apple's MIL op reference (apple.github.io/coremltools,
source/coremltools.converters.mil.mil.ops). Compressed weights (`CONSTANTS`) are expanded by
coremltools itself while a program is loaded.
"""

from meishi.coreml.kernels import (
    activation,
    arithmetic,
    convolution,
    detection,
    indexing,
    lists,
    matrices,
    normalisation,
    pooling,
    recurrent,
    reduction,
    resizing,
    sampling,
    sampling_points,
    shaping,
)
from meishi.coreml.kernels.arguments import Kernel

OPS: dict[str, Kernel] = {
    **activation.OPS,
    **arithmetic.OPS,
    **convolution.OPS,
    **detection.OPS,
    **indexing.OPS,
    **matrices.OPS,
    **normalisation.OPS,
    **pooling.OPS,
    **recurrent.OPS,
    **reduction.OPS,
    **resizing.OPS,
    **sampling.OPS,
    **sampling_points.OPS,
    **shaping.OPS,
}

CONSTANTS = frozenset(
    {
        "const",
        "constexpr_affine_dequantize",
        "constexpr_blockwise_shift_scale",
        "constexpr_cast",
        "constexpr_lut_to_dense",
        "constexpr_lut_to_sparse",
        "constexpr_sparse_blockwise_shift_scale",
        "constexpr_sparse_to_dense",
    }
)

# Run by `walking` itself, beside the lists of tensors.
CONTROL = frozenset({"cond", "read_state", "while_loop", "write_state", *lists.LISTS})

RANDOM = "its random numbers come from a generator that only Core ML has"
REFUSED = {
    "random_bernoulli": RANDOM,
    "random_categorical": RANDOM,
    "random_normal": RANDOM,
    "random_uniform": RANDOM,
}
