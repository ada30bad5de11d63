"""Tiny neural networks: specifications built field by field, run by our runtime."""

import numpy as np

from meishi.coreml.network.network import NeuralNetwork
from meishi.coreml.toolkit import ct

FLOAT32 = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32


def empty_network(shapes, outputs, exact=True, kind="neuralNetwork"):
    """Return a Model message with inputs of these shapes, by name, and no layers yet."""
    spec = ct.proto.Model_pb2.Model(specificationVersion=5 if exact else 3)
    for name, shape in shapes.items():
        array = spec.description.input.add(name=name).type.multiArrayType
        array.shape.extend(shape)
        array.dataType = FLOAT32
    for name in outputs:
        spec.description.output.add(name=name).type.multiArrayType.dataType = FLOAT32
    network = getattr(spec, kind)
    network.arrayInputShapeMapping = network.imageInputShapeMapping = int(exact)
    return spec


def add_layer(network, kind, inputs, outputs, **fields):
    """Append a layer; lists extend repeated fields, arrays fill weights."""
    layer = network.layers.add(name=f"{kind}_{len(network.layers)}")
    layer.input.extend(inputs)
    layer.output.extend(outputs)
    getattr(layer, kind).SetInParent()
    fill(getattr(layer, kind), fields)
    return layer


def fill(message, fields):
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            getattr(message, name).floatValue.extend(value.ravel().tolist())
        elif isinstance(value, dict):
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for part in value:
                fill(getattr(message, name).add(), part)
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)


def run_layer(kind, *values, count=1, exact=True, **fields):
    """Return the outputs of one layer on these inputs; one alone comes without its tuple."""
    names = [f"x{place}" for place in range(len(values))]
    outputs = [f"y{place}" for place in range(count)]
    spec = empty_network(dict(zip(names, map(np.shape, values), strict=True)), outputs, exact)
    add_layer(spec.neuralNetwork, kind, names, outputs, **fields)
    found = NeuralNetwork.from_spec(spec, "net").run(dict(zip(names, values, strict=True)))
    results = tuple(found[name] for name in outputs)
    return results if count > 1 else results[0]
