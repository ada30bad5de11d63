"""MIL's products of matrices: linear, matmul, einsum, attention."""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, same_type, shape_of
from meishi.keras import tf


def _linear(o: Arguments):
    x, weight = same_type(o.x, o.weight)
    flat = len(x.shape) == 1
    y = tf.linalg.matmul(x[None] if flat else x, weight, transpose_b=True)
    y = y if o.bias is None else y + tf.cast(o.bias, y.dtype)
    return y[0] if flat else y


def _matmul(o: Arguments):
    """A vector counts as one row on the left and as one column on the right."""
    x, y = same_type(o.x, o.y)
    row, column = len(x.shape) == 1, len(y.shape) == 1
    product = tf.linalg.matmul(
        x[None] if row else x,
        y[:, None] if column else y,
        transpose_a=bool(o.transpose_x) and not row,
        transpose_b=bool(o.transpose_y) and not column,
    )
    product = tf.squeeze(product, -1) if column else product
    return tf.squeeze(product, -1 if column else -2) if row else product


def _einsum(o: Arguments):
    """Axes of one letter must agree, or be 1 in one of the operands."""
    equation = str(concrete(o.equation)).replace(" ", "")
    values = list(same_type(*o.values)) if len(o.values) == 2 else o.values
    terms = equation.split("->")[0].split(",")
    if "." in equation:
        return tf.einsum(equation, *values)
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        for letter, size in zip(term, shape_of(value), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    full = [
        tf.broadcast_to(value, [sizes[letter] for letter in term])
        for term, value in zip(terms, values, strict=True)
    ]
    return tf.einsum(equation, *full)


def _attention(o: Arguments):
    scores = tf.linalg.matmul(o.query, o.key, transpose_b=True)
    scores /= np.float32(np.sqrt(shape_of(o.query)[-1]))
    mask = o.attn_mask
    if mask is not None and (tf.as_dtype(mask.dtype) == tf.bool):
        mask = tf.where(mask, 0.0, -np.inf)
    weights = tf.nn.softmax(scores if mask is None else scores + mask, axis=-1)
    return tf.linalg.matmul(weights, o.value)


OPS: dict[str, Kernel] = {
    "einsum": _einsum,
    "linear": _linear,
    "matmul": _matmul,
    "scaled_dot_product_attention": _attention,
}
