"""MIL's convolutions over (N, C, *D), one to three axes, on TensorFlow's channels-last kernels.

Padding is made explicit and the kernels run "valid": the one way that covers MIL's `valid`, `same`,
`same_lower` and `custom` alike. Pad lists read (before, after) axis by axis. A single axis is run
as two, the first of size 1.
"""

import numpy as np

from meishi.coreml.kernels import windows
from meishi.coreml.kernels.arguments import (
    Arguments,
    Kernel,
    concrete,
    held,
    integer,
    integers,
    shape_of,
)
from meishi.keras import tf


def conv(o: Arguments):
    """Convolve; weight (C_out, C_in / groups, *K)."""
    flat = len(shape_of(o.x)) == 3
    weight = concrete(o.weight)
    axes = weight.ndim - 2
    strides, dilations, groups = _numbers(o.strides, axes), _numbers(o.dilations, axes), _groups(o)
    extent = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    pads = windows.padding(o, extent, strides)
    x = windows.channels_last(windows.padded(o.x, pads))
    if flat:
        x, weight = x[:, None], weight[:, :, None]
        strides, dilations = [1, *strides], [1, *dilations]
    y = _convolved(x, weight, strides, dilations, groups)
    y = y if o.bias is None else y + o.bias
    return windows.channels_first(y[:, 0] if flat else y)


def _convolved(x, weight: np.ndarray, strides, dilations, groups: int):
    axes = weight.ndim - 2
    depthwise = groups > 1 and groups == x.shape[-1] and weight.shape[1] == 1
    if depthwise and axes == 2 and strides[0] == strides[1]:
        return _depthwise(x, weight, strides, dilations, groups)
    kernel = weight.transpose(*range(2, 2 + axes), 1, 0)  # (*K, C_in / groups, C_out)
    if axes == 2:  # the kernel for two axes knows groups by the sizes
        return tf.nn.conv2d(x, held(kernel), strides, "VALID", dilations=dilations)
    kernel = _dilated(kernel, dilations)  # the one for three refuses dilations; zeros do it
    x, strides = _without_rest(x, kernel.shape[:3], strides)
    parts = _groups_of(x, kernel, groups)
    results = [tf.nn.conv3d(a, b, [1, *strides, 1], "VALID") for a, b in parts]
    return tf.concat(results, axis=-1)


def _without_rest(x, extent, strides):
    """Cut (N, *D, C) to what windows reach; along an axis with one window the stride is 1.

    Otherwise TensorFlow 2.21's kernel for three axes (oneDNN) reads memory that nobody wrote, where
    the last axis has one window and a channel is alone: in 15 of 1,500 random convolutions.
    """
    sizes = [(n - k) // s * s + k for n, k, s in zip(x.shape[1:-1], extent, strides, strict=True)]
    strides = [1 if n == k else s for n, k, s in zip(sizes, extent, strides, strict=True)]
    return x[:, : sizes[0], : sizes[1], : sizes[2]], strides


def _depthwise(x, weight: np.ndarray, strides, dilations, groups: int):
    multiplier = weight.shape[0] // groups
    kernel = weight.reshape(groups, multiplier, *weight.shape[2:]).transpose(2, 3, 0, 1)
    if max(dilations) > 1:  # the kernel refuses dilations beside strides; zeros do the same
        kernel, dilations = _dilated(kernel, dilations), (1, 1)
    return tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], "VALID")


def conv_transpose(o: Arguments):
    """Scatter each value through the kernel; weight (C_in, C_out / groups, *K)."""
    sizes = shape_of(o.x)
    flat = len(sizes) == 3
    weight = concrete(o.weight)
    axes = weight.ndim - 2
    strides, dilations, groups = _numbers(o.strides, axes), _numbers(o.dilations, axes), _groups(o)
    full = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(sizes[2:], strides, weight.shape[2:], dilations, strict=True)
    ]
    begin, out = _transpose_window(o, full, sizes[2:], strides)
    x = windows.channels_last(o.x)
    if flat:
        x, weight, strides, dilations = (
            x[:, None],
            weight[:, :, None],
            [1, *strides],
            [1, *dilations],
        )
    y = _scattered(x, weight, strides, dilations, groups, [1, *full] if flat else full)
    y = _window(windows.channels_first(y[:, 0] if flat else y), begin, out)
    return y if o.bias is None else y + tf.reshape(o.bias, [-1] + [1] * axes)


def _scattered(x, weight: np.ndarray, strides, dilations, groups: int, full: list[int]):
    axes = weight.ndim - 2
    kernel = _dilated(weight.transpose(*range(2, 2 + axes), 1, 0), dilations)
    shape = [x.shape[0], *full, kernel.shape[-2]]
    parts = _groups_of(x, kernel, groups)
    if axes == 2:
        results = [tf.nn.conv2d_transpose(a, b, shape, strides, "VALID") for a, b in parts]
    else:
        results = [tf.nn.conv3d_transpose(a, b, shape, strides, "VALID") for a, b in parts]
    return tf.concat(results, axis=-1)


def _groups_of(x, kernel: np.ndarray, groups: int) -> list[tuple]:
    """Pair each group's channels with its part of a (*K, C, C) kernel."""
    kernels = [held(part) for part in np.split(kernel, groups, axis=-1)]
    return list(zip(tf.split(x, groups, axis=-1), kernels, strict=True))


def _transpose_window(o: Arguments, full, size, strides) -> tuple[list[int], list[int]]:
    """Return where the output begins in the full result, and its size."""
    axes = len(full)
    pads = [[0, 0]] * axes
    if windows.pad_type(o) == "custom" and o.pad is not None:
        pads = np.reshape(integers(o.pad), (axes, 2)).tolist()
    out = [f - sum(p) for f, p in zip(full, pads, strict=True)]
    if windows.pad_type(o) == "same":
        out = [n * s for n, s in zip(size, strides, strict=True)]
    if o.output_shape is not None:
        out = integers(o.output_shape)[2:]
    begin = [p[0] for p in pads]
    if windows.pad_type(o) == "same":
        begin = [max(f - n, 0) // 2 for f, n in zip(full, out, strict=True)]
    return begin, out


def _window(y, begin: list[int], size: list[int]):
    """Crop (N, C, *D) to `size` from `begin`, with zeros beyond its end."""
    ends = zip(begin, size, shape_of(y)[2:], strict=True)
    missing = [[0, max(b + n - have, 0)] for b, n, have in ends]
    y = tf.pad(y, [[0, 0], [0, 0], *missing])
    return tf.slice(y, [0, 0, *begin], [-1, -1, *size])


def _dilated(kernel: np.ndarray, dilations) -> np.ndarray:
    """Put zeros between the taps of a (*K, C, C) kernel."""
    if max(dilations) == 1:
        return kernel
    taps = kernel.shape[: len(dilations)]
    spread = [(k - 1) * d + 1 for k, d in zip(taps, dilations, strict=True)]
    result = np.zeros((*spread, *kernel.shape[len(dilations) :]), kernel.dtype)
    result[tuple(slice(None, None, d) for d in dilations)] = kernel
    return result


def _numbers(values, axes: int) -> list[int]:
    return [1] * axes if values is None else integers(values)


def _groups(o: Arguments) -> int:
    return integer(o.groups, 1)


OPS: dict[str, Kernel] = {"conv": conv, "conv_transpose": conv_transpose}
