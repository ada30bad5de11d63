"""Products of matrices, recurrent layers, attention and suppression of saved MIL programs."""

import numpy as np
import pytest

from tests.model.coreml_programs import random, run

pytestmark = pytest.mark.tf


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_matrix_products(tmp_path):
    x, y = random(2, 3, 4, 5), random(2, 3, 5, 6)
    weight, bias = random(7, 5), random(7)
    vector = random(5)

    def build(mb, x, y):
        return [
            mb.linear(x=x, weight=weight, bias=bias),
            mb.matmul(x=x, y=y),
            mb.matmul(x=y, y=x, transpose_x=True, transpose_y=True),
            mb.matmul(x=x, y=weight, transpose_y=True),
            mb.matmul(x=x, y=vector[:, None]),
        ]

    expected = [
        x @ weight.T + bias,
        x @ y,
        (x @ y).swapaxes(-1, -2),
        x @ weight.T,
        x @ vector[:, None],
    ]
    for found, wanted in zip(run(tmp_path, build, x, y), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("equation", "x", "y"),
    [
        ("nchw,nwhu->nchu", (2, 3, 4, 5), (2, 5, 4, 6)),
        ("chw,whr->chr", (3, 4, 5), (5, 4, 6)),
        ("bijk,bkl->bijl", (2, 3, 4, 5), (2, 5, 6)),
        ("ij,kj->ik", (3, 4), (5, 4)),
        ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ],
)
def test_einsum(equation, x, y):
    from meishi.coreml.kernels.arguments import Arguments
    from meishi.coreml.ops import OPS
    from meishi.keras import tf

    a, b = random(*x), random(*y)
    o = Arguments(values=[tf.constant(a), tf.constant(b)], equation=equation)
    np.testing.assert_allclose(OPS["einsum"](o), np.einsum(equation, a, b), atol=1e-4)


def test_einsum_of_a_program_broadcasts_axes_of_one(tmp_path):
    a, b = random(2, 3, 1, 5), random(2, 5, 4, 6)

    def build(mb, a, b):
        return mb.einsum(values=(a, b), equation="nchw,nwhu->nchu")

    expected = np.einsum("nchw,nwhu->nchu", np.broadcast_to(a, (2, 3, 4, 5)), b)
    np.testing.assert_allclose(run(tmp_path, build, a, b), expected, atol=1e-4)


def test_attention(tmp_path):
    q, k, v = random(1, 2, 3, 4), random(1, 2, 5, 4), random(1, 2, 5, 6)
    mask = np.random.default_rng(0).random((3, 5)) > 0.3
    mask[:, 0] = True

    def build(mb, q, k, v):
        given = {"query": q, "key": k, "value": v}
        return [
            mb.scaled_dot_product_attention(**given),
            mb.scaled_dot_product_attention(attn_mask=mask, **given),
        ]

    scores = np.exp(q @ k.swapaxes(-1, -2) / 2)
    for found, weights in zip(
        run(tmp_path, build, q, k, v, ios=18), [scores, scores * mask], strict=True
    ):
        expected = weights / weights.sum(axis=-1, keepdims=True) @ v
        np.testing.assert_allclose(found, expected, atol=1e-5)


