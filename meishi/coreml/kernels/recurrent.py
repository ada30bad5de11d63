"""MIL's recurrent layers over (S, B, I): rnn, gru, lstm.

Gates are stacked in the weights' rows: input, forget, output, cell in an LSTM; reset, output,
update in a GRU. In the direction "reverse" outputs stand in the order in which they are made, the
one of the sequence's end first; beside those of the way ahead, in a bidirectional LSTM, in the
order of the sequence: both as coremltools' tests expect it of Core ML.
"""

import numpy as np

from meishi.coreml.kernels.activation import by_name
from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, held
from meishi.keras import tf


def _run(step, x, initial: tuple, o: Arguments, direction: str) -> tuple:
    """Step through the sequence; return the outputs wanted, as they are made, and last states."""
    x = tf.reverse(x, [0]) if direction == "reverse" else x
    states = tf.scan(step, x, initializer=initial)
    last = tuple(state[-1] for state in states)
    if not o.output_sequence:
        return (last[0][None], *last)
    return (states[0], *last)


def _rnn(o: Arguments):
    activation = by_name(_name(o.activation, "tanh"))

    def step(states, x):
        product = _product(x, o.weight_ih, o.bias) + _product(states[0], o.weight_hh)
        return (activation(product),)

    return _run(step, o.x, (o.initial_h,), o, _name(o.direction, "forward"))


def _gru(o: Arguments):
    """The reset gate acts on the state's product; on the state itself if `reset_after` is false.

    The latter is what coremltools' tests expect of Core ML (test_recurrent.py, TestGRU), and not
    what the formula in the operation's description says.
    """
    gate, activation = (
        by_name(_name(o.recurrent_activation, "sigmoid")),
        by_name(_name(o.activation, "tanh")),
    )
    weights = np.split(concrete(o.weight_hh), 3)
    biases = [0.0] * 3 if o.bias is None else np.split(concrete(o.bias), 3)
    after = bool(o.reset_after)

    def step(states, x):
        (h,) = states
        r_x, o_x, z_x = tf.split(_product(x, o.weight_ih, o.input_bias), 3, axis=-1)
        r = gate(r_x + _product(h, weights[0]) + biases[0])
        z = gate(z_x + _product(h, weights[2]) + biases[2])
        inner = (
            r * (_product(h, weights[1]) + biases[1])
            if after
            else _product(r * h, weights[1]) + biases[1]
        )
        return ((1 - z) * activation(o_x + inner) + z * h,)

    return _run(step, o.x, (o.initial_h,), o, _name(o.direction, "forward"))


def _lstm(o: Arguments):
    direction = _name(o.direction, "forward")
    if direction != "bidirectional":
        weights = o.weight_ih, o.weight_hh, o.bias, o.peephole
        return _lstm_way(o, direction, weights, o.initial_h, o.initial_c)
    h, c = tf.split(o.initial_h, 2, axis=-1), tf.split(o.initial_c, 2, axis=-1)
    ahead = _lstm_way(o, "forward", (o.weight_ih, o.weight_hh, o.bias, o.peephole), h[0], c[0])
    weights = o.weight_ih_back, o.weight_hh_back, o.bias_back, o.peephole_back
    outputs, *last = _lstm_way(o, "reverse", weights, h[1], c[1])
    back = (tf.reverse(outputs, [0]), *last)
    return tuple(tf.concat(pair, axis=-1) for pair in zip(ahead, back, strict=True))


def _lstm_way(o: Arguments, direction: str, weights: tuple, h, c) -> tuple:
    gate = by_name(_name(o.recurrent_activation, "sigmoid"))
    cell, activation = (by_name(_name(name, "tanh")) for name in (o.cell_activation, o.activation))
    weight_ih, weight_hh, bias, peephole = weights
    peeps = [0.0] * 3 if peephole is None else np.split(concrete(peephole), 3)

    def step(states, x):
        h, c = states
        product = _product(x, weight_ih, bias) + _product(h, weight_hh)
        i, f, out, z = tf.split(product, 4, axis=-1)
        c = gate(f + peeps[1] * c) * c + gate(i + peeps[0] * c) * cell(z)
        c = c if o.clip is None else tf.clip_by_value(c, -o.clip, o.clip)
        return gate(out + peeps[2] * c) * activation(c), c

    return _run(step, o.x, (h, c), o, direction)


def _product(x, weight, bias=None):
    y = tf.linalg.matmul(x, held(weight), transpose_b=True)
    return y if bias is None else y + bias


def _name(value, default: str) -> str:
    return default if value is None else str(concrete(value))


OPS: dict[str, Kernel] = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}
