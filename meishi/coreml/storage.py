"""How a model's weights are stored: coremltools' compression, as a variant asks for it.

The networks are small, so that every weight tensor is compressed, not the large ones only. Nothing
here needs data; weights that fine-tuning has put onto palettes and grids come out unchanged.
"""

import io
from contextlib import redirect_stdout

import numpy as np

from meishi.compression.palettes import make_palette
from meishi.coreml.exact_storage import SMALLEST, share_constants, store_exactly
from meishi.coreml.toolkit import ct, only_errors
from meishi.variants import NEURAL_NETWORK, PALETTES, Variant


def stored(model: "ct.models.MLModel", variant: Variant) -> "ct.models.MLModel":
    """Return the model with its weights stored as the variant says.

    Args:
        model: with plain weights.
        variant: a checked entry.

    Raises:
        InputError: if tuned weights cannot be stored without a change.
    """
    if variant.format == NEURAL_NETWORK:
        return _network(model, variant)
    if variant.tuned:
        return store_exactly(model, variant.group)
    with only_errors(), np.errstate(divide="ignore", invalid="ignore"):
        if variant.weights == "int8":
            model = _compressed(model, "linear_quantize_weights", _int8())
        elif variant.weights == "sparse":
            model = _compressed(model, "prune_weights", _sparse(variant.sparsity))
        elif variant.weights in PALETTES:
            model = _compressed(model, "palettize_weights", _palette(variant))
    return share_constants(model)


def _compressed(model, how: str, settings):
    optimize = ct.optimize.coreml
    config = optimize.OptimizationConfig(global_config=settings)
    return getattr(optimize, how)(model, config)


def _int8():
    return ct.optimize.coreml.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", weight_threshold=SMALLEST
    )


def _sparse(share: float):
    return ct.optimize.coreml.OpMagnitudePrunerConfig(
        target_sparsity=share, weight_threshold=SMALLEST
    )


def _palette(variant: Variant):
    grouped = {"granularity": "per_grouped_channel", "group_size": variant.group}
    return ct.optimize.coreml.OpPalettizerConfig(
        mode="custom",
        lut_function=_KMeans(2 ** PALETTES[variant.weights]),
        weight_threshold=SMALLEST,
        **(grouped if variant.group else {}),
    )


class _KMeans:
    """Gives coremltools palettes of our own k-means: deterministic, and without scikit-learn."""

    def __init__(self, entries: int):
        self.entries = entries

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the palette (entries,) and each value's number in it (values,)."""
        numbers = values.astype(np.float32).reshape(-1)
        palette = make_palette(numbers, self.entries).astype(np.float16).astype(np.float32)
        indices = np.searchsorted((palette[1:] + palette[:-1]) / 2, numbers, side="right")
        full = np.pad(palette, (0, self.entries - len(palette)), mode="edge")
        return full.astype(values.dtype), indices.astype(np.uint8)


def _network(model, variant: Variant):
    if variant.weights == "fp32":
        return model
    with only_errors(), redirect_stdout(io.StringIO()):  # it says what it was asked to do
        halved = ct.models.neural_network.quantization_utils.quantize_weights(model, 16)
        # Off macOS it gives the specification instead of the model.
        spec = halved.get_spec() if isinstance(halved, ct.models.MLModel) else halved
        return ct.models.MLModel(spec, skip_model_load=True)
