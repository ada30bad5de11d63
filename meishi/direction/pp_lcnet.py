"""PP-LCNet x1.0 (Cui et al. 2021, arXiv 2109.15099, table 2), as PaddleClas builds it.

Layer names are those of the weights file (`onnx_weights.py` writes it), so that loading is by name.
The input is RGB in [0, 255]; normalisation is part of the graph.

Ours does without squeeze and excitation: its multiplication of two computed tensors may leave the
Neural Engine. Published, the last two blocks have it; how they weigh each channel in the mean goes
into the convolution that follows, and training does the rest.
"""

import zipfile
from pathlib import Path

import numpy as np

from meishi.errors import InputError
from meishi.keras import keras, tf

# (kernel, stride, channels, published with squeeze and excitation) of the separable blocks.
BLOCKS = (
    (3, 1, 32, False),
    (3, 2, 64, False),
    (3, 1, 64, False),
    (3, 2, 128, False),
    (3, 1, 128, False),
    (3, 2, 256, False),
    *[(5, 1, 256, False)] * 5,
    (5, 2, 512, True),
    (5, 1, 512, True),
)
STEM_CHANNELS, LAST_CHANNELS, SQUEEZE = 16, 1280, 4
BN_EPSILON = 1e-5
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]
BN_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def hard_swish(x):
    """Apply x relu6(x + 3) / 6 (Howard et al. 2019); written as LiteRT recognises it."""
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def hard_sigmoid(x):
    """Apply relu6(x + 3) / 6."""
    return tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def features(image, excited: bool = False):
    """Build the feature extractor.

    Args:
        image: (B, S, S, 3) RGB in [0, 255], S a multiple of 32.
        excited: as it was published, with squeeze and excitation.

    Returns:
        (B, 1280): what the plane holds, wherever it stands.
    """
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    x = keras.layers.Rescaling(scale, offset, name="normalise")(image)
    x = _convolution(x, "stem", 3, 2, STEM_CHANNELS)
    for number, (kernel, stride, channels, squeezed) in enumerate(BLOCKS):
        x = _convolution(x, f"block{number}_depthwise", kernel, stride)
        if excited and squeezed:
            x = _squeeze_and_excite(x, f"block{number}")
        x = _convolution(x, f"block{number}_pointwise", 1, 1, channels)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = keras.layers.Conv2D(LAST_CHANNELS, 1, use_bias=False, name="last")(x)
    x = keras.layers.Activation(hard_swish, name="last_swish")(x)
    return keras.layers.Flatten(name="last_flat")(x)


def _convolution(x, name: str, kernel: int, stride: int, channels: int | None = None):
    """Apply a convolution, depthwise without `channels`, batch norm and hard swish.

    Padded alike on all sides, as PaddleClas does; with a stride of 2, Keras would pad otherwise.
    """
    options = {"strides": stride, "use_bias": False, "name": name}
    options["padding"] = "same" if stride == 1 else "valid"
    if stride > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    if channels:
        x = keras.layers.Conv2D(channels, kernel, **options)(x)
    else:
        x = keras.layers.DepthwiseConv2D(kernel, **options)(x)
    x = keras.layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return keras.layers.Activation(hard_swish, name=f"{name}_swish")(x)


def _squeeze_and_excite(x, name: str):
    """Weight the channels by what the whole plane holds (Hu et al. 2018, sec. 3)."""
    channels = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = keras.layers.Conv2D(channels // SQUEEZE, 1, activation="relu", name=f"{name}_reduce")(y)
    y = keras.layers.Conv2D(channels, 1, activation=hard_sigmoid, name=f"{name}_expand")(y)
    return keras.layers.Multiply(name=f"{name}_excite")([x, y])


def weight_names(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Name a layer's arrays in the weights file, in Keras's order."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return BN_WEIGHTS
    return ("kernel", "bias")[: len(layer.weights)]


def load(model: keras.Model, weights: Path) -> None:
    """Copy weights into the model's layers of the same names, the classifier's included.

    Args:
        model: contains `features`; its classifier may have more outputs, which begin at nought.
        weights: .npz with `layer/weight` arrays.

    Raises:
        InputError: if the file is missing or damaged, or an array is missing or of another shape.
    """
    try:
        with np.load(weights) as arrays:
            for layer in model.layers:
                if layer.weights:
                    names = [f"{layer.name}/{name}" for name in weight_names(layer)]
                    layer.set_weights(_fitting(layer, [arrays[name] for name in names]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{weights}: not the classifier's weights: {error}") from error


def _fitting(layer: keras.layers.Layer, arrays: list[np.ndarray]) -> list[np.ndarray]:
    if not isinstance(layer, keras.layers.Dense):
        return arrays
    return [
        np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, layer.units - array.shape[-1])])
        for array in arrays
    ]


def absorb_excitation(model: keras.Model, weights: Path, pictures: np.ndarray) -> None:
    """Let a loaded model weigh its channels as the published one does in the mean.

    Args:
        model: without squeeze and excitation; the kernels behind it are changed.
        weights: the published ones.
        pictures: (N, S, S, 3) RGB in [0, 255], over which the mean is taken.
    """
    image = keras.Input(pictures.shape[1:])
    published = keras.Model(image, features(image, excited=True))
    load(published, weights)
    blocks = [f"block{number}" for number, block in enumerate(BLOCKS) if block[-1]]
    gates = [published.get_layer(f"{block}_expand").output for block in blocks]
    found = keras.Model(image, gates).predict(pictures, verbose=0)
    for block, values in zip(blocks, found, strict=True):
        pointwise = model.get_layer(f"{block}_pointwise")
        (kernel,) = pointwise.get_weights()
        pointwise.set_weights([kernel * values.mean(axis=(0, 1, 2))[:, None]])
