"""Networks trained before, in the file of the backbone's weights: what a training goes on from.

The file (.npz) holds the backbone's ImageNet weights as `layer/weight`, and what further training
made of a network as `network/layer/weight`, for the layers that it changed. All are float16: half
the bytes, and far finer than training's own noise.
"""

import zipfile
from pathlib import Path

import numpy as np

from meishi.backbone.narrowing import fitted
from meishi.data.weights import owner
from meishi.errors import InputError
from meishi.files import atomic
from meishi.keras import keras


def load_trained(model: keras.Model, weights: Path) -> None:
    """Copy the weights of a network trained before into a model that has its ImageNet weights.

    Args:
        model: named as the network in the file; its blocks may expand to fewer channels than that
            network's: the strongest are taken (`backbone.narrowing`).
        weights: of `pack`.

    Raises:
        InputError: if the file is missing or damaged, holds no such network, or one of another
            shape; the model may then be changed in part.
    """
    advice = f"train from ImageNet's weights instead: train_{model.name}.continued: false"
    try:
        with np.load(weights) as file:
            keys = [key for key in file.files if key.startswith(f"{model.name}/")]
            arrays = {key.removeprefix(f"{model.name}/"): file[key] for key in keys}
        if not arrays:
            raise InputError(f"{weights}: no network {model.name!r} in it; {advice}")
        arrays = fitted(arrays, model)
        for layer in model.layers:
            keys = [f"{layer.name}/{name}" for name in _names(layer)]
            if keys and keys[0] in arrays:
                layer.set_weights([arrays.pop(key) for key in keys])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{weights}: not this {model.name!r}: {error}; {advice}") from error
    if arrays:
        raise InputError(
            f"{weights}: {model.name!r} has no {', '.join(sorted(arrays)[:3])}; {advice}"
        )


def pack(networks: dict[str, keras.Model], imagenet: Path, target: Path) -> None:
    """Write a file of weights from which training goes on.

    Args:
        networks: trained ones, by the names that their trainers have; what `imagenet` holds of
            others stays.
        imagenet: the backbone's file, see `backbone.imagenet`; it may be of `pack` itself.
        target: .npz to write.

    Raises:
        InputError: if the backbone's file is missing or damaged, or a number leaves float16.
    """
    try:
        with np.load(imagenet) as arrays:
            packed = {key: arrays[key] for key in arrays.files if owner(key) not in networks}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{imagenet}: not the backbone's weights: {error}") from error
    for network, model in networks.items():
        for layer in model.layers:
            names = _names(layer)
            halves = [value.astype(np.float16) for value in layer.get_weights()]
            if not all(np.isfinite(half).all() for half in halves):
                raise InputError(f"{network}/{layer.name}: a weight is beyond float16")
            kept = (packed.get(f"{layer.name}/{name}") for name in names)
            if not all(map(_equal, halves, kept)):
                packed |= {
                    f"{network}/{layer.name}/{name}": half
                    for name, half in zip(names, halves, strict=True)
                }
    with atomic.replace_file(target) as partial:
        np.savez_compressed(partial, **packed)


def _equal(half: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and np.array_equal(half, other)


def _names(layer: keras.layers.Layer) -> list[str]:
    """List the names of a layer's weights, in the order of `get_weights`."""
    # A depthwise kernel is one to the file: as in the backbone's.
    ends = (weight.name.split("/")[-1].removesuffix(":0") for weight in layer.weights)
    return [end.removeprefix("depthwise_") for end in ends]
