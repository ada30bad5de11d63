"""Elementwise operations, activations, normalisations and reductions of saved MIL programs."""

import math

import numpy as np
import pytest

from tests.model.coreml_programs import random, run

pytestmark = pytest.mark.tf
X = random(2, 3, 4, 5)
Y = random(2, 3, 4, 5, seed=9)
erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# name: (arguments beside x, definition); all of them go into one program.
UNARY = {
    "abs": ({}, np.abs),
    "atan": ({}, np.arctan),
    "ceil": ({}, np.ceil),
    "clip": ({"alpha": -0.5, "beta": 0.8}, lambda x: np.clip(x, -0.5, 0.8)),
    "cos": ({}, np.cos),
    "cosh": ({}, np.cosh),
    "erf": ({}, erf),
    "exp": ({}, np.exp),
    "exp2": ({}, np.exp2),
    "floor": ({}, np.floor),
    "identity": ({}, lambda x: x),
    "inverse": ({"epsilon": 0.1}, lambda x: 1 / (x + np.float32(0.1))),
    "round": ({}, np.round),
    "sign": ({}, np.sign),
    "sin": ({}, np.sin),
    "sinh": ({}, np.sinh),
    "square": ({}, np.square),
    "tan": ({}, np.tan),
    "threshold": ({"alpha": 0.2}, lambda x: np.maximum(x, 0.2)),
    "clamped_relu": (
        {"alpha": 0.3, "beta": 0.9},
        lambda x: np.where(x >= 0, np.minimum(0.9, x), np.minimum(0.9, 0.3 * x)),
    ),
    "elu": ({"alpha": 0.7}, lambda x: np.where(x > 0, x, 0.7 * (np.exp(x) - 1))),
    "leaky_relu": ({"alpha": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
    "linear_activation": ({"alpha": 2.0, "beta": 1.0}, lambda x: 2 * x + 1),
    "relu": ({}, lambda x: np.maximum(x, 0)),
    "relu6": ({}, lambda x: np.clip(x, 0, 6)),
    "scaled_tanh": ({"alpha": 1.5, "beta": 0.5}, lambda x: 1.5 * np.tanh(0.5 * x)),
    "sigmoid": ({}, sigmoid),
    "sigmoid_hard": ({"alpha": 0.3, "beta": 0.4}, lambda x: np.clip(0.3 * x + 0.4, 0, 1)),
    "silu": ({}, lambda x: x * sigmoid(x)),
    "softplus": ({}, lambda x: np.log(1 + np.exp(x))),
    "softsign": ({}, lambda x: x / (1 + np.abs(x))),
    "tanh": ({}, np.tanh),
    "thresholded_relu": ({"alpha": 0.4}, lambda x: np.where(x >= 0.4, x, 0)),
}
POSITIVE = {
    "log": ({"epsilon": 0.01}, lambda x: np.log(x + 0.01)),
    "rsqrt": ({"epsilon": 0.01}, lambda x: 1 / np.sqrt(x + 0.01)),
    "sqrt": ({}, np.sqrt),
    "acos": ({}, np.arccos),
    "asin": ({}, np.arcsin),
    "atanh": ({}, np.arctanh),
}


@pytest.mark.parametrize("given", [{}, {"epsilon": 1e-45}, {"epsilon": 1e-30}])
def test_the_logarithm_of_zero_is_that_of_epsilon(tmp_path, given):
    x = np.float32([0, 1e-20, 0.5, 1])
    epsilon = np.float64(np.float32(given.get("epsilon", 1e-45)))
    expected = np.log(x.astype(np.float64) + epsilon)
    found, entropy = run(
        tmp_path, lambda mb, x: [mb.log(x=x, **given), mb.mul(x=x, y=mb.log(x=x, **given))], x
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(entropy, x * expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "x"),
    [(UNARY, X), (POSITIVE, np.clip(np.abs(X), 0.01, 0.99))],
    ids=["any", "positive"],
)
def test_unary_operations(tmp_path, table, x):
    def build(mb, x):
        return [getattr(mb, name)(x=x, **given) for name, (given, _) in table.items()]

    for name, found in zip(table, run(tmp_path, build, x), strict=True):
        np.testing.assert_allclose(found, table[name][1](x), rtol=2e-4, atol=1e-5, err_msg=name)


def test_gelu_modes(tmp_path):
    modes = {
        "EXACT": 0.5 * X * (1 + erf(X / math.sqrt(2))),
        "TANH_APPROXIMATION": 0.5
        * X
        * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3))),
        "SIGMOID_APPROXIMATION": X * sigmoid(1.702 * X),
    }
    found = run(tmp_path, lambda mb, x: [mb.gelu(x=x, mode=mode) for mode in modes], X)
    for mode, value in zip(modes, found, strict=True):
        np.testing.assert_allclose(value, modes[mode], atol=1e-5, err_msg=mode)


