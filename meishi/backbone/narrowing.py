"""Channels that give least are cut: a narrower layer begins with the strongest of a wider one.

Channels are ranked by what they give to the layer after them. No picture is needed: batch norm's
gamma and beta are the spread and the mean of what comes out of it.
"""

from collections.abc import Mapping

import numpy as np

from meishi.keras import keras

SAMPLES = np.linspace(-4, 4, 161)  # of a standard normal, in standard deviations
CEILING = 6.0  # of ReLU6
BN_EPSILON = 1e-3  # of every batch norm of the backbone


def strongest(gamma: np.ndarray, beta: np.ndarray, kernel: np.ndarray, count: int) -> np.ndarray:
    """Choose the channels that give most to the convolution after them.

    Args:
        gamma: (C,) of the batch norm, before ReLU6, that the channels come out of.
        beta: (C,) of the same.
        kernel: (k, k, C, outputs) of the convolution after them.
        count: how many to choose.

    Returns:
        Their indices in their order, (count,) int64.
    """
    density = np.exp(-(SAMPLES**2) / 2)
    values = np.clip(beta[:, None] + gamma[:, None] * SAMPLES, 0, CEILING)
    given = np.sqrt((values**2 * density).sum(axis=1) / density.sum())  # root mean square
    effect = given * np.sqrt((kernel**2).sum(axis=(0, 1, 3)))
    return np.sort(np.argsort(-effect, kind="stable")[:count])


def fitted(arrays: Mapping[str, np.ndarray], model: keras.Model) -> dict[str, np.ndarray]:
    """Cut blocks that expand to more channels than those of a model do.

    Args:
        arrays: `layer/weight`, as `load_imagenet` reads them.
        model: that they are for.

    Returns:
        The arrays, those of such blocks with the strongest channels of the expansion alone.

    Raises:
        KeyError: if an array of such a block is missing.
    """
    cut = dict(arrays)
    for layer in model.layers:
        if layer.name.startswith("block") and layer.name.endswith("_expand"):
            kernel = arrays.get(f"{layer.name}/kernel")
            if kernel is not None and kernel.shape[-1] > layer.filters:
                _cut_block(cut, layer.name.removesuffix("_expand"), layer.filters)
    return cut


def _cut_block(arrays: dict[str, np.ndarray], block: str, count: int) -> None:
    norm, project = f"{block}_depthwise_bn", f"{block}_project/kernel"
    variance = arrays[f"{block}_project_bn/moving_variance"].astype(np.float32)
    scale = arrays[f"{block}_project_bn/gamma"].astype(np.float32) / np.sqrt(variance + BN_EPSILON)
    gamma, beta = (arrays[f"{norm}/{name}"].astype(np.float32) for name in ("gamma", "beta"))
    kept = strongest(gamma, beta, arrays[project] * scale, count)
    arrays[project] = arrays[project][:, :, kept]
    depthwise = f"{block}_depthwise/kernel"
    arrays[depthwise] = arrays[depthwise][:, :, kept]
    for key in [f"{block}_expand/kernel", *_of(arrays, f"{block}_expand_bn"), *_of(arrays, norm)]:
        arrays[key] = arrays[key][..., kept]


def _of(arrays: dict[str, np.ndarray], layer: str) -> list[str]:
    return [key for key in arrays if key.startswith(f"{layer}/")]
