"""Recurrent layers over (S, B, I, 1, 1): simple, GRU, LSTM in one or both directions.

Sums are clipped to [-50, 50] before a gate's activation, as the format says. States come as inputs
behind the sequence, (1, B, H, 1, 1); a layer without them begins with zeros. Outputs of a reversed
sequence stand in the order in which they are made, as in `kernels.recurrent`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from meishi.coreml.kernels.arguments import shape_of
from meishi.coreml.network.elementwise import activated
from meishi.coreml.network.parameters import Layer, LayerKernel, weights
from meishi.keras import tf

_CLIP = 50.0
_FACTORS = {"linear": (1.0, 0.0), "scaledTanh": (1.0, 1.0), "sigmoidHard": (0.2, 0.5)}


def _vectors(x):
    """(S, B, I, 1, 1) to (S, B, I)."""
    return tf.reshape(x, shape_of(x)[:3])


def _blob(y):
    return y[..., None, None]


def _states(layer: Layer, first: int, count: int, size: int) -> tuple:
    """Return `count` states (B, H): inputs from `first` on, or zeros."""
    batch = shape_of(layer.x)[1]
    given = layer.inputs[first : first + count]
    if len(given) < count:
        return tuple(tf.zeros((batch, size)) for _ in range(count))
    return tuple(tf.reshape(state, (batch, size)) for state in given)


def _run(step: Callable, x, states: tuple, sequence: bool, backwards: bool) -> tuple:
    """Return the output, (S or 1, B, H), in the order it is made, and the last states."""
    x = tf.reverse(x, [0]) if backwards else x
    every = tf.scan(step, x, initializer=states)
    last = tuple(state[-1] for state in every)
    return (every[0] if sequence else last[0][None], *last)


def _matrices(p, names: str, end: str, rows: int, columns: int) -> list[np.ndarray]:
    """Read a matrix for each gate, transposed: (columns, rows)."""
    found = [getattr(p, name + end) for name in names.split()]
    return [weights(spec, (rows, columns)).T for spec in found]


def _vectors_of(p, names: str, end: str, size: int, there: bool) -> list[np.ndarray]:
    if not there:
        return [np.zeros(size, np.float32) for _ in names.split()]
    return [weights(getattr(p, name + end), (size,)) for name in names.split()]


def _clipped(values):
    return tf.clip_by_value(values, -_CLIP, _CLIP)


# coremltools leaves out the usual factors of a gate's activation.
_activated = partial(activated, usual=_FACTORS)


def _simple(layer: Layer):
    p = layer.p
    size, inner = p.outputVectorSize, p.inputVectorSize
    w, r = weights(p.weightMatrix, (size, inner)).T, weights(p.recursionMatrix, (size, size)).T
    bias = weights(p.biasVector, (size,)) if p.hasBiasVector else 0.0

    def step(states, x):
        return (_activated(_clipped(x @ w + states[0] @ r + bias), p.activation),)

    states = _states(layer, 1, 1, size)
    found = _run(step, _vectors(layer.x), states, p.sequenceOutput, p.reverseInput)
    return _blob(found[0]), _blob(found[1][None])


def _gru(layer: Layer):
    p = layer.p
    size, names = p.outputVectorSize, "updateGate resetGate outputGate"
    w = _matrices(p, names, "WeightMatrix", size, p.inputVectorSize)
    r = _matrices(p, names, "RecursionMatrix", size, size)
    b = _vectors_of(p, names, "BiasVector", size, p.hasBiasVectors)
    gate, output = p.activations

    def step(states, x):
        (h,) = states
        update = _activated(_clipped(x @ w[0] + h @ r[0] + b[0]), gate)
        reset = _activated(_clipped(x @ w[1] + h @ r[1] + b[1]), gate)
        new = _activated(_clipped(x @ w[2] + (h * reset) @ r[2] + b[2]), output)
        return ((1 - update) * new + update * h,)

    states = _states(layer, 1, 1, size)
    found = _run(step, _vectors(layer.x), states, p.sequenceOutput, p.reverseInput)
    return _blob(found[0]), _blob(found[1][None])


_GATES = "inputGate forgetGate blockInput outputGate"
_PEEPHOLES = "inputGate forgetGate outputGate"


def _lstm_step(p, spec, activations) -> Callable:
    """Return the step of one direction with the weights `spec`."""
    options, size = p.params, p.outputVectorSize
    w = np.concatenate(_matrices(spec, _GATES, "WeightMatrix", size, p.inputVectorSize), axis=1)
    r = np.concatenate(_matrices(spec, _GATES, "RecursionMatrix", size, size), axis=1)
    b = _vectors_of(spec, _GATES, "BiasVector", size, options.hasBiasVectors)
    b[1] = b[1] + float(options.forgetBias)
    bias = np.concatenate(b)
    peep = _vectors_of(spec, _PEEPHOLES, "PeepholeVector", size, options.hasPeepholeVectors)
    gate, block, output = activations
    limit = options.cellClipThreshold or _CLIP

    def step(states, x):
        h, c = states
        i, f, z, o = tf.split(x @ w + h @ r + bias, 4, axis=-1)
        entering = _activated(_clipped(i + peep[0] * c), gate)
        kept = _activated(_clipped(f + peep[1] * c), gate)
        kept = 1 - entering if options.coupledInputAndForgetGate else kept
        c = kept * c + entering * _activated(_clipped(z), block)
        c = tf.clip_by_value(c, -limit, limit)
        return _activated(_clipped(o + peep[2] * c), gate) * _activated(c, output), c

    return step


def _lstm(layer: Layer):
    p = layer.p
    step = _lstm_step(p, p.weightParams, p.activations)
    states = _states(layer, 1, 2, p.outputVectorSize)
    found = _run(step, _vectors(layer.x), states, p.params.sequenceOutput, p.reverseInput)
    return _blob(found[0]), _blob(found[1][None]), _blob(found[2][None])


def _bidirectional_lstm(layer: Layer):
    """Outputs: both sequences side by side, then h and c ahead, h and c back."""
    p, x = layer.p, _vectors(layer.x)
    ways = zip(
        p.weightParams,
        (p.activationsForwardLSTM, p.activationsBackwardLSTM or p.activationsForwardLSTM),
        (1, 3),
        (False, True),
        strict=True,
    )
    found = [
        _run(
            _lstm_step(p, spec, activations),
            x,
            _states(layer, first, 2, p.outputVectorSize),
            p.params.sequenceOutput,
            backwards,
        )
        for spec, activations, first, backwards in ways
    ]
    both = tf.concat([found[0][0], tf.reverse(found[1][0], [0])], axis=-1)
    return (_blob(both), *(_blob(state[None]) for way in found for state in way[1:]))


LAYERS: dict[str, LayerKernel] = {
    "biDirectionalLSTM": _bidirectional_lstm,
    "gru": _gru,
    "simpleRecurrent": _simple,
    "uniDirectionalLSTM": _lstm,
}
