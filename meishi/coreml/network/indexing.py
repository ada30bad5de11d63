"""Layers that pick and place values: slices, gathers, scatters, bands, suppression."""

import numpy as np

from meishi.coreml.kernels.arguments import concrete, shape_of
from meishi.coreml.network.parameters import Layer, LayerKernel, mil
from meishi.keras import tf

_MODES = ("update", "add", "sub", "mul", "div", "max", "min")


def _slice(layer: Layer):
    p = layer.p
    axis = (-3, -2, -1)[p.axis]
    size = shape_of(layer.x)[axis]
    end = p.endIndex + size if p.endIndex < 0 else min(p.endIndex, size)
    start = p.startIndex + size if p.startIndex < 0 else p.startIndex
    return tf.gather(layer.x, np.arange(start, end, p.stride or 1), axis=axis)


def _slice_static(layer: Layer):
    p = layer.p
    return _kept_axis(
        mil(
            "slice_by_index",
            x=layer.x,
            begin=list(p.beginIds),
            end=list(p.endIds),
            stride=list(p.strides) or None,
            begin_mask=list(p.beginMasks) or None,
            end_mask=list(p.endMasks) or None,
            squeeze_mask=list(p.squeezeMasks) or None,
        )
    )


def _slice_dynamic(layer: Layer):
    """Inputs: x, begin, end, stride, begin mask, end mask, squeeze mask; the last may be absent.

    As fields of the layer the last are lists for five axes, of which the first ones count.
    """
    p, rank = layer.p, len(shape_of(layer.x))
    given = [concrete(value) for value in layer.inputs[1:]]
    fields = (None, p.endIds, p.strides, p.beginMasks, p.endMasks, p.squeezeMasks)
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    parts = [
        given[i] if i < len(given) else (list(field)[:rank] if field else None)
        for i, field in enumerate(fields)
    ]
    return _kept_axis(mil("slice_by_index", x=layer.x, **dict(zip(names, parts, strict=True))))


def _kept_axis(y):
    """Networks know no values without an axis."""
    return y if len(shape_of(y)) else tf.reshape(y, [1])


def _slice_by_size(layer: Layer):
    start = int(concrete(layer.inputs[1]).reshape(()))
    axis = layer.p.axis
    start += shape_of(layer.x)[axis] if start < 0 else 0
    return tf.gather(layer.x, np.arange(start, start + layer.p.size), axis=axis)


def _indices(value):
    return tf.cast(value, tf.int32)


def _gather(layer: Layer):
    return mil("gather", x=layer.x, indices=_indices(layer.inputs[1]), axis=layer.p.axis)


def _gather_nd(layer: Layer):
    return mil("gather_nd", x=layer.x, indices=_indices(layer.inputs[1]))


def _gather_along_axis(layer: Layer):
    indices = _indices(layer.inputs[1])
    return mil("gather_along_axis", x=layer.x, indices=indices, axis=layer.p.axis)


def _scatter(name: str) -> LayerKernel:
    def apply(layer: Layer):
        data, indices, updates = layer.inputs
        options = {} if name == "scatter_nd" else {"axis": layer.p.axis}
        return mil(
            name,
            data=tf.convert_to_tensor(data),
            indices=_indices(indices),
            updates=updates,
            mode=_MODES[layer.p.mode],
            **options,
        )

    return apply


def _one_hot(layer: Layer):
    """Inputs: indices, size, on and off value; the last may be parameters."""
    p = layer.p
    values = [concrete(value).reshape(()) for value in layer.inputs[1:]]
    fields = (p.oneHotVectorSize, p.onValue, p.offValue)
    size, on, off = [*values, *fields[len(values) :]]  # type: ignore[misc]
    return mil(
        "one_hot",
        indices=_indices(layer.x),
        one_hot_vector_size=int(size),
        axis=p.axis,
        on_value=np.float32(on),
        off_value=np.float32(off),
    )


def _lower(layer: Layer):
    return tf.where(_diagonals(layer.x) <= layer.p.k, layer.x, 0.0)


def _upper(layer: Layer):
    return tf.where(_diagonals(layer.x) >= layer.p.k, layer.x, 0.0)


def _diagonals(x) -> np.ndarray:
    """Return the number of the diagonal of each place; the main one is 0."""
    rows, columns = shape_of(x)[-2:]
    return np.arange(columns) - np.arange(rows)[:, None]


def _band_part(layer: Layer):
    return mil("band_part", x=layer.x, lower=layer.p.numLower, upper=layer.p.numUpper)


def _suppression(layer: Layer):
    """Inputs: boxes (n, B, 4), scores (n, B, K), and what replaces IoU, score and count limits."""
    p = layer.p
    given = [concrete(value).reshape(()) for value in layer.inputs[2:]]
    limits = [*given, *(p.iouThreshold, p.scoreThreshold, p.maxBoxes)[len(given) :]]
    return mil(
        "non_maximum_suppression",
        boxes=layer.inputs[0],
        scores=layer.inputs[1],
        iou_threshold=limits[0],
        score_threshold=limits[1],
        max_boxes=int(limits[2]),
        per_class_suppression=p.perClassSuppression,
    )


def _windows(layer: Layer):
    p = layer.p
    return mil("sliding_windows", x=layer.x, axis=p.axis, size=p.windowSize, stride=p.step or 1)


LAYERS: dict[str, LayerKernel] = {
    "NonMaximumSuppression": _suppression,
    "gather": _gather,
    "gatherAlongAxis": _gather_along_axis,
    "gatherND": _gather_nd,
    "lowerTriangular": _lower,
    "matrixBandPart": _band_part,
    "oneHot": _one_hot,
    "scatter": _scatter("scatter"),
    "scatterAlongAxis": _scatter("scatter_along_axis"),
    "scatterND": _scatter("scatter_nd"),
    "slice": _slice,
    "sliceBySize": _slice_by_size,
    "sliceDynamic": _slice_dynamic,
    "sliceStatic": _slice_static,
    "slidingWindows": _windows,
    "upperTriangular": _upper,
    "whereNonZero": lambda layer: mil("non_zero", x=layer.x),
}
