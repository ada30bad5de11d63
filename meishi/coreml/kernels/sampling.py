"""MIL's crops of regions of interest, resampled with bilinear weights."""

import numpy as np

from meishi.coreml.kernels.arguments import Arguments, Kernel, concrete, integer, shape_of
from meishi.coreml.kernels.resizing import grid, weights
from meishi.keras import tf


def crop_resize(o: Arguments):
    """Resample boxes of (B, C, H, W) to one size.

    Up to iOS 16 `roi` (N, 1, 4 or 5, 1, 1) gives (N, B or 1, C, h, w); from iOS 17 on `boxes`
    (N, 4) and `box_indices` (N,) give (N, C, h, w). Beyond the picture lies `pad_value` where the
    operation has one, else its border.
    """
    if o.boxes is not None:
        boxes = concrete(o.boxes).astype(np.float64)
        indices = np.arange(len(boxes)) if o.box_indices is None else concrete(o.box_indices)
        crops = [
            _crop(o, o.x[int(i) : int(i) + 1], box) for i, box in zip(indices, boxes, strict=True)
        ]
        return tf.concat(crops, axis=0)
    roi = concrete(o.roi).astype(np.float64).reshape(len(o.roi), -1)
    if roi.shape[1] == 4:
        return tf.stack([_crop(o, o.x, box) for box in roi])
    return tf.stack([_crop(o, o.x[int(box[0]) : int(box[0]) + 1], box[1:]) for box in roi])


def _crop(o: Arguments, x, box: np.ndarray):
    """Return (B, C, h, w) of one box."""
    sizes = shape_of(x)[-2:]
    ends = _ends(o, box, sizes)
    wanted = integer(o.target_height, 1), integer(o.target_width, 1)
    mode = "DEFAULT" if o.sampling_mode is None else str(concrete(o.sampling_mode))
    points = [a + grid(b - a + 1, n, mode) for (a, b), n in zip(ends, wanted, strict=True)]
    rows, columns = (weights(p, n) for p, n in zip(points, sizes, strict=True))
    y = tf.linalg.matmul(rows, tf.linalg.matmul(x, columns, transpose_b=True))
    if o.pad_value is None:
        return y
    slack = 1e-5  # of a pixel: a box that ends on the last one does not lie beyond it
    inside = [(p >= -slack) & (p <= n - 1 + slack) for p, n in zip(points, sizes, strict=True)]
    return tf.where(inside[0][:, None] & inside[1], y, np.float32(concrete(o.pad_value)))


def _ends(o: Arguments, box: np.ndarray, sizes) -> list[tuple[float, float]]:
    """Return first and last point of rows and of columns, in pixels."""
    mode = "CORNERS_HEIGHT_FIRST"
    mode = mode if o.box_coordinate_mode is None else str(concrete(o.box_coordinate_mode))
    box = box if mode.endswith("HEIGHT_FIRST") else box[[1, 0, 3, 2]]
    if mode.startswith("CENTER"):
        box = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])
    box = box * (1.0 if o.spatial_scale is None else float(concrete(o.spatial_scale)))
    if o.normalized_coordinates:
        box = box * np.array([sizes[0] - 1, sizes[1] - 1] * 2)
    return [(box[0], box[2]), (box[1], box[3])]


OPS: dict[str, Kernel] = {"crop_resize": crop_resize}
