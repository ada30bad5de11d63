"""MIL's arithmetic, products, normalisations and recurrent layers over shapes: kernels alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import OPS
from meishi.keras import tf
from tests.model.coreml_programs import random

pytestmark = pytest.mark.tf
few = settings(max_examples=25, deadline=None, derandomize=True)


def result(name, **inputs):
    """Run a kernel; float32 arrays become tensors, as values of a run are."""
    tensors = {
        key: tf.constant(value) if key in ("x", "y", "initial_h", "initial_c") else value
        for key, value in inputs.items()
    }
    return OPS[name](Arguments(**tensors))


def close(found, expected, **more):
    np.testing.assert_allclose(found, expected, **({"rtol": 1e-4, "atol": 1e-5} | more))


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
pictures = st.lists(st.integers(1, 4), min_size=3, max_size=5).map(tuple)
seeds = st.integers(0, 99)


@st.composite
def broadcast_pairs(draw):
    """Two shapes that broadcast: some axes are 1, and one of them may lack the first axes."""
    whole = draw(shapes)
    cut = draw(st.integers(0, len(whole) - 1))
    ones = [draw(st.tuples(st.booleans(), st.booleans())) for _ in whole]
    a = tuple(1 if one else n for n, (one, _) in zip(whole, ones, strict=True))
    b = tuple(1 if one else n for n, (_, one) in zip(whole, ones, strict=True))
    return (a, b[cut:]) if draw(st.booleans()) else (a[cut:], b)


BINARY = {
    "add": np.add,
    "equal": np.equal,
    "floor_div": np.floor_divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "real_div": np.divide,
    "sub": np.subtract,
}


@few
@given(pair=broadcast_pairs(), seed=seeds)
def test_binary_operations(pair, seed):
    x, y = (random(*shape, seed=seed + i) * 4 for i, shape in enumerate(pair))
    for name, definition in BINARY.items():
        close(result(name, x=x, y=y), definition(x, y), err_msg=name)
    close(result("pow", x=np.abs(x), y=y), np.abs(x) ** y)


@few
@given(pair=broadcast_pairs(), seed=seeds)
def test_binary_operations_of_integers(pair, seed):
    x, y = (np.int32(np.round(random(*s, seed=seed + i) * 9)) for i, s in enumerate(pair))
    y = np.where(y == 0, np.int32(-3), y)
    whole = {"real_div": lambda x, y: np.trunc(x / y)}
    for name, definition in (BINARY | whole).items():
        found = result(name, x=x, y=y).numpy()
        assert found.dtype in (np.int32, bool), name
        np.testing.assert_array_equal(found, definition(x, y), err_msg=name)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "tanh": np.tanh,
}


@few
@given(shape=shapes, seed=seeds, scale=st.sampled_from([0.1, 3.0, 30.0]))
def test_activations(shape, seed, scale):
    x = random(*shape, seed=seed) * np.float32(scale)
    for name, definition in ACTIVATIONS.items():
        close(result(name, x=x), definition(x.astype(np.float64)), err_msg=name)
    erf = np.vectorize(math.erf)(x / math.sqrt(2))
    close(result("gelu", x=x, mode="EXACT"), 0.5 * x * (1 + erf), atol=1e-4)
    close(result("gelu", x=x, mode="SIGMOID_APPROXIMATION"), x * sigmoid(1.702 * x.astype(float)))
    inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.astype(float) ** 3))
    close(result("gelu", x=x, mode="TANH_APPROXIMATION"), 0.5 * x * (1 + inner), atol=1e-4)


@few
@given(shape=pictures, seed=seeds)
def test_values_of_channels(shape, seed):
    x, wide = random(*shape, seed=seed), (-1, *[1] * (len(shape) - 2))
    alpha, beta, mean = (random(shape[1], seed=seed + i) for i in (1, 2, 3))
    variance = random(shape[1], seed=seed + 4) ** 2
    slope = np.reshape(alpha, wide)
    close(result("prelu", x=x, alpha=alpha), np.where(x >= 0, x, slope * x))
    given = {"mean": mean, "variance": variance, "gamma": alpha, "beta": beta, "epsilon": 0.01}
    scale = (alpha / np.sqrt(variance + 0.01)).reshape(wide)
    expected = (x - mean.reshape(wide)) * scale + beta.reshape(wide)
    close(result("batch_norm", x=x, **given), expected, atol=1e-4)


@st.composite
def shapes_with_axes(draw):
    shape = draw(shapes)
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    return shape, [axis - len(shape) if draw(st.booleans()) else axis for axis in axes]


REDUCTIONS = {
    "reduce_l1_norm": lambda x, **over: np.abs(x).sum(**over),
    "reduce_l2_norm": lambda x, **over: np.sqrt((x**2).sum(**over)),
    "reduce_log_sum_exp": lambda x, **over: np.log(np.exp(x).sum(**over)),
    "reduce_max": np.max,
    "reduce_mean": np.mean,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_sum_square": lambda x, **over: (x**2).sum(**over),
}


@few
@given(case=shapes_with_axes(), keep=st.booleans(), seed=seeds)
def test_reductions(case, keep, seed):
    shape, axes = case
    x = random(*shape, seed=seed)
    for name, definition in REDUCTIONS.items():
        found = result(name, x=x, axes=axes, keep_dims=keep)
        close(found, definition(x, axis=tuple(axes), keepdims=keep), err_msg=name)
        close(result(name, x=x, keep_dims=False), definition(x, axis=None), err_msg=name)
    found = result("reduce_argmax", x=x, axis=axes[0], keep_dims=keep)
    np.testing.assert_array_equal(found, x.argmax(axis=axes[0], keepdims=keep))
    found = result("reduce_argmin", x=x, axis=axes[0], keep_dims=keep)
    np.testing.assert_array_equal(found, x.argmin(axis=axes[0], keepdims=keep))


@few
@given(case=shapes_with_axes(), seed=seeds)
def test_softmax_and_layer_norm(case, seed):
    shape, axes = case
    x = random(*shape, seed=seed) * 3
    raised = np.exp(x)
    expected = raised / raised.sum(axis=axes[0], keepdims=True)
    close(result("softmax", x=x, axis=axes[0]), expected)
    over = tuple(sorted(axis % len(shape) for axis in axes))
    gamma, beta = (random(*[shape[axis] for axis in over], seed=seed + i) for i in (1, 2))
    centred = x - x.mean(axis=over, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=over, keepdims=True) + 0.1)
    wide = [n if axis in over else 1 for axis, n in enumerate(shape)]
    expected = centred / spread * gamma.reshape(wide) + beta.reshape(wide)
    options = {"axes": over, "gamma": gamma, "beta": beta, "epsilon": np.float32(0.1)}
    close(result("layer_norm", x=x, **options), expected)


@few
@given(
    batches=broadcast_pairs(),
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    turned=st.tuples(st.booleans(), st.booleans()),
    seed=seeds,
)
def test_matrix_products(batches, sizes, turned, seed):
    rows, inner, columns = sizes
    x = random(*batches[0][:2], rows, inner, seed=seed)
    y = random(*batches[0][:2], inner, columns, seed=seed + 1)
    left, right = (v.swapaxes(-1, -2) if t else v for v, t in zip((x, y), turned, strict=True))
    found = result("matmul", x=left, y=right, transpose_x=turned[0], transpose_y=turned[1])
    close(found, x @ y)
    weight, bias = random(columns, inner, seed=seed), random(columns, seed=seed)
    close(result("linear", x=x, weight=weight, bias=bias), x @ weight.T + bias)
    close(result("linear", x=x[..., 0, :], weight=weight), x[..., 0, :] @ weight.T)


EQUATIONS = ["nchw,nwhu->nchu", "bhwc,bhkc->bhwk", "bij,bjk->bik", "ij,kj->ik", "abc,cd->abd"]


@few
@given(equation=st.sampled_from(EQUATIONS), sizes=st.tuples(*[st.integers(1, 4)] * 5), seed=seeds)
def test_einsum(equation, sizes, seed):
    terms = equation.split("->")[0].split(",")
    of = dict(zip(sorted(set("".join(terms))), sizes, strict=False))
    values = [random(*[of[letter] for letter in term], seed=seed) for term in terms]
    found = OPS["einsum"](Arguments(values=[tf.constant(v) for v in values], equation=equation))
    close(found, np.einsum(equation, *values))


def steps_of_lstm(x, h, c, weights):
    """Return every output and the last state; gates are input, forget, output, cell."""
    outputs = []
    for row in x:
        i, f, o, z = np.split(row @ weights[0].T + h @ weights[1].T + weights[2], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), h, c


@few
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    direction=st.sampled_from(["forward", "reverse", "bidirectional"]),
    sequence=st.booleans(),
    seed=seeds,
)
def test_lstm(sizes, direction, sequence, seed):
    length, batch, wide, hidden = sizes
    ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    x = random(length, batch, wide, seed=seed)
    h, c = (random(batch, len(ways) * hidden, seed=seed + i) for i in (1, 2))
    shapes = (4 * hidden, wide), (4 * hidden, hidden), (4 * hidden,)
    weights = [[random(*s, seed=seed + 9 * w + i) for i, s in enumerate(shapes)] for w in (0, 1)]
    found = []
    for way, backwards in enumerate(ways):
        part = slice(way * hidden, (way + 1) * hidden)
        run = x[::-1] if backwards else x
        outputs, *last = steps_of_lstm(run, h[:, part], c[:, part], weights[way])
        outputs = outputs[::-1] if direction == "bidirectional" and backwards else outputs
        found.append((outputs if sequence else last[0][None], *last))
    names = [("weight_ih", "weight_hh", "bias"), ("weight_ih_back", "weight_hh_back", "bias_back")]
    given = dict(zip(names[0] + names[1], weights[0] + weights[1], strict=True))
    given |= {"initial_h": h, "initial_c": c, "direction": direction, "output_sequence": sequence}
    for value, parts in zip(result("lstm", x=x, **given), zip(*found, strict=True), strict=True):
        close(value, np.concatenate(parts, axis=-1))
