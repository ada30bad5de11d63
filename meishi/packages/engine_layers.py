"""What keeps a layer of the older neural network format off the Neural Engine.

The rules are those of `engine_rules`, in the words of NeuralNetwork.proto; its layers for tensors
of any rank (those that end in ND or Broadcastable) are said to leave it too by
hollance/neural-engine, docs/unsupported-layers.md, which calls some of its list guesses.
"""

from collections.abc import Iterator

from meishi.packages.engine_rules import MOST_KERNEL, MOST_POOL_STRIDE, MOST_UPSAMPLING

NETWORKS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
_KINDS = {
    "uniDirectionalLSTM": "recurrent layers run on the CPU",
    "biDirectionalLSTM": "recurrent layers run on the CPU",
    "simpleRecurrent": "recurrent layers run on the CPU",
    "gru": "recurrent layers run on the CPU",
    "branch": "control flow runs on the CPU",
    "loop": "control flow runs on the CPU",
    "custom": "a custom layer has no form on the Neural Engine",
    "convolution3d": "three-dimensional convolution runs on the CPU or GPU",
    "NonMaximumSuppression": "no form of it is known on the Neural Engine",
    "topK": "no form of it is known on the Neural Engine",
    "cumSum": "no form of it is known on the Neural Engine",
}


def layer_reasons(spec) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and reason of each layer of a neural network that would leave."""
    for layer in getattr(spec, spec.WhichOneof("Type")).layers:
        kind = layer.WhichOneof("layer")
        reason = kind and _reason(kind, getattr(layer, kind))  # one of no type is refused
        if reason:
            yield layer.name, kind, reason


def _reason(kind: str, layer) -> str | None:
    if kind in _KINDS:
        return _KINDS[kind]
    if kind.startswith(("gather", "scatter")):
        return "gathering and scattering run on the CPU or GPU"
    if kind.endswith("Broadcastable") or (kind.endswith("ND") and not kind.startswith("load")):
        return "layers for tensors of any rank are said to run on the CPU or GPU"
    if kind == "convolution" and max(layer.dilationFactor, default=1) > 1:
        return "dilated"
    if kind == "pooling" and max(layer.kernelSize, default=1) > MOST_KERNEL:
        return f"pooling kernel beyond {MOST_KERNEL}"
    if kind == "pooling" and max(layer.stride, default=1) > MOST_POOL_STRIDE:
        return f"pooling stride beyond {MOST_POOL_STRIDE}"
    if kind == "upsample":
        factors = [*layer.scalingFactor, *layer.fractionalScalingFactor]
        if max(factors, default=1) > MOST_UPSAMPLING:
            return f"upsampling by more than {MOST_UPSAMPLING:g}; do it in steps of 2"
    return None
