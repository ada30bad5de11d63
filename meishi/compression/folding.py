"""Batch norms folded into the convolutions before them.

The converter folds them too, so a convolution's weights in a package are not the ones that training
saw. Whatever is to lie on a palette or a grid *in the package* has to be folded first.
"""

import numpy as np

from meishi.keras import keras

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """Copy a model, its batch norms folded into the convolutions before them.

    Args:
        model: functional; every batch norm follows a convolution that feeds nothing else.

    Returns:
        A model of the same layer names and outputs in inference; convolutions have a bias, a batch
        norm is the identity. It shares no weights with `model`.

    Raises:
        ValueError: if a batch norm does not follow a convolution.
    """
    norms = {_convolution_before(layer): layer for layer in model.layers if _is_norm(layer)}

    def folded_layer(layer):
        if _is_norm(layer):
            return keras.layers.Activation("linear", name=layer.name)
        return copy_layer(layer, {"use_bias": True} if layer.name in norms else {})

    folded = keras.models.clone_model(model, clone_function=folded_layer)
    for layer in model.layers:
        if isinstance(layer, CONVOLUTIONS):
            arrays = layer.get_weights()
            if layer.name in norms:
                arrays = _fold(layer, arrays, norms[layer.name])
            folded.get_layer(layer.name).set_weights(arrays)
    return folded


def copy_layer(layer, changes: dict):
    """Build a layer like another, without its weights; one that cannot be described is shared."""
    try:
        settings = layer.get_config()
    except NotImplementedError:  # the decoder of the boxes: it holds anchors and has no weights
        return layer
    return type(layer).from_config(settings | changes)


def _is_norm(layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _convolution_before(norm) -> str:
    [node] = norm.inbound_nodes[:1]
    before = node.inbound_layers
    if not isinstance(before, CONVOLUTIONS) or len(before.outbound_nodes) != 1:
        raise ValueError(f"{norm.name}: expected a convolution of its own before it, got {before}")
    return before.name


def _fold(layer, arrays: list[np.ndarray], norm) -> list[np.ndarray]:
    """Return kernel and bias of a convolution that does what layer and norm did."""
    kernel, bias = arrays if len(arrays) == 2 else (arrays[0], 0.0)
    gamma, beta, mean, variance = (array.astype(np.float64) for array in norm.get_weights())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)  # (h, w, channel, 1)
    shaped = factor[:, None] if depthwise else factor
    return [
        (kernel * shaped).astype(np.float32),
        (beta + (bias - mean) * factor).astype(np.float32),
    ]
