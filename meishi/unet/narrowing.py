"""A segmenter with fewer channels at its bottom, to be trained further.

The channels that give least to the layer after them are cut.
"""

from dataclasses import replace

import numpy as np

from meishi.backbone.narrowing import strongest
from meishi.errors import InputError
from meishi.keras import keras
from meishi.params import UnetParams
from meishi.unet.model import build_segmenter, build_trainer


def narrow_bottom(segmenter: keras.Model, params: UnetParams, channels: int) -> keras.Model:
    """Cut the channels of both layers at the bottom that give least.

    Args:
        segmenter: of `build_segmenter`, trained.
        params: its shape.
        channels: how many to keep of each.

    Returns:
        A segmenter of the shape `params` with `bottom_channels=channels`; the weights of what is
        kept are those of the one given, which stays as it is.

    Raises:
        InputError: if there are not more channels than are to be kept.
    """
    if not 1 <= channels < params.bottom_channels:
        raise InputError(
            f"channels at the bottom: expected 1 to {params.bottom_channels - 1}, fewer than the "
            f"segmenter has, got {channels}"
        )
    narrow = build_trainer(replace(params, bottom_channels=channels))
    after = f"up{_deepest(segmenter)}_narrow"
    kept_a = _strongest(segmenter, "bottom_a", "bottom_b", channels)
    kept_b = _strongest(segmenter, "bottom_b", after, channels)
    everything = slice(None)
    cuts = {  # of a kernel: which inputs, which outputs
        "bottom_a": (everything, kept_a),
        "bottom_b": (kept_a, kept_b),
        after: (kept_b, everything),
    }
    for layer in narrow.layers:
        weights = segmenter.get_layer(layer.name).get_weights()
        if layer.name in cuts:
            inputs, outputs = cuts[layer.name]
            weights = [weights[0][:, :, inputs][..., outputs]]
        elif (norm_of := layer.name.removesuffix("_bn")) in cuts:
            weights = [values[cuts[norm_of][1]] for values in weights]
        layer.set_weights(weights)
    return build_segmenter(narrow)


def _deepest(segmenter: keras.Model) -> int:
    levels = [layer.name for layer in segmenter.layers if layer.name.endswith("_narrow")]
    return max(int(name.removeprefix("up").removesuffix("_narrow")) for name in levels)


def _strongest(segmenter: keras.Model, name: str, after: str, channels: int) -> np.ndarray:
    gamma, beta = segmenter.get_layer(f"{name}_bn").get_weights()[:2]
    return strongest(gamma, beta, segmenter.get_layer(after).get_weights()[0], channels)