def slow_lstm(x, h, c, weight_ih, weight_hh, bias):
    rows = []
    for step in x:
        i, f, o, z = np.split(step @ weight_ih.T + h @ weight_hh.T + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        rows.append(h)
    return np.array(rows), h, c


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_lstm(tmp_path, direction):
    x, h, c = random(6, 2, 3), random(2, 4), random(2, 4, seed=1)
    weights = random(16, 3), random(16, 4), random(16)

    def build(mb, x, h, c):
        given = dict(zip(("weight_ih", "weight_hh", "bias"), weights, strict=True))
        given |= {"x": x, "initial_h": h, "initial_c": c, "direction": direction}
        return [*mb.lstm(output_sequence=True, **given), mb.lstm(output_sequence=False, **given)[0]]

    turn = slice(None, None, -1 if direction == "reverse" else 1)
    rows, last_h, last_c = slow_lstm(x[turn], h, c, *weights)
    expected = [rows, last_h, last_c, last_h[None]]  # backwards: in the order they are made
    for found, wanted in zip(run(tmp_path, build, x, h, c), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_bidirectional_lstm_joins_both_ways(tmp_path):
    x, h, c = random(5, 2, 3), random(2, 8), random(2, 8, seed=1)
    ahead = random(16, 3), random(16, 4), random(16)
    back = random(16, 3, seed=5), random(16, 4, seed=5), random(16, seed=5)
    names = ("weight_ih", "weight_hh", "bias")

    def build(mb, x, h, c):
        given = dict(zip(names, ahead, strict=True))
        given |= dict(zip([f"{name}_back" for name in names], back, strict=True))
        return mb.lstm(
            x=x, initial_h=h, initial_c=c, direction="bidirectional", output_sequence=True, **given
        )

    one = slow_lstm(x, h[:, :4], c[:, :4], *ahead)
    two = slow_lstm(x[::-1], h[:, 4:], c[:, 4:], *back)
    two = (two[0][::-1], *two[1:])
    for found, parts in zip(run(tmp_path, build, x, h, c), zip(one, two, strict=True), strict=True):
        np.testing.assert_allclose(found, np.concatenate(parts, axis=-1), atol=1e-5)


def test_rnn_and_gru(tmp_path):
    x, h = random(6, 1, 3), random(1, 4)
    simple = random(4, 3), random(4, 4), random(4)
    gated = random(12, 3), random(12, 4), random(12)
    names = ("weight_ih", "weight_hh", "bias")

    def build(mb, x, h):
        given = {"x": x, "initial_h": h, "output_sequence": True}
        rnn = mb.rnn(activation="relu", **given, **dict(zip(names, simple, strict=True)))
        gru = mb.gru(direction="reverse", **given, **dict(zip(names, gated, strict=True)))
        return [rnn[0], rnn[1], gru[0], gru[1]]

    rows, state = [], h
    for step in x:
        state = np.maximum(step @ simple[0].T + state @ simple[1].T + simple[2], 0)
        rows.append(state)
    gates, gated_state = [], h
    w_r, w_o, w_z = np.split(gated[0], 3)
    u_r, u_o, u_z = np.split(gated[1], 3)
    b_r, b_o, b_z = np.split(gated[2], 3)
    for step in x[::-1]:
        r = sigmoid(step @ w_r.T + gated_state @ u_r.T + b_r)
        z = sigmoid(step @ w_z.T + gated_state @ u_z.T + b_z)
        # As in coremltools' test of the operation on devices, test_recurrent.py, TestGRU.
        o = np.tanh(step @ w_o.T + (r * gated_state) @ u_o.T + b_o)
        gated_state = (1 - z) * o + z * gated_state
        gates.append(gated_state)
    expected = [np.array(rows), state, np.array(gates), gated_state]
    for found, wanted in zip(run(tmp_path, build, x, h), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


BOXES = np.float32(
    [[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]]
)
SCORES = np.float32([[0.6, 0.1], [0.2, 0.9], [0.5, 0.3], [0.05, 0.1]])


def suppress(tmp_path, score_threshold, max_boxes, by_label):
    def build(mb, boxes, scores):
        return mb.non_maximum_suppression(
            boxes=boxes,
            scores=scores,
            iou_threshold=0.5,
            score_threshold=score_threshold,
            max_boxes=max_boxes,
            per_class_suppression=by_label,
        )

    return run(tmp_path, build, BOXES[None], SCORES[None])


@pytest.mark.parametrize(("by_label", "kept"), [(False, [1, 2]), (True, [1, 0, 2])])
def test_suppression_within_a_program(tmp_path, by_label, kept):
    boxes, scores, indices, count = suppress(tmp_path, 0.3, 4, by_label)
    assert count.tolist() == [len(kept)]
    assert indices[0, : len(kept)].tolist() == kept
    np.testing.assert_array_equal(boxes[0, : len(kept)], BOXES[kept])
    np.testing.assert_array_equal(scores[0, : len(kept)], SCORES[kept])


@pytest.mark.parametrize("by_label", [False, True])
def test_suppression_keeps_the_best_where_no_score_is_high_enough(tmp_path, by_label):
    """As coremltools' test of the operation on devices expects it."""
    boxes, scores, indices, count = suppress(tmp_path, 5.0, 2, by_label)
    assert (indices.tolist(), count.tolist()) == ([[1, -1]], [1])
    np.testing.assert_array_equal(boxes[0], [BOXES[1], np.zeros(4)])
    np.testing.assert_array_equal(scores[0], [SCORES[1], np.zeros(2)])


def test_an_lstm_clips_its_cell_state_and_takes_scaled_tanh_as_tanh(tmp_path):
    x, h, c = random(5, 1, 3), random(1, 2), random(1, 2, seed=1)
    weight_ih, weight_hh, bias = random(8, 3), random(8, 2), random(8)

    def build(mb, x, h, c):
        return mb.lstm(
            x=x,
            initial_h=h,
            initial_c=c,
            weight_ih=weight_ih,
            weight_hh=weight_hh,
            bias=bias,
            activation="scaled_tanh",
            clip=0.3,
        )

    found = run(tmp_path, build, x, h, c)
    for step in x:
        i, f, o, z = np.split(step @ weight_ih.T + h @ weight_hh.T + bias, 4, axis=1)
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(z), -0.3, 0.3)
        h = sigmoid(o) * np.tanh(c)
    np.testing.assert_allclose(found[1], h, atol=1e-5)
    np.testing.assert_allclose(found[2], c, atol=1e-5)


def test_an_lstms_gates_see_its_cell_state_through_peepholes(tmp_path):
    x, h, c = random(5, 1, 3), random(1, 2), random(1, 2, seed=1)
    weights, peephole = (random(8, 3), random(8, 2), random(8)), random(6, seed=2)

    def build(mb, x, h, c):
        given = dict(zip(("weight_ih", "weight_hh", "bias"), weights, strict=True))
        return mb.lstm(x=x, initial_h=h, initial_c=c, peephole=peephole, **given)

    found = run(tmp_path, build, x, h, c)
    into, over, out = np.split(peephole, 3)
    for step in x:
        i, f, o, z = np.split(step @ weights[0].T + h @ weights[1].T + weights[2], 4, axis=1)
        c = sigmoid(f + over * c) * c + sigmoid(i + into * c) * np.tanh(z)
        h = sigmoid(o + out * c) * np.tanh(c)  # of the new state
    np.testing.assert_allclose(found[1], h, atol=1e-5)
    np.testing.assert_allclose(found[2], c, atol=1e-5)
