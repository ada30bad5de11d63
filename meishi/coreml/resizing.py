"""MIL's resizing operations over the last two axes.

A bilinear resize is two matrix products: one (out, in) matrix of weights an axis, built from the
grid points that Apple's MIL reference gives for each sampling mode.
"""

import numpy as np

from meishi.keras import tf


def resize_bilinear(o):
    """Resize to a size, at the grid points of the sampling mode."""
    size = int(o.target_size_height), int(o.target_size_width)
    return _bilinear(o.x, size, o.sampling_mode)


def upsample_bilinear(o):
    """Resize by two factors."""
    height, width = o.x.shape[-2:]
    size = int(height * float(o.scale_factor_height)), int(width * float(o.scale_factor_width))
    half_pixel = getattr(o, "half_pixel_centers", None)
    half_pixel = not o.align_corners if half_pixel is None else bool(half_pixel)
    modes = {
        (True, False): "STRICT_ALIGN_CORNERS",
        (False, True): "UNALIGN_CORNERS",
        (False, False): "DEFAULT",
    }
    if (bool(o.align_corners), half_pixel) not in modes:
        raise ValueError("upsample_bilinear: align_corners excludes half_pixel_centers")
    return _bilinear(o.x, size, modes[bool(o.align_corners), half_pixel])


def resize_nearest_neighbor(o):
    """Repeat pixels up to a size."""
    return _nearest(o.x, (int(o.target_size_height), int(o.target_size_width)))


def upsample_nearest_neighbor(o):
    """Repeat pixels by two factors."""
    height, width = o.x.shape[-2:]
    scales = float(o.scale_factor_height), float(o.scale_factor_width)
    return _nearest(o.x, (int(height * scales[0]), int(width * scales[1])))


def _bilinear(x, size: tuple[int, int], mode: str):
    rows = _weights(x.shape[-2], size[0], mode)  # (H_out, H_in)
    columns = _weights(x.shape[-1], size[1], mode)  # (W_out, W_in)
    return tf.linalg.matmul(rows, tf.linalg.matmul(x, columns, transpose_b=True))


def _weights(size_in: int, size_out: int, mode: str) -> np.ndarray:
    """Return the (out, in) matrix that interpolates linearly at the mode's grid points."""
    points = np.clip(_grid(size_in, size_out, mode), 0, size_in - 1)
    low = np.minimum(points.astype(int), max(size_in - 2, 0))
    share = points - low
    matrix = np.zeros((size_out, size_in))
    each = np.arange(size_out)
    matrix[each, low] = 1 - share
    if size_in > 1:
        matrix[each, low + 1] = share
    return matrix.astype(np.float32)


def _grid(size_in: int, size_out: int, mode: str) -> np.ndarray:
    steps = np.arange(size_out)
    if mode == "DEFAULT":
        return steps * size_in / size_out
    if mode == "UNALIGN_CORNERS":
        return (steps + 0.5) * size_in / size_out - 0.5
    if mode == "OFFSET_CORNERS":
        return (steps + 0.5) * max(1, size_in - 1) / size_out
    if mode not in ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS"):
        raise ValueError(f"resize_bilinear: sampling mode {mode!r} is not implemented")
    if size_out == 1:
        return np.array([(size_in - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0])
    return steps * (size_in - 1) / (size_out - 1)


def _nearest(x, size: tuple[int, int]):
    """Repeat pixels; other than whole factors are refused, for Apple leaves their grid open."""
    for axis, wanted in zip((-2, -1), size, strict=True):
        factor, rest = divmod(wanted, x.shape[axis])
        if rest:
            raise ValueError(
                f"nearest neighbour from {x.shape[axis]} to {wanted} pixels: only whole factors "
                "are implemented"
            )
        x = tf.repeat(x, factor, axis=axis)
    return x
