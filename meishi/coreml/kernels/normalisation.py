"""MIL's normalisations."""

import numpy as np

from meishi.coreml.kernels.arguments import (
    Arguments,
    Kernel,
    axes_of,
    concrete,
    integer,
    per_channel,
    shape_of,
)
from meishi.keras import tf


def _batch_norm(o: Arguments):
    mean, variance = concrete(o.mean), concrete(o.variance)
    epsilon = np.float32(1e-5 if o.epsilon is None else concrete(o.epsilon))
    scale = 1.0 / np.sqrt(variance + epsilon)
    scale = scale if o.gamma is None else scale * concrete(o.gamma)
    shift = -mean * scale + (0.0 if o.beta is None else concrete(o.beta))
    return o.x * per_channel(scale, o.x) + per_channel(shift, o.x)


def _instance_norm(o: Arguments):
    y = _standardised(o.x, list(range(2, len(o.x.shape))), _epsilon(o, 1e-5))
    y = y if o.gamma is None else y * per_channel(o.gamma, y)
    return y if o.beta is None else y + per_channel(o.beta, y)


def _layer_norm(o: Arguments):
    rank = len(o.x.shape)
    axes = axes_of(o.axes, rank)
    y = _standardised(o.x, axes, _epsilon(o, 1e-5))
    shape = [size if axis in axes else 1 for axis, size in enumerate(shape_of(o.x))]
    y = y if o.gamma is None else y * tf.reshape(o.gamma, shape)
    return y if o.beta is None else y + tf.reshape(o.beta, shape)


def _standardised(x, axes: list[int], epsilon: np.float32):
    centred = x - tf.reduce_mean(x, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axes, keepdims=True)
    return centred * tf.math.rsqrt(variance + epsilon)


def _l2_norm(o: Arguments):
    """Over the last three axes together."""
    total = tf.reduce_sum(tf.square(o.x), axis=[-3, -2, -1], keepdims=True)
    return o.x * tf.math.rsqrt(total + _epsilon(o, 1e-6))


def _local_response_norm(o: Arguments):
    """Over `size` channels around each; of an even number, one more lies before it."""
    size = integer(o.size)
    alpha, beta, k = (
        default if value is None else value
        for value, default in ((o.alpha, 1e-4), (o.beta, 0.75), (o.k, 1.0))
    )
    channels = shape_of(o.x)[1]
    pads = [[0, 0], [size // 2, (size - 1) // 2]] + [[0, 0]] * (len(o.x.shape) - 2)
    squares = tf.pad(tf.square(o.x), pads)
    total = tf.add_n([squares[:, first : first + channels] for first in range(size)])
    return o.x / tf.pow(k + alpha / size * total, beta)


def _epsilon(o: Arguments, default: float) -> np.float32:
    return np.float32(default if o.epsilon is None else concrete(o.epsilon))


OPS: dict[str, Kernel] = {
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "l2_norm": _l2_norm,
    "layer_norm": _layer_norm,
    "local_response_norm": _local_response_norm,
}
