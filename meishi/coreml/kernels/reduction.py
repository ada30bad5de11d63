"""MIL's reductions, sorts and running sums."""

from collections.abc import Callable

from meishi.coreml.kernels.arguments import Arguments, Kernel, axes_of, concrete, integer, shape_of
from meishi.keras import tf


def _reduce(kernel: Callable) -> Kernel:
    def apply(o: Arguments):
        x = tf.convert_to_tensor(o.x)
        return kernel(x, axis=axes_of(o.axes, len(x.shape)), keepdims=bool(o.keep_dims))

    return apply


def _arg(kernel: Callable) -> Kernel:
    def apply(o: Arguments):
        axis = integer(o.axis, -1)
        found = kernel(o.x, axis=axis, output_type=tf.int32)
        return tf.expand_dims(found, axis) if o.keep_dims else found

    return apply


def _as_floats(kernel: Callable) -> Callable:
    """Reduce integers as floats, and truncate the result: it has the type of x."""

    def apply(x, **over):
        if not x.dtype.is_integer:
            return kernel(x, **over)
        return tf.cast(kernel(tf.cast(x, tf.float64), **over), x.dtype)

    return apply


def _l1_norm(x, **over):
    return tf.reduce_sum(tf.abs(x), **over)


def _l2_norm(x, **over):
    return tf.sqrt(tf.reduce_sum(tf.square(x), **over))


def _log_sum(x, **over):
    return tf.math.log(tf.reduce_sum(x, **over))


def _sum_square(x, **over):
    return tf.reduce_sum(tf.square(x), **over)


def _topk(o: Arguments):
    """Equal values keep their order."""
    x = tf.convert_to_tensor(o.x)
    axis = integer(o.axis, -1) % len(x.shape)
    k = integer(o.k, 1)
    k = shape_of(x)[axis] if k == -1 else k
    direction = "ASCENDING" if o.ascending else "DESCENDING"
    order = tf.argsort(x, axis=axis, direction=direction, stable=True)
    indices = tf.gather(order, tf.range(k), axis=axis)
    values = take_along_axis(x, indices, axis)
    if o.return_indices is not None and not bool(concrete(o.return_indices)):
        return values
    return values, indices


def _argsort(o: Arguments):
    direction = "ASCENDING" if o.ascending else "DESCENDING"
    return tf.argsort(o.x, axis=integer(o.axis, -1), direction=direction, stable=True)


def _cumsum(o: Arguments):
    axis = integer(o.axis, 0)
    return tf.cumsum(o.x, axis=axis, exclusive=bool(o.exclusive), reverse=bool(o.reverse))


def take_along_axis(x, indices, axis: int):
    """Take the values at `indices`, which has the rank of x and may differ along `axis`."""
    rank = len(x.shape)
    order = [i for i in range(rank) if i != axis] + [axis]
    back = [order.index(i) for i in range(rank)]
    taken = tf.gather(
        tf.transpose(x, order), tf.transpose(indices, order), batch_dims=rank - 1, axis=rank - 1
    )
    return tf.transpose(taken, back)


OPS: dict[str, Kernel] = {
    "argsort": _argsort,
    "cumsum": _cumsum,
    "reduce_argmax": _arg(tf.argmax),
    "reduce_argmin": _arg(tf.argmin),
    "reduce_l1_norm": _reduce(_l1_norm),
    "reduce_l2_norm": _reduce(_as_floats(_l2_norm)),
    "reduce_log_sum": _reduce(_as_floats(_log_sum)),
    "reduce_log_sum_exp": _reduce(_as_floats(tf.reduce_logsumexp)),
    "reduce_max": _reduce(tf.reduce_max),
    "reduce_mean": _reduce(tf.reduce_mean),
    "reduce_min": _reduce(tf.reduce_min),
    "reduce_prod": _reduce(tf.reduce_prod),
    "reduce_sum": _reduce(tf.reduce_sum),
    "reduce_sum_square": _reduce(_sum_square),
    "topk": _topk,
}