def test_activations_with_a_value_a_channel(tmp_path):
    alpha, beta = np.float32([0.1, 0.2, 0.3]), np.float32([1, 2, 3])
    wide = alpha[:, None, None]

    def build(mb, x):
        return [mb.prelu(x=x, alpha=alpha), mb.softplus_parametric(x=x, alpha=alpha, beta=beta)]

    prelu, softplus = run(tmp_path, build, X)
    np.testing.assert_allclose(prelu, np.where(X > 0, X, wide * X), atol=1e-5)
    expected = wide * np.log(1 + np.exp(beta[:, None, None] * X))
    np.testing.assert_allclose(softplus, expected, atol=1e-5)


BINARY = {
    "add": np.add,
    "floor_div": np.floor_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "real_div": np.divide,
    "sub": np.subtract,
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "not_equal": np.not_equal,
}


@pytest.mark.parametrize(
    "y", [Y, Y[:1, :, :1], Y[0, 0, 0]], ids=["same", "axes of 1", "fewer axes"]
)
def test_binary_operations_broadcast(tmp_path, y):
    def build(mb, x, y):
        results = [getattr(mb, name)(x=x, y=y) for name in BINARY]
        return [mb.cast(x=result, dtype="fp32") for result in results]

    for name, found in zip(BINARY, run(tmp_path, build, X, y), strict=True):
        np.testing.assert_allclose(found, BINARY[name](X, y), rtol=1e-4, atol=1e-4, err_msg=name)


def test_integers_stay_integers(tmp_path):
    a, b = np.int32([7, -7, 6]), np.int32([2, 2, -4])

    def build(mb, a, b):
        return [mb.floor_div(x=a, y=b), mb.mod(x=a, y=b), mb.add(x=a, y=b), mb.mul(x=a, y=2)]

    found = run(tmp_path, build, a, b)
    expected = [[3, -4, -2], [1, 1, -2], [9, -5, 2], [14, -14, 12]]
    assert [value.tolist() for value in found] == expected
    assert all(value.dtype == np.int32 for value in found)


def test_integers_divided_by_zero_are_zero_where_a_model_may_leave_them_out(tmp_path):
    a, b = np.int32([7, -7, 0, 9]), np.int32([0, 0, 0, 4])

    def build(mb, a, b):
        return [mb.floor_div(x=a, y=b), mb.mod(x=a, y=b), mb.real_div(x=a, y=b)]

    found = run(tmp_path, build, a, b)
    assert [value.tolist() for value in found] == [[0, 0, 0, 2], [0, 0, 0, 1], [0, 0, 0, 2]]


def test_powers_of_integers(tmp_path):
    x, y = np.int32([2, -2, 1, -1, -1, 0, 0, 3]), np.int32([-1, 3, -5, -3, -4, -2, 0, 4])
    found = run(tmp_path, lambda mb, x, y: [mb.pow(x=x, y=y)], x, y)
    assert found.tolist() == [0, -8, 1, -1, 1, 0, 1, 81]


