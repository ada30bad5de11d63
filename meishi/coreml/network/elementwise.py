"""Layers that work value by value: activations, functions, arithmetic, comparisons."""

from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType, SimpleNamespace

import numpy as np

from meishi.coreml.network.parameters import Layer, LayerKernel, mil, of_channels, weights
from meishi.keras import tf


def _prelu(x, p):
    alpha = of_channels(weights(p.alpha, (-1,)))
    return tf.maximum(x, 0.0) + alpha * tf.minimum(x, 0.0)


def _parametric_softplus(x, p):
    alpha, beta = (of_channels(weights(part, (-1,))) for part in (p.alpha, p.beta))
    return alpha * tf.nn.softplus(beta * x)


ACTIVATIONS: dict[str, Callable] = {
    "ELU": lambda x, p: mil("elu", x=x, alpha=np.float32(p.alpha)),
    "PReLU": _prelu,
    "ReLU": lambda x, p: tf.nn.relu(x),
    "leakyReLU": lambda x, p: tf.where(x >= 0, x, p.alpha * x),
    "linear": lambda x, p: p.alpha * x + p.beta,
    "parametricSoftplus": _parametric_softplus,
    "scaledTanh": lambda x, p: p.alpha * tf.tanh(p.beta * x),
    "sigmoid": lambda x, p: tf.sigmoid(x),
    "sigmoidHard": lambda x, p: tf.clip_by_value(p.alpha * x + p.beta, 0.0, 1.0),
    "softplus": lambda x, p: tf.nn.softplus(x),
    "softsign": lambda x, p: tf.nn.softsign(x),
    "tanh": lambda x, p: tf.tanh(x),
    "thresholdedReLU": lambda x, p: tf.where(x >= p.alpha, x, 0.0),
}


def activated(x, params, usual: Mapping[str, tuple[float, float]] = MappingProxyType({})):
    """Apply an ActivationParams message; `usual` alpha and beta of a kind stand for two zeros."""
    kind = params.WhichOneof("NonlinearityType")
    p = getattr(params, kind)
    if kind in usual and not (p.alpha or p.beta):
        p = SimpleNamespace(**dict(zip(("alpha", "beta"), usual[kind], strict=True)))
    return ACTIVATIONS[kind](tf.convert_to_tensor(x), p)


def _unary(layer: Layer):
    p = layer.p
    x = (p.scale or 1.0) * tf.convert_to_tensor(layer.x) + p.shift
    epsilon = p.epsilon or 1e-6
    kernels = (
        tf.sqrt,
        lambda x: tf.math.rsqrt(x + epsilon),
        lambda x: 1.0 / (x + epsilon),
        lambda x: tf.pow(x, p.alpha),
        tf.exp,
        lambda x: tf.math.log(x + p.epsilon),
        tf.abs,
        lambda x: tf.maximum(x, p.alpha),
    )
    return kernels[p.type](x)


def _folded(kernel: Callable) -> LayerKernel:
    """Combine all inputs; one alone with the layer's own `alpha`."""

    def apply(layer: Layer):
        values = [tf.convert_to_tensor(x) for x in layer.inputs]
        if len(values) == 1:
            values.append(tf.constant(getattr(layer.p, "alpha", 0.0)))
        return reduce(kernel, values)

    return apply


def _average(layer: Layer):
    return reduce(tf.add, map(tf.convert_to_tensor, layer.inputs)) / float(len(layer.inputs))


def _named(name: str) -> LayerKernel:
    """Run the MIL operation of this name on one or two inputs."""
    return lambda layer: mil(name, **dict(zip(("x", "y"), layer.inputs, strict=False)))


def _scale(layer: Layer):
    p = layer.p
    y = layer.x * _placed(p.scale, p.shapeScale)
    return y + _placed(p.bias, p.shapeBias) if p.hasBias else y


def _placed(spec, shape) -> np.ndarray:
    """Shape the values of a scale or a bias: [1], [C], [1, H, W] or [C, H, W]."""
    values = weights(spec, tuple(shape) or (-1,))
    return of_channels(values) if values.ndim == 1 else values


def _where(layer: Layer):
    condition, a, b = layer.inputs
    return tf.where(tf.cast(condition, tf.bool), a, b)


def _gelu(layer: Layer):
    mode = ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")[layer.p.mode]
    return mil("gelu", x=layer.x, mode=mode)


def _clamped_relu(layer: Layer):
    return mil("clamped_relu", x=layer.x, alpha=layer.p.alpha, beta=layer.p.beta)


_BINARY = {
    "addBroadcastable": "add",
    "divideBroadcastable": "real_div",
    "floorDivBroadcastable": "floor_div",
    "logicalAnd": "logical_and",
    "logicalOr": "logical_or",
    "logicalXor": "logical_xor",
    "maxBroadcastable": "maximum",
    "minBroadcastable": "minimum",
    "modBroadcastable": "mod",
    "multiplyBroadcastable": "mul",
    "powBroadcastable": "pow",
    "subtractBroadcastable": "sub",
}
_FUNCTIONS = (
    "acos asin atan atanh ceil cos cosh erf exp2 floor round sign sin sinh tan tanh".split()
)

LAYERS: dict[str, LayerKernel] = {
    **{layer: _named(operation) for layer, operation in _BINARY.items()},
    **{name: _named(name) for name in _FUNCTIONS},
    "acosh": lambda layer: tf.acosh(layer.x),
    "activation": lambda layer: activated(layer.x, layer.p),
    "add": _folded(tf.add),
    "asinh": lambda layer: tf.asinh(layer.x),
    "average": _average,
    "bias": lambda layer: layer.x + _placed(layer.p.bias, layer.p.shape),
    "clampedReLU": _clamped_relu,
    "clip": lambda layer: tf.minimum(tf.maximum(layer.x, layer.p.minVal), layer.p.maxVal),
    "copy": lambda layer: tf.identity(layer.x),
    "equal": _folded(tf.equal),
    "gelu": _gelu,
    "greaterEqual": _folded(tf.greater_equal),
    "greaterThan": _folded(tf.greater),
    "lessEqual": _folded(tf.less_equal),
    "lessThan": _folded(tf.less),
    "logicalNot": _named("logical_not"),
    "max": _folded(tf.maximum),
    "min": _folded(tf.minimum),
    "multiply": _folded(tf.multiply),
    "notEqual": _folded(tf.not_equal),
    "scale": _scale,
    "unary": _unary,
    "whereBroadcastable": _where,
}
