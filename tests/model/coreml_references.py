"""Slow references of operations on (N, C, *D), as plain loops, and the grid points of resizing."""

import itertools

import numpy as np


def slow_windows(x, kernel, strides, dilations=None):
    """Yield (place, window) of a valid sliding window over (N, C, *D)."""
    dilations = dilations or [1] * len(kernel)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    counts = [(n - e) // s + 1 for n, e, s in zip(x.shape[2:], extent, strides, strict=True)]
    for place in itertools.product(*map(range, counts)):
        cuts = zip(place, strides, extent, dilations, strict=True)
        yield place, x[(..., *[slice(p * s, p * s + e, d) for p, s, e, d in cuts])]


def pad(x, pads, value=0.0):
    """Pad the axes behind the channels by (before, after) each."""
    amounts = np.reshape(pads, (-1, 2)).tolist()
    return np.pad(x, [(0, 0), (0, 0), *amounts], constant_values=value)


def gathered(cells):
    """Make (N, C, *D) of a dictionary of (N, C) by place."""
    counts = np.max(list(cells), axis=0) + 1
    result = np.zeros((*next(iter(cells.values())).shape, *counts))
    for place, value in cells.items():
        result[(..., *place)] = value
    return result


def slow_conv(x, weight, strides, dilations, groups):
    """Multiply each window with the kernels of its group."""
    cells = {}
    per_group = len(weight) // groups
    for place, window in slow_windows(x, weight.shape[2:], strides, dilations):
        parts = np.split(window, groups, axis=1)
        columns = [
            (parts[out // per_group] * weight[out]).reshape(len(x), -1).sum(axis=1)
            for out in range(len(weight))
        ]
        cells[place] = np.stack(columns, axis=1)
    return gathered(cells)


def slow_transpose(x, weight, strides, dilations, groups):
    """Scatter: each value adds its kernel to the result."""
    axes = x.ndim - 2
    per_group, out = x.shape[1] // groups, weight.shape[1]
    size = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[2:], strides, weight.shape[2:], dilations, strict=True)
    ]
    result = np.zeros((len(x), out * groups, *size))
    for place in itertools.product(*map(range, x.shape[2:])):
        for tap in itertools.product(*map(range, weight.shape[2:])):
            at = [place[i] * strides[i] + tap[i] * dilations[i] for i in range(axes)]
            for c in range(x.shape[1]):
                first = c // per_group * out
                value = x[(slice(None), c, *place)][:, None] * weight[(c, slice(None), *tap)]
                result[(slice(None), slice(first, first + out), *at)] += value
    return result


def slow_linear(x, points, axis):
    """Interpolate along an axis; points beyond the ends take the end."""
    size = x.shape[axis]
    rows = []
    for point in points:
        point = min(max(point, 0), size - 1)
        low = int(point)
        high = min(low + 1, size - 1)
        share = point - low
        rows.append((1 - share) * x.take(low, axis) + share * x.take(high, axis))
    return np.stack(rows, axis=axis)


def points(mode, size, out):
    """Grid points as Apple's reference of resize_bilinear writes them."""
    steps = np.arange(out)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        return steps * (size - 1) / (out - 1)
    if mode == "DEFAULT":
        return steps * (size - size / out) / (out - 1)
    if mode == "OFFSET_CORNERS":
        delta = max(1, size - 1) / out
        return 0.5 * delta + steps * delta
    spacing = size / out
    return steps * spacing + 0.5 * spacing - 0.5