def test_logic_and_choice(tmp_path):
    def build(mb, x, y):
        p, q = mb.greater(x=x, y=0.0), mb.greater(x=y, y=0.0)
        rows = [mb.logical_and(x=p, y=q), mb.logical_or(x=p, y=q), mb.logical_xor(x=p, y=q)]
        rows = [mb.cast(x=row, dtype="fp32") for row in [*rows, mb.logical_not(x=p)]]
        return [*rows, mb.select(cond=p, a=x, b=y), mb.pow(x=mb.abs(x=x), y=1.5)]

    p, q = X > 0, Y > 0
    expected = [p & q, p | q, p ^ q, ~p, np.where(p, X, Y), np.abs(X) ** 1.5]
    for found, wanted in zip(run(tmp_path, build, X, Y), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_cast_truncates(tmp_path):
    x = np.float32([1.9, -1.9, 0.0])

    def build(mb, x):
        flag = mb.cast(x=mb.cast(x=x, dtype="bool"), dtype="int32")
        return [mb.cast(x=x, dtype="int32"), flag]

    whole, flag = run(tmp_path, build, x)
    assert whole.tolist() == [1, -1, 0] and flag.tolist() == [1, 1, 0]


REDUCTIONS = {
    "reduce_l1_norm": lambda x, **k: np.abs(x).sum(**k),
    "reduce_l2_norm": lambda x, **k: np.sqrt((x**2).sum(**k)),
    "reduce_log_sum": lambda x, **k: np.log(x.sum(**k)),
    "reduce_log_sum_exp": lambda x, **k: np.log(np.exp(x).sum(**k)),
    "reduce_max": lambda x, **k: x.max(**k),
    "reduce_mean": lambda x, **k: x.mean(**k),
    "reduce_min": lambda x, **k: x.min(**k),
    "reduce_prod": lambda x, **k: x.prod(**k),
    "reduce_sum": lambda x, **k: x.sum(**k),
    "reduce_sum_square": lambda x, **k: (x**2).sum(**k),
}


@pytest.mark.parametrize(("axes", "keep"), [((1,), False), ((-1, 1), True), ((0, 2, 3), False)])
def test_reductions(tmp_path, axes, keep):
    x = np.abs(X) + 0.1

    def build(mb, x):
        return [getattr(mb, name)(x=x, axes=list(axes), keep_dims=keep) for name in REDUCTIONS]

    for name, found in zip(REDUCTIONS, run(tmp_path, build, x), strict=True):
        expected = REDUCTIONS[name](x, axis=axes, keepdims=keep)
        np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=name)


