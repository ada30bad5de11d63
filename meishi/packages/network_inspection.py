"""What a neural network holds: layers, weights, how they are compressed, multiply-adds.

Multiply-adds are those of convolutions and of matrix products, at the default size of the inputs:
the network is walked once on zeros to know the size of every value. Recurrent layers are named as
left out.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from meishi.coreml.features import Feature
from meishi.coreml.kernels.arguments import shape_of
from meishi.coreml.network import running
from meishi.coreml.network.network import NeuralNetwork, network_of, unknown_layers
from meishi.coreml.network.parameters import compression, stored
from meishi.errors import InputError

UNCOUNTED = ("simpleRecurrent", "gru", "uniDirectionalLSTM", "biDirectionalLSTM")
_MOST = 2**28  # values of an input that is made only to count: one of float32 takes 1 GB


def described(spec) -> dict[str, Any]:
    """Return the rows of `meishi.packages.inspection` for a network."""
    network = network_of(spec)
    layers = list(running.every_layer(network))
    held = [weights for layer in layers for weights in _weights(layer)]
    macs, open_layers = _macs(spec)
    return {
        "operations": dict(sorted(Counter(str(x.WhichOneof("layer")) for x in layers).items())),
        "unknown_operations": unknown_layers(spec),
        "weights": sum(_count(weights) for weights in held),
        "compression": dict(Counter(word for weights in held if (word := compression(weights)))),
        "macs": macs,
        "macs_unknown": open_layers,
    }


def _weights(message) -> Iterator:
    """Yield the WeightParams messages that hold values, but not those of inner networks."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.name == "NeuralNetwork":
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if field.message_type.name != "WeightParams":
                yield from _weights(part)
            elif stored(part):
                yield part


def _count(weights) -> int:
    if len(weights.floatValue):
        return len(weights.floatValue)
    if weights.float16Value:
        return len(weights.float16Value) // 2
    if weights.int8RawValue:
        return len(weights.int8RawValue)
    return len(weights.rawValue) * 8 // (weights.quantization.numberOfBits or 8)


def _macs(spec) -> tuple[int, list[str]]:
    if unknown_layers(spec):
        return 0, ["(the network cannot be walked)"]
    features = [Feature.from_spec(part) for part in spec.description.input]
    wide = [f.name for f in features if not 0 <= math.prod(f.shape) <= _MOST]
    if wide:
        return 0, [f"(the network cannot be walked: inputs {wide} are too large)"]
    counts: list[int] = []
    unknown: list[str] = []

    def observe(layer, inputs, outputs) -> None:
        counts.append(_product(layer, inputs, outputs))
        if layer.WhichOneof("layer") in UNCOUNTED:
            unknown.append(layer.name)

    try:
        NeuralNetwork.from_spec(spec, "").shapes(observe)
    except (InputError, ValueError, IndexError) as error:
        return sum(counts), [f"(the network cannot be walked: {error})"]
    loops = [
        e.name for e in running.every_layer(network_of(spec)) if e.WhichOneof("layer") == "loop"
    ]
    return sum(counts), unknown + loops  # their bodies count once


def _product(layer, inputs: list, outputs: list) -> int:
    """Multiply-adds of one layer."""
    kind = layer.WhichOneof("layer")
    p = getattr(layer, kind)
    if kind not in ("convolution", "convolution3d", "innerProduct", "batchedMatmul"):
        return 0
    places = math.prod(shape_of(outputs[0]))
    if kind == "innerProduct":
        return places * p.inputChannels
    if kind == "batchedMatmul":
        return places * (shape_of(inputs[0])[-2 if p.transposeA and len(inputs) > 1 else -1])
    if kind == "convolution":
        kernel = list(p.kernelSize) or [3, 3]
        channels = p.kernelChannels
    else:
        kernel = [p.kernelDepth, p.kernelHeight, p.kernelWidth]
        channels = p.inputChannels // (p.nGroups or 1)
    if p.isDeconvolution:  # each value of the input goes through the kernel once
        places, channels = math.prod(shape_of(inputs[0])), p.outputChannels // (p.nGroups or 1)
    return places * channels * int(np.prod(kernel))
