"""Layers of neural networks with windows, matrices or sequences, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.coreml_networks import run_layer
from tests.model.coreml_programs import random
from tests.model.coreml_references import gathered, pad, slow_conv, slow_transpose, slow_windows

pytestmark = pytest.mark.tf
few = settings(max_examples=20, deadline=None)
X = random(1, 4, 7, 6)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
borders = st.tuples(*[st.integers(0, 2)] * 4)


def edges(pads):
    top, bottom, left, right = pads
    sizes = [{"startEdgeSize": top, "endEdgeSize": bottom}]
    sizes.append({"startEdgeSize": left, "endEdgeSize": right})
    return {"paddingAmounts": {"borderAmounts": sizes}}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@few
@given(
    kernel=pairs,
    strides=pairs,
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2, 4]),
    pads=borders,
)
def test_convolutions(kernel, strides, dilation, groups, pads):
    weight = random(8, 4 // groups, *kernel)
    found = run_layer(
        "convolution", X, outputChannels=8, kernelChannels=4 // groups, nGroups=groups,
        kernelSize=list(kernel), stride=list(strides), dilationFactor=list(dilation),
        valid=edges(pads), hasBias=True, weights=weight, bias=np.ones(8),
    )  # fmt: skip
    expected = slow_conv(pad(X, pads), weight, strides, dilation, groups) + 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


# 7 pixels, window 3, stride 2: one pixel on each side; 6 pixels: one at the end, or at the start.
@pytest.mark.parametrize(("mode", "pads"), [(0, (1, 1, 0, 1)), (1, (1, 1, 1, 0))])
def test_same_padding_has_two_modes(mode, pads):
    weight = random(2, 4, 3, 3)
    found = run_layer(
        "convolution", X, outputChannels=2, kernelChannels=4, stride=[2, 2],
        same={"asymmetryMode": mode}, weights=weight,
    )  # fmt: skip
    expected = slow_conv(pad(X, pads), weight, (2, 2), (1, 1), 1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@few
@given(kernel=pairs, strides=pairs, dilations=pairs, groups=st.sampled_from([1, 2, 4]))
def test_deconvolutions(kernel, strides, dilations, groups):
    weight = random(4, 8 // groups, *kernel)
    found = run_layer(
        "convolution", X, isDeconvolution=True, outputChannels=8, kernelChannels=4, nGroups=groups,
        kernelSize=list(kernel), stride=list(strides), dilationFactor=list(dilations),
        valid={}, weights=weight,
    )  # fmt: skip
    expected = slow_transpose(X, weight, strides, (1, 1), groups)  # dilations are ignored
    np.testing.assert_allclose(found, expected, atol=1e-4)


def slow_pool(x, kernel, strides, reduce):
    return gathered({p: reduce(window) for p, window in slow_windows(x, kernel, strides)})


POOLS = (
    lambda w: w.max((2, 3)),
    lambda w: w.mean((2, 3)),
    lambda w: np.sqrt((w**2).sum((2, 3))),
)


@few
@given(mode=st.integers(0, 2), kernel=pairs, strides=pairs)
def test_poolings(mode, kernel, strides):
    fields = {"kernelSize": list(kernel), "stride": list(strides), "valid": {}}
    found = run_layer("pooling", X, type=mode, **fields)
    np.testing.assert_allclose(found, slow_pool(X, kernel, strides, POOLS[mode]), atol=1e-5)
    overall = run_layer("pooling", X, type=mode, globalPooling=True)
    np.testing.assert_allclose(overall[..., 0, 0], POOLS[mode](X), rtol=1e-5)


def test_a_mean_without_its_padding():
    fields = {"kernelSize": [3, 3], "stride": [2, 2], "valid": edges((1, 1, 1, 1))}
    found = run_layer("pooling", X, type=1, avgPoolExcludePadding=True, **fields)
    mean = slow_pool(pad(X, (1, 1, 1, 1)), (3, 3), (2, 2), POOLS[1])
    share = slow_pool(pad(np.ones_like(X), (1, 1, 1, 1)), (3, 3), (2, 2), POOLS[1])
    np.testing.assert_allclose(found, mean / share, atol=1e-5)


def test_the_last_pixel_is_included():
    found = run_layer("pooling", X, kernelSize=[2, 2], stride=[2, 2], includeLastPixel={})
    expected = slow_pool(pad(X, (0, 1, 0, 0), -np.inf), (2, 2), (2, 2), POOLS[0])
    np.testing.assert_array_equal(found, expected)


def test_padding_on_one_side_drops_the_last_window_of_both():
    """So does NeuralNetwork.proto say of windows that begin beyond the padding."""
    x, fields = random(1, 1, 6, 6), {"kernelSize": [2, 2], "stride": [3, 3]}
    found = run_layer("pooling", x, includeLastPixel={"paddingAmounts": [0, 1]}, **fields)
    expected = slow_pool(pad(x, (0, 0, 1, 1), -np.inf), (2, 2), (3, 3), POOLS[0])[:, :, :2]
    np.testing.assert_array_equal(found, expected)


def test_a_window_beyond_the_input_is_refused():
    with pytest.raises(ValueError, match="a window lies beyond the input"):
        run_layer("pooling", X, kernelSize=[1, 1], stride=[2, 2], includeLastPixel={})


def test_volumes():
    x = random(1, 2, 4, 5, 6)
    sides = {
        f"{name}{side}": 2 for name in ("kernel", "stride") for side in ("Depth", "Height", "Width")
    }
    cells = x[:, :, :4, :4, :6].reshape(1, 2, 2, 2, 2, 2, 3, 2)
    found = run_layer("pooling3d", x, paddingType=1, **sides)
    np.testing.assert_array_equal(found, cells.max((3, 5, 7)))
    found = run_layer("globalPooling3d", x, type=1)
    np.testing.assert_allclose(found, x.mean((2, 3, 4), keepdims=True), atol=1e-6)
    weight = random(3, 2, 2, 2, 2)
    found = run_layer(
        "convolution3d",
        x,
        outputChannels=3,
        inputChannels=2,
        paddingType=1,
        weights=weight,
        **sides,
    )
    expected = np.einsum("bidphqwr,oipqr->bodhw", cells, weight)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("sizes", [(6,), (2, 6), (2, 3, 6), (2, 2, 3, 1), (2, 2, 6, 1, 1)])
def test_inner_products_of_every_rank(sizes):
    x, weight, bias = random(*sizes), random(5, 6), random(5)
    fields = {"inputChannels": 6, "outputChannels": 5, "weights": weight, "bias": bias}
    found = run_layer("innerProduct", x, hasBias=True, **fields)
    rows = x.reshape(*sizes[:-3], 6) if len(sizes) > 3 else x
    expected = rows @ weight.T + bias
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)
    assert found.ndim == x.ndim


@pytest.mark.parametrize(
    ("left", "right", "shape"),
    [((4,), (4,), (1, 1)), ((3, 4), (4,), (3, 1)), ((4,), (2, 4, 3), (2, 1, 3))],
)
def test_products_of_vectors_keep_a_row_and_a_column(left, right, shape):
    a, b = random(*left), random(*right, seed=3)
    found = run_layer("batchedMatmul", a, b)
    assert found.shape == shape
    np.testing.assert_allclose(found, (a @ b).reshape(shape), atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_products_of_matrices(turned):
    a, b = random(2, 3, 4), random(2, 4, 5)
    given = [a.swapaxes(1, 2), b.swapaxes(1, 2)] if turned else [a, b]
    found = run_layer("batchedMatmul", *given, transposeA=turned, transposeB=turned)
    np.testing.assert_allclose(found, a @ b, atol=1e-5)
    fields = {"weightMatrixFirstDimension": 4, "weightMatrixSecondDimension": 5}
    found = run_layer("batchedMatmul", a, weights=b[0].T.copy(), **fields)
    np.testing.assert_allclose(found, a @ b[0], atol=1e-5)


def test_embeddings():
    table, picks = random(3, 5), np.float32([4, 0, 2])
    fields = {"weights": table, "hasBias": True, "bias": np.ones(3)}
    found = run_layer(
        "embedding", picks.reshape(3, 1, 1, 1), inputDim=5, outputChannels=3, **fields
    )
    np.testing.assert_allclose(found[..., 0, 0], table.T[[4, 0, 2]] + 1)
    found = run_layer("embeddingND", picks.reshape(1, 3, 1), vocabSize=5, embeddingSize=3, **fields)
    np.testing.assert_allclose(found[0], table.T[[4, 0, 2]] + 1)


def test_dot_products():
    a, b = random(2, 5, 1, 1), random(2, 5, 1, 1, seed=1)
    product = (a * b).sum(1, keepdims=True)
    np.testing.assert_allclose(run_layer("dot", a, b), product, atol=1e-5)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found = run_layer("dot", a, b, cosineSimilarity=True)
    np.testing.assert_allclose(found[:, 0], product[:, 0] / lengths, atol=1e-5)


SEQUENCE = random(4, 2, 3, 1, 1)  # 4 steps, a batch of 2
SIGMOID, TANH = {"sigmoid": {}}, {"tanh": {}}


def flow(step, states, backwards, sequence):
    """Step through the sequence in plain Python; return outputs and last states."""
    outputs = []
    for x in SEQUENCE[::-1, :, :, 0, 0] if backwards else SEQUENCE[..., 0, 0]:
        states = step(x, *states)
        outputs.append(states[0])
    return (np.stack(outputs) if sequence else states[0][None]), states


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequence", [False, True])
def test_simple_and_gated_recurrent_layers(backwards, sequence):
    w, r, b = random(3, 5, 3), random(3, 5, 5), random(3, 5)
    shared = {"inputVectorSize": 3, "outputVectorSize": 5}
    shared |= {"sequenceOutput": sequence, "reverseInput": backwards}
    found, last = run_layer(
        "simpleRecurrent", SEQUENCE, np.zeros((1, 2, 5, 1, 1), np.float32), count=2, **shared,
        activation=TANH, hasBiasVector=True,
        weightMatrix=w[0], recursionMatrix=r[0], biasVector=b[0],
    )  # fmt: skip
    zero = np.zeros((2, 5))
    expected, states = flow(
        lambda x, h: (np.tanh(x @ w[0].T + h @ r[0].T + b[0]),), (zero,), backwards, sequence
    )
    np.testing.assert_allclose(found[..., 0, 0], expected, atol=1e-5)
    np.testing.assert_allclose(last[0, ..., 0, 0], states[0], atol=1e-5)

    def gated(x, h):
        z, reset = (sigmoid(x @ w[i].T + h @ r[i].T + b[i]) for i in (0, 1))
        return ((1 - z) * np.tanh(x @ w[2].T + (h * reset) @ r[2].T + b[2]) + z * h,)

    gates = [f"{name}Gate{end}" for end in ("WeightMatrix", "RecursionMatrix", "BiasVector")
             for name in ("update", "reset", "output")]  # fmt: skip
    matrices = dict(zip(gates, [*w, *r, *b], strict=True))
    found = run_layer(
        "gru", SEQUENCE, activations=[SIGMOID, TANH], hasBiasVectors=True, **shared, **matrices
    )
    expected, _ = flow(gated, (zero,), backwards, sequence)
    np.testing.assert_allclose(found[..., 0, 0], expected, atol=1e-5)


GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")


def lstm_weights(seed):
    w, r = random(4, 5, 3, seed=seed), random(4, 5, 5, seed=seed)
    b, p = random(4, 5, seed=seed), random(3, 5, seed=seed)
    fields = {}
    for end, values in (("WeightMatrix", w), ("RecursionMatrix", r), ("BiasVector", b)):
        fields |= {gate + end: value for gate, value in zip(GATES, values, strict=True)}
    peepholes = zip((GATES[0], GATES[1], GATES[3]), p, strict=True)
    fields |= {f"{gate}PeepholeVector": value for gate, value in peepholes}

    def step(x, h, c):
        i, f, z, o = (x @ w[k].T + h @ r[k].T + b[k] for k in range(4))
        c = sigmoid(f + 1 + p[1] * c) * c + sigmoid(i + p[0] * c) * np.tanh(z)
        return sigmoid(o + p[2] * c) * np.tanh(c), c

    return fields, step


OPTIONS = {"hasBiasVectors": True, "forgetBias": True, "hasPeepholeVectors": True}
SIZES = {"inputVectorSize": 3, "outputVectorSize": 5}


@pytest.mark.parametrize("sequence", [False, True])
def test_lstm_layers_with_peepholes_and_states(sequence):
    ahead, back = lstm_weights(0), lstm_weights(7)
    h, c = random(1, 2, 5, 1, 1), random(1, 2, 5, 1, 1, seed=3)
    states = h[0, ..., 0, 0], c[0, ..., 0, 0]
    params = {**OPTIONS, "sequenceOutput": sequence}
    found = run_layer(
        "uniDirectionalLSTM", SEQUENCE, h, c, count=3, **SIZES, params=params,
        activations=[SIGMOID, TANH, TANH], weightParams=ahead[0], reverseInput=True,
    )  # fmt: skip
    expected, last = flow(ahead[1], states, True, sequence)
    for value, wanted in zip(found, (expected, last[0][None], last[1][None]), strict=True):
        np.testing.assert_allclose(value[..., 0, 0], wanted, atol=1e-5)

    found = run_layer(
        "biDirectionalLSTM", SEQUENCE, h, c, h, c, count=5, **SIZES, params=params,
        activationsForwardLSTM=[SIGMOID, TANH, TANH], activationsBackwardLSTM=[SIGMOID, TANH, TANH],
        weightParams=[ahead[0], back[0]],
    )  # fmt: skip
    ways = flow(ahead[1], states, False, sequence), flow(back[1], states, True, sequence)
    both = np.concatenate([ways[0][0], ways[1][0][::-1]], axis=-1)
    np.testing.assert_allclose(found[0][..., 0, 0], both, atol=1e-5)
    np.testing.assert_allclose(found[4][0, ..., 0, 0], ways[1][1][1], atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        ("linear", lambda x: x),
        ("scaledTanh", np.tanh),
        ("sigmoidHard", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ],
)
def test_factors_that_a_recurrent_layer_leaves_out_are_the_usual_ones(kind, plain):
    w, r = random(5, 3), random(5, 5)
    found = run_layer(
        "simpleRecurrent", SEQUENCE, inputVectorSize=3, outputVectorSize=5, sequenceOutput=True,
        activation={kind: {}}, weightMatrix=w, recursionMatrix=r,
    )  # fmt: skip
    expected, _ = flow(lambda x, h: (plain(x @ w.T + h @ r.T),), (np.zeros((2, 5)),), False, True)
    np.testing.assert_allclose(found[..., 0, 0], expected, atol=1e-4)


def test_a_coupled_gate_forgets_what_enters():
    fields, _ = lstm_weights(0)
    params = {"coupledInputAndForgetGate": True, "cellClipThreshold": 0.4, "sequenceOutput": True}
    found = run_layer(
        "uniDirectionalLSTM", SEQUENCE, **SIZES, params=params, weightParams=fields,
        activations=[SIGMOID, TANH, TANH],
    )  # fmt: skip
    w, r = random(4, 5, 3), random(4, 5, 5)

    def step(x, h, c):
        i, _, z, o = (x @ w[k].T + h @ r[k].T for k in range(4))
        c = np.clip((1 - sigmoid(i)) * c + sigmoid(i) * np.tanh(z), -0.4, 0.4)
        return sigmoid(o) * np.tanh(c), c

    expected, _ = flow(step, (np.zeros((2, 5)), np.zeros((2, 5))), False, True)
    np.testing.assert_allclose(found[..., 0, 0], expected, atol=1e-5)
