"""MIL's poolings over (N, C, *D), one to three axes.

With `ceil_mode` the last window may reach beyond the padding; as in PyTorch, what lies there does
not count. One that would begin there is left away, if its axis is padded; a neural network's layer,
which asks for it by `drops_windows`, leaves it away if either axis is.
"""

import numpy as np

from meishi.coreml.kernels import windows
from meishi.coreml.kernels.arguments import Arguments, Kernel, integers, shape_of
from meishi.keras import tf


def max_pool(o: Arguments):
    """Take the maximum under each window; padding never wins."""
    pads, beyond, kernel, strides = _windows(o)
    x = windows.padded(o.x, _sum(pads, beyond), value=o.x.dtype.min)
    return _pooled(tf.nn.max_pool, x, kernel, strides)


def avg_pool(o: Arguments):
    """Average under each window; padding counts as zeros unless the operation excludes it."""
    pads, beyond, kernel, strides = _windows(o)
    every = _sum(pads, beyond)
    mean = _pooled(tf.nn.avg_pool, windows.padded(o.x, every), kernel, strides)
    ones = tf.ones_like(o.x[:1, :1])
    if o.exclude_padding_from_average:
        counted = windows.padded(ones, every)
    elif any(beyond):
        counted = windows.padded(windows.padded(ones, pads, 1.0), beyond)
    else:
        return mean
    # The share of values that count under each window.
    return mean / _pooled(tf.nn.avg_pool, counted, kernel, strides)


def l2_pool(o: Arguments):
    """Root of the sum of squares under each window."""
    pads, beyond, kernel, strides = _windows(o)
    x = windows.padded(tf.square(o.x), _sum(pads, beyond))
    return tf.sqrt(_pooled(tf.nn.avg_pool, x, kernel, strides) * np.float32(np.prod(kernel)))


def _windows(o: Arguments) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return padding, what `ceil_mode` adds beyond it, kernel and strides."""
    kernel = integers(o.kernel_sizes)
    strides = [1] * len(kernel) if o.strides is None else integers(o.strides)
    pads = windows.padding(o, kernel, strides)
    beyond = [0] * len(pads)
    if o.ceil_mode:
        for i, size in enumerate(shape_of(o.x)[2:]):
            before, after = pads[2 * i : 2 * i + 2]
            inside = size + before + after
            count = -(-(inside - kernel[i]) // strides[i]) + 1
            outside = (count - 1) * strides[i] >= size + before
            if outside and not (before or after or (o.drops_windows and any(pads))):
                raise ValueError("ceil_mode: a window lies beyond the input; set a padding")
            count -= outside
            beyond[2 * i + 1] = max((count - 1) * strides[i] + kernel[i] - inside, 0)
    return pads, beyond, kernel, strides


def _sum(pads: list[int], beyond: list[int]) -> list[int]:
    return [a + b for a, b in zip(pads, beyond, strict=True)]


def _pooled(pool, x, kernel: list[int], strides: list[int]):
    x = windows.channels_last(x)
    if len(kernel) == 1:
        return windows.channels_first(
            pool(x[:, None], [1, *kernel], [1, *strides], "VALID", data_format="NHWC")[:, 0]
        )
    layout = {2: "NHWC", 3: "NDHWC"}[len(kernel)]
    return windows.channels_first(pool(x, kernel, strides, "VALID", data_format=layout))


OPS: dict[str, Kernel] = {"avg_pool": avg_pool, "l2_pool": l2_pool, "max_pool": max_pool}
