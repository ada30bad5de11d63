"""Compressed constants of an ML program, expanded.

Each kind is expanded by coremltools' own `decompress`. Constants may be compressed twice (a sparse
palette, a quantised lookup table): the inputs of an operation are then expanded first, which
coremltools itself does for some kinds only.
"""

import numpy as np

# Arguments of the `decompress` of operations whose inputs may be compressed themselves.
_NESTED = {
    "constexpr_blockwise_shift_scale": ("data", "scale", "offset"),
    "constexpr_lut_to_dense": ("indices", "lut", "vector_axis"),
    "constexpr_lut_to_sparse": ("indices_mask", "indices_nonzero_data", "lut", "vector_axis"),
    "constexpr_sparse_blockwise_shift_scale": ("data_mask", "nonzero_data", "scale", "offset"),
    "constexpr_sparse_to_dense": ("nonzero_data", "mask"),
}


def expanded(variable):
    """Return the value of a constant variable of coremltools' program; None if it has none."""
    operation = variable.op
    if variable.val is not None or operation is None:
        return variable.val
    if not operation.op_type.startswith("constexpr_"):
        return None
    names = _NESTED.get(operation.op_type, ())
    if not names or "shape" in operation.inputs:  # `shape`: the form of iOS 16, never nested
        return operation.materialized_val_inference()
    given = [operation.inputs.get(name) for name in names]
    result = operation.decompress(*[None if part is None else expanded(part) for part in given])
    if isinstance(result, tuple):
        place = [output.name for output in operation.outputs].index(variable.name)
        return np.asarray(result[place])
    return result
