"""The network that fine-tuning sees, and the one that comes out of it.

A kernel of many values gets a palette, if there is one, and every other kernel an int8 scale per
channel, unless the settings say otherwise of its layer. Depthwise kernels are small and their
channels differ much: they always lie on the int8 grid.
"""

import numpy as np

from meishi.compression import grids, palettes
from meishi.compression.folding import CONVOLUTIONS, copy_layer, fold_batch_norms
from meishi.compression.layers import Int8Conv2D, Int8DepthwiseConv2D, PaletteConv2D
from meishi.errors import InputError
from meishi.keras import keras, tf
from meishi.tunings import Tuning


def build_student(folded: keras.Model, tuning: Tuning) -> keras.Model:
    """Copy a network, its convolutions rounding their kernels.

    Args:
        folded: without batch norms, see `folding.fold_batch_norms`.
        tuning: which kernels get a palette, and which layers learn.

    Raises:
        InputError: if the settings name a layer that is no convolution with such a kernel, or
            groups of channels that do not divide those of a kernel.
    """
    _check_names(folded, tuning)

    def rounding_layer(layer):
        if _is_depthwise(layer):
            return Int8DepthwiseConv2D(**layer.get_config())
        if not _has_kernel(layer):
            return copy_layer(layer, {})
        if not (bits := tuning.bits(layer.name, int(np.prod(layer.kernel.shape)))):
            return Int8Conv2D(**layer.get_config())
        groups, rest = divmod(layer.filters, tuning.group_channels or layer.filters)
        if rest:
            raise InputError(
                f"params.yaml [tune], model {tuning.model}: group_channels: expected a divisor of "
                f"the {layer.filters} channels of {layer.name}, got {tuning.group_channels}"
            )
        return PaletteConv2D(layer.get_config(), entries=2**bits, groups=groups)

    student = keras.models.clone_model(folded, clone_function=rounding_layer)
    for layer in student.layers:
        if isinstance(layer, CONVOLUTIONS):
            _start(layer, *folded.get_layer(layer.name).get_weights())
            layer.trainable = not layer.name.startswith(tuning.frozen)
    return student


def finish(folded: keras.Model, student: keras.Model) -> keras.Model:
    """Copy a folded model with the student's weights, rounded: kernels and float16 biases."""
    result = fold_batch_norms(folded)
    for layer in student.layers:
        if isinstance(layer, CONVOLUTIONS):
            bias = palettes.to_float16(layer.bias.numpy())
            result.get_layer(layer.name).set_weights([_rounded(layer), bias])
    return result


def _kernel(layer) -> tf.Variable:
    return layer.depthwise_kernel if _is_depthwise(layer) else layer.kernel


def _is_depthwise(layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)


def _has_kernel(layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and not _is_depthwise(layer)


def _check_names(folded: keras.Model, tuning: Tuning) -> None:
    known = [layer.name for layer in folded.layers if _has_kernel(layer)]
    if unknown := [name for name in tuning.kernel_bits if name not in known]:
        raise InputError(
            f"params.yaml [tune], model {tuning.model}: kernel_bits names {', '.join(unknown)}; "
            f"convolutions that may be named are {', '.join(known)}"
        )


def _start(layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    unit = np.float32(kernel.std()) or np.float32(1)
    _kernel(layer).assign(kernel / unit)
    layer.bias.assign(bias)
    layer.unit.assign(unit)
    if isinstance(layer, PaletteConv2D):
        rows = _grouped(kernel / unit, layer.groups_of_channels)
        found = [palettes.make_palette(row, layer.entries) for row in rows]
        # A palette with free entries repeats its last.
        layer.palette.assign([np.pad(p, (0, layer.entries - len(p)), mode="edge") for p in found])


def _rounded(layer) -> np.ndarray:
    kernel, unit = _kernel(layer).numpy(), layer.unit.numpy()
    if isinstance(layer, Int8Conv2D | Int8DepthwiseConv2D):
        return grids.int8_grid(kernel * unit, 2 if _is_depthwise(layer) else 3)
    rows = _grouped(kernel, layer.groups_of_channels)
    sorted_palettes = np.sort(layer.palette.numpy(), axis=-1)
    near = [palettes.nearest(*pair) for pair in zip(rows, sorted_palettes, strict=True)]
    return _ungrouped(palettes.to_float16(np.array(near) * unit), kernel.shape)


def _grouped(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Arrange (h, w, in, out) by groups of output channels: (G, values)."""
    return kernel.reshape(-1, kernel.shape[-1]).T.reshape(groups, -1)


def _ungrouped(rows: np.ndarray, shape: tuple) -> np.ndarray:
    return rows.reshape(shape[-1], -1).T.reshape(shape)
