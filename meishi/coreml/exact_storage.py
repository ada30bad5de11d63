"""Storing weights that lie on palettes or int8 grids: smaller, and not changed by a bit.

What a weight is tells how it can be stored: few distinct values make a palette, a channel of equal
steps an int8 scale. Every constant of a program is tried, and checked afterwards.
"""

from collections.abc import Iterable

import numpy as np

from meishi.compression.grids import stored
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError

PALETTE_BITS = (1, 2, 4, 6, 8)  # of iOS 16
SMALL_BITS = 4  # a palette of more is no smaller than int8 with its scales
SMALLEST = 512  # values of a constant that is worth a palette or scales of its own


def store_exactly(model: "ct.models.MLModel", group_channels: int = 0) -> "ct.models.MLModel":
    """Compress the constants of a program that can be stored without a loss.

    Args:
        model: an ML program with float16 constants; palettes and scales need iOS 16.
        group_channels: output channels that share a palette (iOS 18); 0 for a palette a constant.

    Returns:
        A program with the same values; constants on neither stay as they are.

    Raises:
        InputError: if a constant came out changed.
    """
    constants = _constants(model)
    palettes, scales = {}, {}
    for name, values in constants.items():
        bits = _bits(values, group_channels)
        on_grid = values.ndim > 1 and np.array_equal(stored(values, 0), values)
        if bits <= PALETTE_BITS[-1] and not (on_grid and bits > SMALL_BITS):
            palettes[name] = _palette(bits, _grouped(values, group_channels))
        elif on_grid:
            scales[name] = ct.optimize.coreml.OpLinearQuantizerConfig(
                mode="linear_symmetric", dtype="int8", weight_threshold=0
            )
    optimize = ct.optimize.coreml
    with only_errors(), np.errstate(divide="ignore", invalid="ignore"):
        if palettes:
            settings = optimize.OptimizationConfig(op_name_configs=palettes)
            model = optimize.palettize_weights(model, settings)
        if scales:
            settings = optimize.OptimizationConfig(op_name_configs=scales)
            model = optimize.linear_quantize_weights(model, settings)
        plain = optimize.decompress_weights(model)
    _require_equal(constants, _constants(plain))
    return share_constants(model)


def share_constants(model: "ct.models.MLModel") -> "ct.models.MLModel":
    """Keep one of each small constant of a program: strides, paddings, groups and their like.

    coremltools gives every operation constants of its own; of a small network's package they are a
    fifteenth.
    """
    spec = model.get_spec()
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            _share(block)
    with only_errors():
        return ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)


def _share(block) -> None:
    first: dict[bytes, str] = {}
    kept, renamed = [], {}
    for operation in block.operations:
        if operation.type == "const" and operation.outputs[0].name not in block.outputs:
            value = operation.attributes["val"].SerializeToString(deterministic=True)
            name = operation.outputs[0].name
            renamed[name] = first.setdefault(value, name)
            if renamed[name] != name:
                continue
        for given in operation.inputs.values():
            for argument in given.arguments:
                if argument.name in renamed:  # others are operations' results, or hold a value
                    argument.name = renamed[argument.name]
        kept.append(operation)
    kept = [type(operation).FromString(operation.SerializeToString()) for operation in kept]
    del block.operations[:]
    block.operations.extend(kept)


def _constants(model) -> dict[str, np.ndarray]:
    with only_errors():
        found = ct.optimize.coreml.get_weights_metadata(model, weight_threshold=SMALLEST - 1)
    return {name: data.val for name, data in found.items() if data.val.dtype == np.float16}


def _grouped(values: np.ndarray, group_channels: int) -> int:
    """Return the channels that share a palette of this constant: 0 if its channels do not fit."""
    fits = values.ndim == 4 and group_channels and len(values) % group_channels == 0
    return group_channels if fits else 0


def _bits(values: np.ndarray, group_channels: int) -> int:
    """Return the bits of the smallest palette that holds the values; 99 if there is none."""
    groups = len(values) // group_channels if _grouped(values, group_channels) else 1
    distinct = max(len(_distinct(row)[0]) for row in values.reshape(groups, -1))
    return next((bits for bits in PALETTE_BITS if distinct <= 2**bits), 99)


def _palette(bits: int, group_channels: int):
    grouped = {"granularity": "per_grouped_channel", "group_size": group_channels}
    return ct.optimize.coreml.OpPalettizerConfig(
        mode="custom",
        lut_function=_LookUp(bits),
        weight_threshold=0,
        **(grouped if group_channels else {}),
    )


class _LookUp:
    """Gives coremltools the distinct values of a constant, filled up with the last of them."""

    def __init__(self, bits: int):
        self.entries = 2**bits

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distinct, indices = _distinct(values)
        palette = np.pad(distinct, (0, self.entries - len(distinct)), mode="edge")
        return palette.astype(values.dtype), indices.reshape(-1).astype(np.uint8)


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values, ascending, and the number of each value among them.

    As float32: NumPy 2.4 does not sort float16 reliably on processors with AVX-512 FP16, so that
    coremltools' own mode "unique" finds values several times there.
    """
    return np.unique(values.astype(np.float32), return_inverse=True)


def _require_equal(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> None:
    changed = _unmatched(before.values(), after.values())
    if changed:
        raise InputError(f"{changed} constants came out changed by their compression")


def _unmatched(before: Iterable[np.ndarray], after: Iterable[np.ndarray]) -> int:
    """Count constants without an equal among others: their names change with compression."""
    known = {(array.shape, (array + 0).tobytes()) for array in after}  # + 0: -0 becomes 0
    return sum((array.shape, (array + 0).tobytes()) not in known for array in before)
