"""MIL's resizing operations over the last axes.

A bilinear resize is a matrix product an axis: an (out, in) matrix of weights built from the grid
points that Apple's MIL reference gives for each sampling mode. The nearest neighbour is the pixel
in which the centre of a new one lies, as in TensorFlow 2: coremltools converts that to it, and the
values its tests expect (two to three, 20 to 60 pixels) allow no other rule. For
`upsample_nearest_neighbor` it is the pixel in which the edge of a new one lies, as in PyTorch: new
ones are 1 / factor wide, also where the factor makes no whole number of them.
"""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, integer, integers, shape_of
from meishi.keras import tf

# A factor that was made for a whole size is off by so many pixels at most: coremltools writes
# (size + 1e-4) / size before, so that rounding, of float32 too, takes nothing off it.
WHOLE_SIZE = 2e-4


def resize_bilinear(o: Arguments):
    """Resize to a size, at the grid points of the sampling mode."""
    size = [integer(o.target_size_height, 1), integer(o.target_size_width, 1)]
    return _linear(o.x, size, _mode(o))


def upsample_bilinear(o: Arguments):
    """Resize by two factors."""
    align = True if o.align_corners is None else bool(o.align_corners)
    half_pixel = not align if o.half_pixel_centers is None else bool(o.half_pixel_centers)
    modes = {
        (True, False): "STRICT_ALIGN_CORNERS",
        (False, True): "UNALIGN_CORNERS",
        (False, False): "DEFAULT",
    }
    if (align, half_pixel) not in modes:
        raise ValueError("upsample_bilinear: align_corners excludes half_pixel_centers")
    return _linear(o.x, _scaled_size(o), modes[align, half_pixel])


def resize_nearest_neighbor(o: Arguments):
    """Repeat or skip pixels to a size."""
    return _repeated(o.x, [integer(o.target_size_height), integer(o.target_size_width)])


def upsample_nearest_neighbor(o: Arguments):
    """Repeat or skip pixels by two factors."""
    x = o.x
    for axis, wanted, factor in zip((-2, -1), _scaled_size(o), _factors(o), strict=True):
        have = shape_of(x)[axis]
        whole = abs(have * factor - wanted) <= WHOLE_SIZE
        step = have / wanted if whole else 1 / factor
        x = _stepped(x, axis, wanted, step)
    return x


def resize(o: Arguments):
    """Resize the last axes to the last sizes of a shape, of which 0 keeps an axis."""
    count = integer(o.resized_dims)
    if count == 0:
        return tf.identity(o.x)
    sizes = shape_of(o.x)[-count:]
    wanted = integers(o.shape)[-count:]
    target = [have if n == 0 else n for n, have in zip(wanted, sizes, strict=True)]
    if o.interpolation_mode is not None and str(concrete(o.interpolation_mode)) != "LINEAR":
        if _mode(o) in ("DEFAULT", "UNALIGN_CORNERS"):
            return _repeated(o.x, target)
        return _closest(o.x, target, _mode(o))
    return _linear(o.x, target, _mode(o))


def weights(points: np.ndarray, size_in: int) -> np.ndarray:
    """Return the (out, in) matrix that interpolates linearly at points, clamped to the border."""
    points = np.clip(points, 0, size_in - 1)
    low = np.minimum(points.astype(int), max(size_in - 2, 0))
    share = points - low
    matrix = np.zeros((len(points), size_in))
    each = np.arange(len(points))
    matrix[each, low] = 1 - share
    if size_in > 1:
        matrix[each, low + 1] = share
    return matrix.astype(np.float32)


def grid(size_in: float, size_out: int, mode: str) -> np.ndarray:
    """Return the points of an axis of `size_in` at which a result of `size_out` is sampled.

    Raises:
        ValueError: for an unknown sampling mode.
    """
    steps = np.arange(size_out)
    if mode == "DEFAULT":
        return steps * size_in / size_out
    if mode == "UNALIGN_CORNERS":
        return (steps + 0.5) * size_in / size_out - 0.5
    if mode == "OFFSET_CORNERS":
        return (steps + 0.5) * max(1, size_in - 1) / size_out
    if mode not in ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS"):
        raise ValueError(f"resize: sampling mode {mode!r} is not implemented")
    if size_out == 1:
        return np.array([(size_in - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0])
    return steps * (size_in - 1) / (size_out - 1)


def _linear(x, size: list[int], mode: str):
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_floating:  # whole numbers come back cut, as from every cast
        return tf.cast(_linear(tf.cast(x, tf.float32), size, mode), x.dtype)
    if len(size) == 2:
        height, width = shape_of(x)[-2:]
        rows = weights(grid(height, size[0], mode), height)  # (H_out, H_in)
        columns = weights(grid(width, size[1], mode), width)  # (W_out, W_in)
        return tf.linalg.matmul(rows, tf.linalg.matmul(x, columns, transpose_b=True))
    for axis, wanted in zip(range(-len(size), 0), size, strict=True):
        have = shape_of(x)[axis]
        matrix = weights(grid(have, wanted, mode), have)
        place = len(x.shape) + axis
        x = tf.tensordot(x, matrix, [[place], [1]])  # the axis is now the last one
        rank = len(x.shape)
        x = tf.transpose(x, [*range(place), rank - 1, *range(place, rank - 1)])
    return x


def _repeated(x, size: list[int]):
    """Take the pixel in which the centre of each new one lies."""
    for axis, wanted in zip(range(-len(size), 0), size, strict=True):
        have = shape_of(x)[axis]
        factor, rest = divmod(wanted, have)
        if rest:
            picks = (2 * np.arange(wanted) + 1) * have // (2 * wanted)
            x = tf.gather(x, picks, axis=len(x.shape) + axis)
        else:
            x = tf.repeat(x, factor, axis=axis)
    return x


def _stepped(x, axis: int, wanted: int, step: float):
    """Take the pixel in which the first edge of each new one lies, `step` pixels apart."""
    if (1 / step).is_integer():
        return tf.repeat(x, int(1 / step), axis=axis)
    slack = 1e-6  # of a pixel: an edge on an edge belongs to the pixel that begins there
    picks = np.floor(np.arange(wanted) * step + slack).astype(int)
    return tf.gather(x, np.minimum(picks, shape_of(x)[axis] - 1), axis=len(x.shape) + axis)


def _closest(x, size: list[int], mode: str):
    """Take the pixel closest to each grid point; of two, the first."""
    for axis, wanted in zip(range(-len(size), 0), size, strict=True):
        have = shape_of(x)[axis]
        picks = np.ceil(grid(have, wanted, mode) - 0.5 - 1e-9).astype(int)
        x = tf.gather(x, np.clip(picks, 0, have - 1), axis=len(x.shape) + axis)
    return x


def _scaled_size(o: Arguments) -> list[int]:
    """Multiply in float32, the factors' own type: 10 times 0.7 are 7, in float64 6.9999999."""
    pairs = zip(shape_of(o.x)[-2:], _factors(o), strict=True)
    return [int(np.float32(size) * np.float32(factor)) for size, factor in pairs]


def _factors(o: Arguments) -> list[float]:
    given = (o.scale_factor_height, o.scale_factor_width)
    return [1.0 if factor is None else float(concrete(factor)) for factor in given]


def _mode(o: Arguments) -> str:
    return "DEFAULT" if o.sampling_mode is None else str(concrete(o.sampling_mode))


OPS: dict[str, Kernel] = {
    "resize": resize,
    "resize_bilinear": resize_bilinear,
    "resize_nearest_neighbor": resize_nearest_neighbor,
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
