"""MIL's activations."""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, integer, per_channel
from meishi.keras import tf


def by_name(name: str):
    """Return the function of an activation that a recurrent operation names.

    Raises:
        ValueError: for a name this runtime does not know.
    """
    known = {
        "hard_sigmoid": lambda x: tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0),
        "linear": tf.identity,
        "relu": tf.nn.relu,
        "scaled_tanh": tf.tanh,  # with factors of 1, as recurrent layers take it
        "sigmoid": tf.sigmoid,
        "tanh": tf.tanh,
    }
    known["sigmoid_hard"] = known["hard_sigmoid"]
    if name not in known:
        raise ValueError(f"activation {name!r} is not implemented; known: {sorted(known)}")
    return known[name]


def _softmax(o: Arguments):
    return tf.nn.softmax(o.x, axis=integer(o.axis, -1))


def _gelu(o: Arguments):
    mode = "EXACT" if o.mode is None else str(concrete(o.mode))
    if mode == "SIGMOID_APPROXIMATION":
        return o.x * tf.sigmoid(1.702 * o.x)
    return tf.nn.gelu(o.x, approximate=mode != "EXACT")


def _clamped_relu(o: Arguments):
    return tf.minimum(tf.where(o.x >= 0, o.x, o.alpha * o.x), o.beta)


def _prelu(o: Arguments):
    alpha = per_channel(o.alpha, o.x)
    return tf.maximum(o.x, 0.0) + alpha * tf.minimum(o.x, 0.0)


def _elu(o: Arguments):
    alpha = np.float32(1) if o.alpha is None else o.alpha
    return tf.where(o.x > 0, o.x, alpha * tf.math.expm1(tf.minimum(o.x, 0.0)))


def _softplus_parametric(o: Arguments):
    return per_channel(o.alpha, o.x) * tf.nn.softplus(per_channel(o.beta, o.x) * o.x)


def _leaky_relu(o: Arguments):
    return tf.nn.leaky_relu(o.x, alpha=0.01 if o.alpha is None else o.alpha)


def _sigmoid_hard(o: Arguments):
    alpha, beta = (0.2 if o.alpha is None else o.alpha), (0.5 if o.beta is None else o.beta)
    return tf.clip_by_value(alpha * o.x + beta, 0.0, 1.0)


OPS: dict[str, Kernel] = {
    "clamped_relu": _clamped_relu,
    "elu": _elu,
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
    "linear_activation": lambda o: o.alpha * o.x + (0.0 if o.beta is None else o.beta),
    "prelu": _prelu,
    "relu": lambda o: tf.nn.relu(o.x),
    "relu6": lambda o: tf.nn.relu6(o.x),
    "scaled_tanh": lambda o: (
        (1.0 if o.alpha is None else o.alpha) * tf.tanh((1.0 if o.beta is None else o.beta) * o.x)
    ),
    "sigmoid": lambda o: tf.sigmoid(o.x),
    "sigmoid_hard": _sigmoid_hard,
    "silu": lambda o: tf.nn.silu(o.x),
    "softmax": _softmax,
    "softplus": lambda o: tf.nn.softplus(o.x),
    "softplus_parametric": _softplus_parametric,
    "softsign": lambda o: tf.nn.softsign(o.x),
    "tanh": lambda o: tf.tanh(o.x),
    "thresholded_relu": lambda o: tf.where(o.x >= o.alpha, o.x, 0.0),
}
