"""MIL's convolutions and poolings over (N, C, H, W), on TensorFlow's channels-last kernels.

Padding is made explicit and the kernels run "valid": the one way that covers MIL's `valid`, `same`,
`same_lower` and `custom` alike. Two spatial axes only; an attribute outside what is implemented
is refused with the operation's name. Pad lists read (top, bottom, left, right).
"""

import numpy as np

from meishi.keras import tf


def conv(o):
    """Convolve; weight (C_out, C_in / groups, kh, kw)."""
    _require_2d("conv", o.x)
    weight = np.asarray(o.weight)
    strides, dilations, groups = _pair(o.strides), _pair(o.dilations), int(o.groups)
    extent = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    x = _channels_last(_padded(o.x, _padding(o, extent, strides)))
    if groups == o.x.shape[1] and weight.shape[1] == 1 and strides[0] == strides[1]:
        y = _depthwise(x, weight, strides, dilations, groups)
    else:
        kernel = weight.transpose(2, 3, 1, 0)  # (kh, kw, C_in / groups, C_out)
        parts = zip(tf.split(x, groups, axis=3), np.split(kernel, groups, axis=3), strict=True)
        results = [tf.nn.conv2d(a, b, strides, "VALID", dilations=dilations) for a, b in parts]
        y = tf.concat(results, axis=3)
    return _channels_first(y if o.bias is None else y + o.bias)


def _depthwise(x, weight: np.ndarray, strides, dilations, groups: int):
    multiplier = weight.shape[0] // groups
    kernel = weight.reshape(groups, multiplier, *weight.shape[2:]).transpose(2, 3, 0, 1)
    if max(dilations) > 1:  # the kernel refuses dilations beside strides; zeros do the same
        kernel, dilations = _dilated(kernel, dilations), (1, 1)
    return tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], "VALID")


def conv_transpose(o):
    """Scatter each pixel through the kernel; weight (C_in, C_out / groups, kh, kw)."""
    _require_2d("conv_transpose", o.x)
    strides, groups = _pair(o.strides), int(o.groups)
    kernel = _dilated(np.asarray(o.weight).transpose(2, 3, 1, 0), _pair(o.dilations))
    size = o.x.shape[2:]
    full = [(n - 1) * s + k for n, s, k in zip(size, strides, kernel.shape, strict=False)]
    parts = zip(
        tf.split(_channels_last(o.x), groups, axis=3), np.split(kernel, groups, axis=3), strict=True
    )
    shape = [o.x.shape[0], *full, kernel.shape[2]]
    results = [tf.nn.conv2d_transpose(a, b, shape, strides, "VALID") for a, b in parts]
    y = _channels_first(tf.concat(results, axis=3))
    begin, out = _transpose_window(o, full, size, strides)
    y = _window(y, begin, out)
    return y if o.bias is None else y + tf.reshape(o.bias, (-1, 1, 1))


def _transpose_window(o, full, size, strides) -> tuple[list[int], list[int]]:
    """Return where the output begins in the full result, and its size."""
    pads = np.reshape(o.pad, (2, 2)).tolist() if o.pad_type == "custom" else [[0, 0], [0, 0]]
    out = [f - sum(p) for f, p in zip(full, pads, strict=True)]
    if o.pad_type == "same":
        out = [n * s for n, s in zip(size, strides, strict=True)]
    if o.output_shape is not None:
        out = [int(n) for n in o.output_shape[2:]]
    begin = [p[0] for p in pads]
    if o.pad_type == "same":
        begin = [max(f - n, 0) // 2 for f, n in zip(full, out, strict=True)]
    return begin, out


def _window(y, begin: list[int], size: list[int]):
    """Crop (N, C, H, W) to `size` from `begin`, with zeros beyond its end."""
    missing = [max(b + n - have, 0) for b, n, have in zip(begin, size, y.shape[2:], strict=True)]
    y = tf.pad(y, [[0, 0], [0, 0], [0, missing[0]], [0, missing[1]]])
    return y[:, :, begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1]]


def max_pool(o):
    """Take the maximum under each window; padding never wins."""
    padding, kernel, strides = _pooling("max_pool", o)
    x = _padded(o.x, padding, value=o.x.dtype.min)
    return _channels_first(tf.nn.max_pool2d(_channels_last(x), kernel, strides, "VALID"))


def avg_pool(o):
    """Average under each window; padding counts as zeros unless the operation excludes it."""
    padding, kernel, strides = _pooling("avg_pool", o)

    def mean(x):
        x = _channels_last(_padded(x, padding))
        return _channels_first(tf.nn.avg_pool2d(x, kernel, strides, "VALID"))

    if not o.exclude_padding_from_average:
        return mean(o.x)
    return mean(o.x) / mean(tf.ones_like(o.x[:1, :1]))  # share of real pixels under each window


def _pooling(name: str, o):
    _require_2d(name, o.x)
    if o.ceil_mode:
        raise ValueError(f"{name}: ceil_mode is not implemented by this runtime")
    kernel = _pair(o.kernel_sizes)
    strides = kernel if o.strides is None else _pair(o.strides)
    return _padding(o, kernel, strides), kernel, strides


def _padding(o, extent, strides) -> list[int]:
    """Return (top, bottom, left, right) for a window of `extent` pixels."""
    if o.pad_type == "valid":
        return [0, 0, 0, 0]
    if o.pad_type == "custom":
        return [int(n) for n in o.pad]
    pads = []
    for size, window, stride in zip(o.x.shape[2:], extent, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        small, large = total // 2, total - total // 2
        pads += [small, large] if o.pad_type == "same" else [large, small]
    return pads


def _padded(x, padding: list[int], value: float = 0.0):
    top, bottom, left, right = padding
    return tf.pad(x, [[0, 0], [0, 0], [top, bottom], [left, right]], constant_values=value)


def _dilated(kernel: np.ndarray, dilations) -> np.ndarray:
    """Put zeros between the taps of a (kh, kw, ...) kernel."""
    height, width = kernel.shape[:2]
    rows, columns = dilations
    spread = ((height - 1) * rows + 1, (width - 1) * columns + 1, *kernel.shape[2:])
    result = np.zeros(spread, kernel.dtype)
    result[::rows, ::columns] = kernel
    return result


def _pair(values) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _require_2d(name: str, x) -> None:
    if len(x.shape) != 4:
        raise ValueError(f"{name}: expected (N, C, H, W), got {x.shape}: only 2-D is implemented")


def _channels_last(x):
    return tf.transpose(x, (0, 2, 3, 1))


def _channels_first(x):
    return tf.transpose(x, (0, 3, 1, 2))
