"""What the layers of a neural network share: their weights, and MIL's kernels by name.

Weights are float32, float16, or integers of 1 to 8 bits with a scale and a bias for each channel or
with a table of values. Layers count axes from the last: width, height, channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, shape_of
from meishi.coreml.ops import OPS
from meishi.errors import InputError
from meishi.keras import tf


@dataclass(frozen=True)
class Layer:
    """A layer's parameters and inputs.

    Attributes:
        p: the parameters, a message of its own for each type of layer.
        inputs: float32 tensors or arrays.
    """

    p: Any
    inputs: list

    @property
    def x(self):
        """The first input."""
        return self.inputs[0]


LayerKernel = Callable[[Layer], object]


def mil(name: str, **inputs):
    """Run a MIL operation; see `ops.OPS`."""
    return OPS[name](Arguments(**inputs))


def weights(spec, shape: Sequence[int], axis: int = 0) -> np.ndarray:
    """Return the values of a WeightParams message, float32.

    Args:
        spec: the message.
        shape: of the result; -1 for one open axis.
        axis: along which quantised weights have scales of their own.

    Raises:
        InputError: if there are not as many values as the shape asks for.
    """
    try:
        return _values(spec, shape, axis)
    except (ValueError, IndexError) as error:
        raise InputError(f"weights do not fill {tuple(shape)}: {error}") from error


def optional_weights(spec, shape: Sequence[int]) -> np.ndarray | None:
    """Return values, or None where the message holds none."""
    return weights(spec, shape) if stored(spec) else None


def stored(spec) -> bool:
    """Whether a WeightParams message holds values."""
    return bool(len(spec.floatValue) or spec.float16Value or spec.rawValue or spec.int8RawValue)


def compression(spec) -> str | None:
    """Name how weights are stored, if not as float32."""
    if spec.float16Value:
        return "float16"
    if not (spec.rawValue or spec.int8RawValue):
        return None
    kind = spec.quantization.WhichOneof("QuantizationType")
    word = "palette" if kind == "lookupTableQuantization" else "linear"
    return f"{word} of {spec.quantization.numberOfBits or 8} bits"


def _values(spec, shape: Sequence[int], axis: int) -> np.ndarray:
    if len(spec.floatValue):
        return np.array(spec.floatValue, np.float32).reshape(shape)
    if spec.float16Value:
        return np.frombuffer(spec.float16Value, np.float16).astype(np.float32).reshape(shape)
    if spec.int8RawValue:
        codes = np.frombuffer(spec.int8RawValue, np.int8)
    else:
        codes = _unpacked(spec.rawValue, spec.quantization.numberOfBits, int(np.prod(shape)))
    codes = codes.reshape(shape)
    if spec.quantization.WhichOneof("QuantizationType") == "lookupTableQuantization":
        table = np.array(spec.quantization.lookupTableQuantization.floatValue, np.float32)
        return table[codes]
    grid = spec.quantization.linearQuantization
    along = [1] * codes.ndim
    along[axis] = -1
    scale = np.array(grid.scale, np.float32).reshape(along)
    bias = np.array(grid.bias or [0.0], np.float32).reshape(along)
    return codes.astype(np.float32) * scale + bias


def _unpacked(raw: bytes, bits: int, count: int) -> np.ndarray:
    """Read codes of `bits` bits, the most significant first."""
    data = np.frombuffer(raw, np.uint8)
    if bits == 8:
        return data
    places = np.unpackbits(data)[: count * bits].reshape(count, bits)
    return places @ (1 << np.arange(bits)[::-1])


def on_images(x, kernel: Callable):
    """Apply a kernel of (N, C, H, W) to (..., C, H, W)."""
    sizes = shape_of(x)
    if len(sizes) == 4:
        return kernel(tf.convert_to_tensor(x))
    leading = sizes[:-3]
    y = kernel(tf.reshape(x, (-1, *sizes[-3:])))
    return tf.reshape(y, (*leading, *shape_of(y)[1:]))


def of_channels(values: np.ndarray) -> np.ndarray:
    """Shape (C,) values, or one value, to broadcast over (..., C, H, W)."""
    return values.reshape(-1, 1, 1)
