"""Walking the layers of a neural network, its branches and loops too."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from meishi.coreml import execution
from meishi.coreml.kernels.arguments import concrete
from meishi.coreml.network.parameters import Layer
from meishi.coreml.network.table import LAYERS
from meishi.errors import InputError
from meishi.keras import tf

_TRUE = 1e-6  # a condition holds above it


class _Break(Exception):  # noqa: N818  a signal to the loop, not a fault
    pass


class _Continue(Exception):  # noqa: N818
    pass


Observer = Callable[[Any, list, list], None]


def run(layers, known: dict, rounded: bool, observe: Observer | None = None) -> None:
    """Run layers in order; their outputs join `known`, which holds values by name.

    Args:
        layers: NeuralNetworkLayer messages.
        known: tensors or arrays by name.
        rounded: whether every layer's results are rounded to float16.
        observe: called with each layer, its inputs and its outputs; loops are then walked once.
    """
    for layer in layers:
        kind = layer.WhichOneof("layer")
        p = getattr(layer, kind)
        inputs = [_made(name, known, f"layer {layer.name}, {kind}") for name in layer.input]
        if kind == "branch":
            _branch(p, inputs[0], known, rounded, observe)
        elif kind == "loop":
            if observe:
                _observe_loop(p, known, rounded, observe)
            else:
                _loop(p, inputs, known, rounded)
        elif kind == "loopBreak":
            raise _Break
        elif kind == "loopContinue":
            raise _Continue
        else:
            kernel = partial(LAYERS[kind], Layer(p, inputs))
            result = execution.apply(kernel, inputs, rounded, f"layer {layer.name}, {kind},")
            results = result if isinstance(result, tuple | list) else (result,)
            if len(layer.output) > len(results):
                raise InputError(
                    f"layer {layer.name}, {kind}, makes {len(results)} outputs, but "
                    f"{list(layer.output)} are named"
                )
            floats = [_float(value) for value in results[: len(layer.output)]]
            known.update(zip(layer.output, floats, strict=True))
            if observe:
                observe(layer, inputs, floats)


def every_layer(network) -> Iterator:
    """Yield the layers of a network, those of branches and loops too."""
    for layer in network.layers:
        yield layer
        kind = layer.WhichOneof("layer")
        if kind == "branch":
            yield from every_layer(layer.branch.ifBranch)
            yield from every_layer(layer.branch.elseBranch)
        elif kind == "loop":
            yield from every_layer(layer.loop.conditionNetwork)
            yield from every_layer(layer.loop.bodyNetwork)


def _branch(p, condition, known: dict, rounded: bool, observe: Observer | None) -> None:
    chosen = p.ifBranch if _holds(condition) else p.elseBranch
    run(chosen.layers, known, rounded, observe)


def _observe_loop(p, known: dict, rounded: bool, observe: Observer) -> None:
    """Walk the parts of a loop once: of the zeros that are observed it might never end."""
    for part in (p.conditionNetwork, p.bodyNetwork):
        try:
            run(part.layers, known, rounded, observe)
        except (_Break, _Continue):
            pass


def _loop(p, inputs: list, known: dict, rounded: bool) -> None:
    limit = int(concrete(inputs[0]).reshape(())) if inputs else p.maxLoopIterations
    conditional = bool(p.conditionVar)
    count = 0
    while True:
        if conditional:
            run(p.conditionNetwork.layers, known, rounded)
            if not _holds(_made(p.conditionVar, known, "the condition of a loop")):
                return
        if (limit or inputs or not conditional) and count >= limit:
            return
        count += 1
        try:
            run(p.bodyNetwork.layers, known, rounded)
        except _Continue:
            continue
        except _Break:
            return


def _made(name: str, known: dict, reader: str):
    try:
        return known[name]
    except KeyError:
        raise InputError(
            f"{reader}: reads {name}, which nothing has made: a branch that was not taken would, "
            "or a loop that did not run"
        ) from None


def _holds(value) -> bool:
    return bool(abs(float(concrete(value).reshape(-1)[0])) > _TRUE)


def _float(value):
    if tf.is_tensor(value):
        return tf.cast(value, tf.float32)
    return np.asarray(value, np.float32)
