"""Layers of neural networks that work value by value, normalise or reduce, against NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.coreml_networks import run_layer
from tests.model.coreml_programs import random

pytestmark = pytest.mark.tf
few = settings(max_examples=15, deadline=None)
X = random(2, 3, 4, 5)
Y = random(2, 3, 4, 5, seed=9)
P = np.abs(X) + np.float32(0.1)
UNIT = X / (np.abs(X).max() + np.float32(0.01))
C = np.float32([0.5, -1.0, 2.0])
erf = np.vectorize(math.erf)


def over_channels(values):
    return values.reshape(3, 1, 1)


def softplus(x):
    return np.log1p(np.exp(x))


ACTIVATIONS = {
    "ELU": ({"alpha": 0.7}, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    "PReLU": ({"alpha": C}, lambda x: np.where(x > 0, x, over_channels(C) * x)),
    "ReLU": ({}, lambda x: np.maximum(x, 0)),
    "leakyReLU": ({"alpha": 0.3}, lambda x: np.where(x > 0, x, 0.3 * x)),
    "linear": ({"alpha": 2.0, "beta": 1.0}, lambda x: 2 * x + 1),
    "parametricSoftplus": (
        {"alpha": C, "beta": C + 3},
        lambda x: over_channels(C) * softplus(over_channels(C + 3) * x),
    ),
    "scaledTanh": ({"alpha": 1.7, "beta": 0.6}, lambda x: 1.7 * np.tanh(0.6 * x)),
    "sigmoid": ({}, lambda x: 1 / (1 + np.exp(-x))),
    "sigmoidHard": ({"alpha": 0.2, "beta": 0.5}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "softplus": ({}, softplus),
    "softsign": ({}, lambda x: x / (1 + np.abs(x))),
    "tanh": ({}, np.tanh),
    "thresholdedReLU": ({"alpha": 0.4}, lambda x: np.where(x >= 0.4, x, 0)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    fields, definition = ACTIVATIONS[name]
    found = run_layer("activation", X, **{name: fields})
    np.testing.assert_allclose(found, definition(X), atol=1e-5)


# name: (inputs, fields, definition)
VALUES = {
    "acos": ([UNIT], {}, np.arccos),
    "acosh": ([P + 1], {}, np.arccosh),
    "add": ([X, Y, X], {}, lambda x, y, z: x + y + z),
    "addBroadcastable": ([X, Y[:, :1]], {}, np.add),
    "asin": ([UNIT], {}, np.arcsin),
    "asinh": ([X], {}, np.arcsinh),
    "atan": ([X], {}, np.arctan),
    "atanh": ([UNIT], {}, np.arctanh),
    "average": ([X, Y, Y], {}, lambda x, y, z: (x + y + z) / 3),
    "bias": ([X], {"shape": [3], "bias": C}, lambda x: x + over_channels(C)),
    "ceil": ([X], {}, np.ceil),
    "clampedReLU": (
        [X],
        {"alpha": 0.2, "beta": 0.9},
        lambda x: np.minimum(np.where(x >= 0, x, np.float32(0.2) * x), np.float32(0.9)),
    ),
    "clip": ([X], {"minVal": -0.5, "maxVal": 0.7}, lambda x: np.clip(x, -0.5, 0.7)),
    "copy": ([X], {}, lambda x: x),
    "cos": ([X], {}, np.cos),
    "cosh": ([X], {}, np.cosh),
    "divideBroadcastable": ([X, P], {}, np.divide),
    "equal": ([X, np.where(Y > 0, X, Y)], {}, np.equal),
    "erf": ([X], {}, erf),
    "exp2": ([X], {}, np.exp2),
    "floor": ([X], {}, np.floor),
    "floorDivBroadcastable": ([X, P], {}, np.floor_divide),
    "gelu": ([X], {}, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "greaterEqual": ([X, Y], {}, np.greater_equal),
    "greaterThan": ([X], {"alpha": 0.3}, lambda x: x > 0.3),
    "lessEqual": ([X, Y], {}, np.less_equal),
    "lessThan": ([X, Y], {}, np.less),
    "logicalAnd": ([np.round(X), np.round(Y)], {}, np.logical_and),
    "logicalNot": ([np.round(X)], {}, np.logical_not),
    "logicalOr": ([np.round(X), np.round(Y)], {}, np.logical_or),
    "logicalXor": ([np.round(X), np.round(Y)], {}, np.logical_xor),
    "max": ([X, Y], {}, np.maximum),
    "maxBroadcastable": ([X, Y[..., :1]], {}, np.maximum),
    "min": ([X, Y], {}, np.minimum),
    "minBroadcastable": ([X, Y[0]], {}, np.minimum),
    "modBroadcastable": ([X, P], {}, np.mod),
    "multiply": ([X], {"alpha": 3.0}, lambda x: 3 * x),
    "multiplyBroadcastable": ([X, Y], {}, np.multiply),
    "notEqual": ([X, np.where(Y > 0, X, Y)], {}, np.not_equal),
    "powBroadcastable": ([P, Y], {}, np.power),
    "round": ([X], {}, np.round),
    "scale": (
        [X],
        {"shapeScale": [3], "scale": C, "hasBias": True, "shapeBias": [1], "bias": C[:1]},
        lambda x: x * over_channels(C) + C[0],
    ),
    "sign": ([X], {}, np.sign),
    "sin": ([X], {}, np.sin),
    "sinh": ([X], {}, np.sinh),
    "subtractBroadcastable": ([X, Y], {}, np.subtract),
    "tan": ([UNIT], {}, np.tan),
    "tanh": ([X], {}, np.tanh),
    "whereBroadcastable": (
        [(X > 0).astype(np.float32), X, Y],
        {},
        lambda c, x, y: np.where(c, x, y),
    ),
}


def test_an_average_stretches_what_has_a_size_of_one():
    """ "[B,C,1,1], [B,1,H,W], [B,C,H,W]" (NeuralNetwork.proto, AverageLayerParams)."""
    small, flat = Y[..., :1, :1], Y[:, :1]
    found = run_layer("average", X, small, flat)
    np.testing.assert_allclose(found, (X + small + flat) / 3, atol=1e-6)


def test_a_clip_whose_bounds_cross_ends_at_the_upper_one():
    """ "min(max(input, minVal), maxVal)" (NeuralNetwork.proto, ClipLayerParams)."""
    found = run_layer("clip", X, minVal=0.7, maxVal=-0.5)
    assert (found == np.float32(-0.5)).all()


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    inputs, fields, definition = VALUES[name]
    found = run_layer(name, *inputs, **fields)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, definition(*inputs), atol=2e-5)


UNARY = {
    0: np.sqrt,
    1: lambda x: 1 / np.sqrt(x + 0.2),
    2: lambda x: 1 / (x + 0.2),
    3: lambda x: x**1.5,
    4: np.exp,
    5: lambda x: np.log(x + 0.2),
    6: np.abs,
    7: lambda x: np.maximum(x, 1.5),
}


@pytest.mark.parametrize("mode", UNARY)
def test_unary_functions_of_a_scaled_input(mode):
    found = run_layer("unary", P, type=mode, alpha=1.5, epsilon=0.2, scale=2.0, shift=0.5)
    np.testing.assert_allclose(found, UNARY[mode](2 * P + 0.5), rtol=1e-5)


REDUCTIONS = {
    "reduceL1": lambda x, **over: np.abs(x).sum(**over),
    "reduceL2": lambda x, **over: np.sqrt(np.square(x).sum(**over)),
    "reduceLogSum": lambda x, **over: np.log(x.sum(**over)),
    "reduceLogSumExp": lambda x, **over: np.log(np.exp(x).sum(**over)),
    "reduceMax": lambda x, **over: x.max(**over),
    "reduceMean": lambda x, **over: x.mean(**over),
    "reduceMin": lambda x, **over: x.min(**over),
    "reduceProd": lambda x, **over: x.prod(**over),
    "reduceSum": lambda x, **over: x.sum(**over),
    "reduceSumSquare": lambda x, **over: np.square(x).sum(**over),
}


@few
@given(
    name=st.sampled_from(sorted(REDUCTIONS)),
    axes=st.lists(st.integers(-4, -1), min_size=1, max_size=3, unique=True),
    kept=st.booleans(),
)
def test_reductions_over_axes(name, axes, kept):
    expected = REDUCTIONS[name](P, axis=tuple(axes), keepdims=kept)
    found = run_layer(name, P, axes=axes, keepDims=kept)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_of_all_leaves_one_value(name):
    found = run_layer(name, P[0, 0], reduceAll=True)
    assert found.shape == (1,)
    np.testing.assert_allclose(found[0], REDUCTIONS[name](P[0, 0]), rtol=1e-4)


AXES = [(-3, -2, -1), (-2, -1), (-3,), (-2,), (-1,)]
OLD_REDUCTIONS = [
    "reduceSum", "reduceMean", "reduceProd", None, "reduceSumSquare",
    "reduceL1", "reduceL2", "reduceMax", "reduceMin",
]  # fmt: skip


# Mode 9 is an argument, which is defined along one axis.
REDUCED = [(m, a) for m in range(10) for a in range(5) if m != 9 or len(AXES[a]) == 1]


@pytest.mark.parametrize(("mode", "axis"), REDUCED)
def test_the_older_reduction(mode, axis):
    if mode == 9:
        expected = P.argmax(AXES[axis][0], keepdims=True)
    elif mode == 3:
        expected = np.log(P + np.float32(1e-6)).sum(AXES[axis], keepdims=True)
    else:
        expected = REDUCTIONS[OLD_REDUCTIONS[mode]](P, axis=AXES[axis], keepdims=True)
    found = run_layer("reduce", P, mode=mode, axis=axis)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def normal(x, axes, epsilon):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def lrn(x):
    squares = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = sum(squares[:, i : i + 3] for i in range(3))
    return x / (2 + 0.3 / 3 * total) ** 0.6


NORMS = {
    "batchnorm": (
        {"channels": 3, "gamma": C, "beta": C + 1, "mean": C - 1, "variance": C**2, "epsilon": 0.1},
        lambda x: (
            (x - over_channels(C - 1)) / np.sqrt(over_channels(C**2) + 0.1) * over_channels(C)
            + over_channels(C + 1)
        ),
    ),
    "l2normalize": (
        {"epsilon": 0.2},
        lambda x: x / np.sqrt((x**2).sum((1, 2, 3), keepdims=True) + 0.2),
    ),
    "layerNormalization": (
        {"normalizedShape": [4, 5], "eps": 0.1, "gamma": Y[0, 0], "beta": Y[1, 1]},
        lambda x: normal(x, (2, 3), 0.1) * Y[0, 0] + Y[1, 1],
    ),
    "lrn": ({"alpha": 0.3, "beta": 0.6, "localSize": 3, "k": 2.0}, lrn),
    "mvn": ({"normalizeVariance": True, "epsilon": 0.1}, lambda x: normal(x, (2, 3), 0.1)),
    "softmax": ({}, lambda x: softmax(x, 1)),
    "softmaxND": ({"axis": -1}, lambda x: softmax(x, 3)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalisations(name):
    fields, definition = NORMS[name]
    np.testing.assert_allclose(run_layer(name, X, **fields), definition(X), atol=1e-5)


@pytest.mark.parametrize(("instance", "axes"), [(True, (2, 3)), (False, (0, 2, 3))])
def test_batchnorm_with_measured_moments(instance, axes):
    fields = {"computeMeanVar": True, "instanceNormalization": instance, "epsilon": 0.1}
    np.testing.assert_allclose(run_layer("batchnorm", X, **fields), normal(X, axes, 0.1), atol=1e-5)


def test_mean_alone_across_channels():
    found = run_layer("mvn", X, acrossChannels=True)
    np.testing.assert_allclose(found, X - X.mean((1, 2, 3), keepdims=True), atol=1e-5)


@few
@given(axis=st.integers(-3, 2), k=st.integers(1, 3), bottom=st.booleans(), removed=st.booleans())
def test_orders(axis, k, bottom, removed):
    x = X[0]
    order = np.argsort(x if bottom else -x, axis=axis, kind="stable")
    picks = np.take(order, range(k), axis=axis)
    values, indices = run_layer("topK", x, count=2, axis=axis, K=k, useBottomK=bottom)
    np.testing.assert_array_equal(values, np.take_along_axis(x, picks, axis))
    np.testing.assert_array_equal(indices, picks)
    np.testing.assert_array_equal(run_layer("argSort", x, axis=axis, descending=not bottom), order)
    name, definition = ("argMin", np.argmin) if bottom else ("argMax", np.argmax)
    expected = definition(x, axis=axis, keepdims=not removed)
    np.testing.assert_array_equal(run_layer(name, x, axis=axis, removeDim=removed), expected)


@pytest.mark.parametrize("back", [False, True])
def test_cumulative_sums(back):
    x = X[:, :, ::-1] if back else X
    plain = np.cumsum(x, axis=2)
    shifted = np.concatenate([np.zeros_like(x[:, :, :1]), plain[:, :, :-1]], axis=2)
    expected = shifted[:, :, ::-1] if back else shifted
    found = run_layer("cumSum", X, axis=2, excludeFinalSum=True, reverse=back)
    np.testing.assert_allclose(found, expected, atol=1e-5)
