"""MIL's sampling of pictures at given points: `resample` and `affine`.

Points are (x, y), from pixel centre to pixel centre when corners are aligned, else from edge to
edge of the picture.
"""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, integer, shape_of
from meishi.keras import tf


def resample(o: Arguments):
    """Take (B, C, H, W) at coordinates (B, h, w, 2)."""
    points = tf.cast(o.coordinates, tf.float32)
    mode = _word(o.coordinates_mode, "unnormalized")
    sizes = shape_of(o.x)[:1:-1]  # (W, H)
    axes = [_pixels(points[..., i], n, mode, bool(o.align_corners)) for i, n in enumerate(sizes)]
    return _sampled(
        o.x,
        axes,
        _word(o.sampling_mode, "bilinear") == "nearest",
        _word(o.padding_mode, "constant"),
        np.float32(0 if o.padding_value is None else concrete(o.padding_value)),
    )


def affine(o: Arguments):
    """Take (B, C, H, W) at a grid of the output's points, moved by a matrix (B or 1, 6)."""
    size = integer(o.output_width), integer(o.output_height)
    aligned = bool(o.align_corners)
    x, y = (_normalized(n, aligned) for n in size)
    grid = np.stack([*np.meshgrid(x, y), np.ones(size[::-1])], axis=-1).astype(np.float32)
    batch = shape_of(o.x)[0]
    matrix = tf.broadcast_to(tf.reshape(o.transform_matrix, (-1, 2, 3)), (batch, 2, 3))
    points = tf.einsum("hwk,bck->bhwc", grid, matrix)
    return resample(
        Arguments(
            x=o.x,
            coordinates=points,
            sampling_mode=o.sampling_mode,
            padding_mode=o.padding_mode,
            padding_value=o.padding_value,
            coordinates_mode=o.coordinates_mode,
            align_corners=aligned,
        )
    )


def _normalized(size: int, aligned: bool) -> np.ndarray:
    """Return the points of an axis in [-1, 1]."""
    if aligned:
        return np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
    return (2 * np.arange(size) + 1) / size - 1


def _pixels(points, size: int, mode: str, aligned: bool):
    if mode == "unnormalized":
        return points
    share = points if mode == "normalized_zero_to_one" else (points + 1) / 2
    return share * (size - 1) if aligned else share * size - 0.5


def _sampled(x, axes: list, nearest: bool, padding: str, value: np.float32):
    x = tf.transpose(x, (0, 2, 3, 1))
    height, width = shape_of(x)[1:3]
    columns, rows = (_moved(p, n, padding) for p, n in zip(axes, (width, height), strict=True))
    if nearest:
        return tf.transpose(_picked(x, tf.round(rows), tf.round(columns), value), (0, 3, 1, 2))
    top, left = tf.floor(rows), tf.floor(columns)
    total = tf.zeros(())
    for row, down in ((top, 1 - (rows - top)), (top + 1, rows - top)):
        for column, across in ((left, 1 - (columns - left)), (left + 1, columns - left)):
            total += _picked(x, row, column, value) * (down * across)[..., None]
    return tf.transpose(total, (0, 3, 1, 2))


def _moved(points, size: int, padding: str):
    """Bring points that lie outside into the picture, unless it is padded by a constant."""
    if padding == "border":
        return tf.clip_by_value(points, 0.0, size - 1.0)
    if padding == "reflection":  # about the centres of the outer pixels
        return _reflected(points, 0.0, size - 1.0)
    if padding == "symmetric":  # about their edges
        return tf.clip_by_value(_reflected(points, -0.5, size - 0.5), 0.0, size - 1.0)
    if padding != "constant":
        raise ValueError(f"resample: padding mode {padding!r} is not implemented")
    return points


def _reflected(points, low: float, high: float):
    span = high - low
    if span == 0:
        return tf.zeros_like(points)
    offset = tf.math.floormod(points - low, 2 * span)
    return low + tf.minimum(offset, 2 * span - offset)


def _picked(x, rows, columns, value: np.float32):
    """Take pixels by row and column; `value` lies outside."""
    height, width = shape_of(x)[1:3]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    row = tf.cast(tf.clip_by_value(rows, 0, height - 1), tf.int32)
    column = tf.cast(tf.clip_by_value(columns, 0, width - 1), tf.int32)
    taken = tf.gather_nd(x, tf.stack([row, column], axis=-1), batch_dims=1)
    return tf.where(inside[..., None], taken, value)


def _word(value, default: str) -> str:
    return default if value is None else str(concrete(value)).lower()


OPS: dict[str, Kernel] = {"affine": affine, "resample": resample}
