"""How a model's weights are stored: coremltools' compression, as a variant asks for it.

The networks are small, so that every weight tensor is compressed, not the large ones only. Nothing
here needs data; weights that fine-tuning has put onto palettes and grids come out unchanged.
"""

import io
from contextlib import redirect_stdout

from meishi.coreml.exact_storage import store_exactly
from meishi.coreml.toolkit import ct, only_errors
from meishi.variants import NEURAL_NETWORK, PALETTES, Variant

SMALLEST = 512  # values of a tensor that is worth a palette or scale of its own


def stored(model: "ct.models.MLModel", variant: Variant) -> "ct.models.MLModel":
    """Return the model with its weights stored as the variant says.

    Args:
        model: with plain weights.
        variant: a checked entry.
    """
    with only_errors():
        if variant.format == NEURAL_NETWORK:
            return _network(model, variant)
        if variant.tuned:
            return store_exactly(model, variant.group)
        if variant.weights == "int8":
            return _compressed(model, "linear_quantize_weights", _int8())
        if variant.weights == "sparse":
            return _compressed(model, "prune_weights", _sparse(variant.sparsity))
        if variant.weights in PALETTES:
            return _compressed(model, "palettize_weights", _palette(variant))
    return model


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
    bits, settings = PALETTES[variant.weights], {}
    if variant.group:
        settings = {"granularity": "per_grouped_channel", "group_size": variant.group}
    return ct.optimize.coreml.OpPalettizerConfig(
        mode="kmeans", nbits=bits, weight_threshold=SMALLEST, **settings
    )


def _network(model, variant: Variant):
    if variant.weights == "fp32":
        return model
    with redirect_stdout(io.StringIO()):  # it says what it was asked to do
        halved = ct.models.neural_network.quantization_utils.quantize_weights(model, 16)
    # Off macOS it gives the specification instead of the model.
    spec = halved.get_spec() if isinstance(halved, ct.models.MLModel) else halved
    return ct.models.MLModel(spec, skip_model_load=True)
