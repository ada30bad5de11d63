"""EfficientNet-Lite0 up to stride 16 (Tan & Le 2019; Lite variant: no squeeze-excite, ReLU6).

Layer names are those of the weights file (`imagenet.py` writes it), so that loading is by name. The
input is RGB in [0, 255]; normalisation is part of the graph.
"""

import zipfile
from pathlib import Path

import numpy as np

from meishi.backbone.narrowing import BN_EPSILON, fitted
from meishi.errors import InputError
from meishi.keras import keras

# (kernel, stride, expansion, channels) of blocks 0-10; the rest, at stride 32, is left out.
BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
)
STEM_CHANNELS = 32
INPUT_MEAN, INPUT_SCALE = 127.0, 128.0
BN_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def normalise(image):
    """Scale an RGB tensor in [0, 255] to what the ImageNet weights expect, about [-1, 1]."""
    return keras.layers.Rescaling(1 / INPUT_SCALE, -INPUT_MEAN / INPUT_SCALE, name="normalise")(
        image
    )


def convolution(x, filters: int, kernel: int, name: str, stride: int = 1, activate: bool = True):
    """Apply a convolution without bias, batch norm and, if wanted, ReLU6."""
    x = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(x) if activate else x


def features(image, blocks: int = len(BLOCKS), last_expansion: int | None = None) -> list:
    """Build the feature extractor.

    Args:
        image: (B, S, S, 3) normalised tensor, S a multiple of the last stride.
        blocks: how many blocks, from the first.
        last_expansion: channels to which the last block expands, instead of those of the table.

    Returns:
        The last feature map of each stride 2, 4, ...: (B, S / stride, S / stride, channels).
    """
    x = convolution(image, STEM_CHANNELS, 3, "stem", stride=2)
    maps = [x]
    for number, (kernel, stride, expansion, channels) in enumerate(BLOCKS[:blocks]):
        expanded = last_expansion if number == blocks - 1 else None
        expanded = expanded or x.shape[-1] * expansion
        x = _block(x, f"block{number}", kernel, stride, expanded, channels)
        maps = [*maps, x] if stride == 2 else [*maps[:-1], x]
    return maps


def _block(x, name: str, kernel: int, stride: int, expanded: int, channels: int):
    """Apply an inverted residual (MobileNetV2, Sandler et al. 2018, fig. 4)."""
    inputs, width = x, x.shape[-1]
    if expanded != width:
        x = convolution(x, expanded, 1, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = keras.layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_depthwise_bn")(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu6")(x)
    x = convolution(x, channels, 1, f"{name}_project", activate=False)
    if stride == 1 and width == channels:
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x


def load_imagenet(model, weights: Path) -> None:
    """Copy ImageNet weights into the model's layers of the same names.

    Args:
        model: a model that contains `features`.
        weights: .npz with `layer/weight` arrays; it may hold more layers than the model, and
            blocks that expand to more channels: the strongest are taken (`backbone.narrowing`).

    Raises:
        InputError: if the file is missing or damaged, or an array is missing or of another shape.
    """
    try:
        with np.load(weights) as file:
            arrays = fitted({key: file[key] for key in file.files if key.count("/") == 1}, model)
        for layer in model.layers:
            if layer.weights and layer.name.startswith(("stem", "block")):
                order = BN_WEIGHTS if layer.name.endswith("_bn") else ("kernel",)
                layer.set_weights([arrays[f"{layer.name}/{name}"] for name in order])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{weights}: not the backbone's weights: {error}") from error


def freeze(model, blocks: int) -> None:
    """Keep the stem and the first blocks as they are, their batch norms on stored statistics."""
    frozen = ("stem", *(f"block{n}_" for n in range(blocks))) if blocks else ()
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False
