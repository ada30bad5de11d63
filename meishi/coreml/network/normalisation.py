"""Layers that normalise or reduce: over channels, pictures, batches, or named axes."""

import numpy as np

from meishi.coreml.network.parameters import (
    Layer,
    LayerKernel,
    mil,
    of_channels,
    on_images,
    optional_weights,
    weights,
)
from meishi.keras import tf


def _batchnorm(layer: Layer):
    p, x = layer.p, tf.convert_to_tensor(layer.x)
    if p.computeMeanVar:
        inner = [-2, -1]
        axes = inner if p.instanceNormalization else [*range(len(x.shape) - 3), *inner]
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=True)
    else:
        mean, variance = (of_channels(weights(part, (-1,))) for part in (p.mean, p.variance))
    gamma, beta = (optional_weights(part, (-1,)) for part in (p.gamma, p.beta))
    y = (x - mean) * tf.math.rsqrt(variance + (p.epsilon or 1e-5))
    y = y if gamma is None else y * of_channels(gamma)
    return y if beta is None else y + of_channels(beta)


def _mvn(layer: Layer):
    p = layer.p
    axes = [-3, -2, -1] if p.acrossChannels else [-2, -1]
    centred = layer.x - tf.reduce_mean(layer.x, axes, keepdims=True)
    if not p.normalizeVariance:
        return centred
    variance = tf.reduce_mean(tf.square(centred), axes, keepdims=True)
    return centred * tf.math.rsqrt(variance + (p.epsilon or 1e-6))


def _l2_normalize(layer: Layer):
    return mil("l2_norm", x=layer.x, epsilon=np.float32(layer.p.epsilon or 1e-6))


def _lrn(layer: Layer):
    p = layer.p
    options = {"size": p.localSize, "alpha": p.alpha, "beta": p.beta, "k": p.k or 1.0}
    return on_images(layer.x, lambda x: mil("local_response_norm", x=x, **options))


def _layer_normalization(layer: Layer):
    p = layer.p
    shape = tuple(p.normalizedShape)
    return mil(
        "layer_norm",
        x=tf.convert_to_tensor(layer.x),
        axes=list(range(-len(shape), 0)),
        epsilon=np.float32(p.eps or 1e-5),
        gamma=optional_weights(p.gamma, shape),
        beta=optional_weights(p.beta, shape),
    )


_MODES = (
    "reduce_sum",
    "reduce_mean",
    "reduce_prod",
    "",  # the sum of logarithms, which MIL has not
    "reduce_sum_square",
    "reduce_l1_norm",
    "reduce_l2_norm",
    "reduce_max",
    "reduce_min",
    "reduce_argmax",
)
_AXES = ([-3, -2, -1], [-2, -1], [-3], [-2], [-1])


def _reduce(layer: Layer):
    axes, name = _AXES[layer.p.axis], _MODES[layer.p.mode]
    if not name:
        x = tf.math.log(layer.x + (layer.p.epsilon or 1e-6))
        return tf.reduce_sum(x, axes, keepdims=True)
    if name == "reduce_argmax":
        return mil(name, x=layer.x, axis=axes[0], keep_dims=True)
    return mil(name, x=layer.x, axes=axes, keep_dims=True)


def _over_axes(name: str) -> LayerKernel:
    def apply(layer: Layer):
        axes = None if layer.p.reduceAll or not layer.p.axes else list(layer.p.axes)
        y = mil(name, x=layer.x, axes=axes, keep_dims=layer.p.keepDims)
        return y if len(y.shape) else tf.reshape(y, [1])

    return apply


_REDUCTIONS = {
    "reduceL1": "reduce_l1_norm",
    "reduceL2": "reduce_l2_norm",
    "reduceLogSum": "reduce_log_sum",
    "reduceLogSumExp": "reduce_log_sum_exp",
    "reduceMax": "reduce_max",
    "reduceMean": "reduce_mean",
    "reduceMin": "reduce_min",
    "reduceProd": "reduce_prod",
    "reduceSum": "reduce_sum",
    "reduceSumSquare": "reduce_sum_square",
}


def _arg(name: str) -> LayerKernel:
    def apply(layer: Layer):
        y = mil(name, x=layer.x, axis=layer.p.axis, keep_dims=not layer.p.removeDim)
        return y if len(y.shape) else tf.reshape(y, [1])

    return apply


def _topk(layer: Layer):
    k = layer.inputs[1] if len(layer.inputs) > 1 else layer.p.K
    return mil("topk", x=layer.x, k=_single(k), axis=layer.p.axis, ascending=layer.p.useBottomK)


def _single(value):
    return tf.reshape(value, []) if tf.is_tensor(value) else np.reshape(value, ())


def _argsort(layer: Layer):
    return mil("argsort", x=layer.x, axis=layer.p.axis, ascending=not layer.p.descending)


def _cumsum(layer: Layer):
    axis = _single(layer.inputs[1]) if len(layer.inputs) > 1 else layer.p.axis
    exclusive = layer.p.excludeFinalSum
    return mil("cumsum", x=layer.x, axis=axis, exclusive=exclusive, reverse=layer.p.reverse)


LAYERS: dict[str, LayerKernel] = {
    **{layer: _over_axes(operation) for layer, operation in _REDUCTIONS.items()},
    "argMax": _arg("reduce_argmax"),
    "argMin": _arg("reduce_argmin"),
    "argSort": _argsort,
    "batchnorm": _batchnorm,
    "cumSum": _cumsum,
    "l2normalize": _l2_normalize,
    "layerNormalization": _layer_normalization,
    "lrn": _lrn,
    "mvn": _mvn,
    "reduce": _reduce,
    "softmax": lambda layer: tf.nn.softmax(layer.x, axis=-3),
    "softmaxND": lambda layer: tf.nn.softmax(layer.x, axis=layer.p.axis),
    "topK": _topk,
}