def test_places_of_the_largest_and_running_sums(tmp_path):
    def build(mb, x):
        return [
            mb.reduce_argmax(x=x, axis=1, keep_dims=True),
            mb.reduce_argmin(x=x, axis=-1, keep_dims=False),
            mb.argsort(x=x, axis=2, ascending=True),
            *mb.topk(x=x, k=2, axis=3, ascending=False),
            *mb.topk(x=x, k=3, axis=1, ascending=True),
            mb.cumsum(x=x, axis=1),
            mb.cumsum(x=x, axis=3, exclusive=True, reverse=True),
        ]

    back = np.cumsum(X[..., ::-1], axis=3)[..., ::-1]
    expected = [
        X.argmax(axis=1)[:, None],
        X.argmin(axis=-1),
        X.argsort(axis=2),
        -np.sort(-X, axis=3)[..., :2],
        np.argsort(-X, axis=3)[..., :2],
        np.sort(X, axis=1),
        np.argsort(X, axis=1),
        np.cumsum(X, axis=1),
        back - X,
    ]
    for found, wanted in zip(run(tmp_path, build, X), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_normalisations(tmp_path):
    gamma, beta = np.float32([1, 2, 3]), np.float32([0.5, 0, -1])
    mean, variance = np.float32([0.1, 0.2, 0.3]), np.float32([1, 4, 9])
    wide = [part[:, None, None] for part in (gamma, beta, mean, variance)]
    rows = random(4, 5)

    def build(mb, x):
        return [
            mb.batch_norm(x=x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=1e-3),
            mb.instance_norm(x=x, gamma=gamma, beta=beta, epsilon=1e-3),
            mb.layer_norm(x=x, axes=[-2, -1], gamma=rows, beta=rows, epsilon=1e-3),
            mb.layer_norm(x=x, axes=[1], epsilon=1e-3),
            mb.l2_norm(x=x, epsilon=1e-3),
            mb.local_response_norm(x=x, size=2, alpha=0.5, beta=0.7, k=1.5),
            mb.softmax(x=x, axis=1),
        ]

    def standard(x, axes):
        centre = x.mean(axis=axes, keepdims=True)
        return (x - centre) / np.sqrt(x.var(axis=axes, keepdims=True) + 1e-3)

    neighbours = np.square(X)
    neighbours[:, 1:] += np.square(X)[:, :-1]
    exp = np.exp(X)
    expected = [
        (X - wide[2]) / np.sqrt(wide[3] + 1e-3) * wide[0] + wide[1],
        standard(X, (2, 3)) * wide[0] + wide[1],
        standard(X, (2, 3)) * rows + rows,
        standard(X, (1,)),
        X / np.sqrt((X**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-3),
        X / (1.5 + 0.5 / 2 * neighbours) ** 0.7,
        exp / exp.sum(axis=1, keepdims=True),
    ]
    for found, wanted in zip(run(tmp_path, build, X), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_quantising_and_back(tmp_path):
    def build(mb, x):
        small = mb.quantize(input=x, zero_point=np.int8(3), scale=0.05, output_dtype="int8")
        return mb.dequantize(input=small, zero_point=np.int8(3), scale=0.05)

    steps = np.clip(np.round(X / np.float32(0.05)) + 3, -128, 127)
    np.testing.assert_allclose(run(tmp_path, build, X, ios=17), (steps - 3) * 0.05, atol=1e-5)


@pytest.mark.filterwarnings("error:overflow:RuntimeWarning")
def test_fp16_makes_what_lies_beyond_it_infinite(tmp_path):
    x = np.float32([1, -1])

    def build(mb, x):
        return mb.mul(x=x, y=mb.fill(shape=mb.shape(x=x), value=1e5))

    np.testing.assert_array_equal(run(tmp_path, build, x), [1e5, -1e5])
    found = run(tmp_path, build, x, precision="fp16")
    np.testing.assert_array_equal(found, [np.inf, -np.inf])


def test_fp16_rounds_every_result(tmp_path):
    x = np.float32([1 / 3, 2049.0, 70000.0])

    def build(mb, x):
        return mb.sub(x=mb.add(x=x, y=1000.0), y=1000.0)

    found = run(tmp_path, build, x, precision="fp16")
    with np.errstate(over="ignore"):
        expected = (x + 1000).astype(np.float16).astype(np.float32) - 1000
        expected = expected.astype(np.float16).astype(np.float32)
    assert found.tolist() == expected.tolist()
    assert found[0] != np.float32(1 / 3)


def test_integers_whose_results_are_fractions_are_truncated(tmp_path):
    x = np.int32([[3, -4], [1, -1]])

    def build(mb, x):
        norm, power = mb.reduce_l2_norm(x=x, axes=[1]), mb.exp2(x=x)
        square = mb.square(x=x)
        total = mb.reduce_log_sum(x=square, axes=[1])
        return [norm, power, total, mb.reduce_log_sum_exp(x=square, axes=[1])]

    found = run(tmp_path, build, x)
    # sqrt(2) = 1.41, 2^-4 = 0.0625, ln 25 = 3.2, ln 2 = 0.7, ln(e + e) = 1.7
    expected = [[5, 1], [[8, 0], [2, 0]], [3, 0], [16, 1]]
    for value, wanted in zip(found, expected, strict=True):
        assert value.dtype == np.int32 and value.tolist() == wanted


def test_a_cast_to_few_bits_wraps_round(tmp_path):
    x = np.int32([300, -3, 127, -129, 40000])
    kinds = ("int8", "uint8", "int16", "uint16")

    def build(mb, x):
        return [mb.cast(x=mb.cast(x=x, dtype=kind), dtype="int32") for kind in kinds]

    for kind, found in zip(kinds, run(tmp_path, build, x, ios=17), strict=True):
        assert found.tolist() == x.astype(kind).tolist()
