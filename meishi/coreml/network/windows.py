"""Layers that slide a window: convolutions and poolings, and products with matrices."""

import numpy as np

from meishi.coreml.kernels.arguments import concrete, held, shape_of
from meishi.coreml.network.parameters import Layer, LayerKernel, mil, on_images, weights
from meishi.keras import tf


def _padding(p, kind: str | None) -> dict:
    """Return MIL's `pad_type` and `pad` of a convolution or a pooling."""
    if kind == "same":
        lower = p.same.asymmetryMode == 1  # TOP_LEFT_HEAVY
        return {"pad_type": "same_lower" if lower else "same"}
    if kind == "includeLastPixel":
        amounts = list(p.includeLastPixel.paddingAmounts) or [0, 0]
        pad = [amounts[0], amounts[0], amounts[1], amounts[1]]
        return {"pad_type": "custom", "pad": pad, "ceil_mode": True, "drops_windows": True}
    edges = p.valid.paddingAmounts.borderAmounts if kind == "valid" else []
    pad = [size for edge in edges for size in (edge.startEdgeSize, edge.endEdgeSize)]
    return {"pad_type": "custom", "pad": pad or [0, 0, 0, 0]}


def _convolution(layer: Layer):
    p = layer.p
    kernel, stride = list(p.kernelSize) or [3, 3], list(p.stride) or [1, 1]
    groups = p.nGroups or 1
    options = _padding(p, p.WhichOneof("ConvolutionPaddingType")) | {
        "strides": stride,
        "dilations": list(p.dilationFactor) or [1, 1],
        "groups": groups,
        "bias": weights(p.bias, (p.outputChannels,)) if p.hasBias else None,
    }
    if p.isDeconvolution:
        options["dilations"] = [1, 1]  # the layer's are ignored, as its definition says
        shape = (p.kernelChannels, p.outputChannels // groups, *kernel)
        options["weight"] = weights(p.weights, shape, axis=1)
        if p.outputShape:
            options["output_shape"] = [0, 0, *p.outputShape]
        if options["pad_type"] == "same_lower":
            options["pad_type"] = "same"
        return on_images(layer.x, lambda x: mil("conv_transpose", x=x, **options))
    shape = (p.outputChannels, p.kernelChannels, *kernel)
    options["weight"] = layer.inputs[1] if len(layer.inputs) > 1 else weights(p.weights, shape)
    return on_images(layer.x, lambda x: mil("conv", x=x, **options))


_SIDES = ("Depth", "Height", "Width")
_BORDERS = ("Front", "Back", "Top", "Bottom", "Left", "Right")


def _padding_3d(p) -> dict:
    kind = {0: "custom", 1: "valid", 2: "same"}[p.paddingType]
    return {"pad_type": kind, "pad": [getattr(p, f"customPadding{side}") for side in _BORDERS]}


def _of_sides(p, name: str) -> list[int]:
    return [getattr(p, f"{name}{side}") or 1 for side in _SIDES]


def _convolution_3d(layer: Layer):
    p, groups = layer.p, layer.p.nGroups or 1
    kernel = _of_sides(p, "kernel")
    options = _padding_3d(p) | {
        "strides": _of_sides(p, "stride"),
        "dilations": _of_sides(p, "dilation"),
        "groups": groups,
        "bias": weights(p.bias, (p.outputChannels,)) if p.hasBias else None,
    }
    if p.isDeconvolution:
        shape = (p.inputChannels, p.outputChannels // groups, *kernel)
        if p.outputShape:
            options["output_shape"] = [0, 0, *list(p.outputShape)[-3:]]
        weight = weights(p.weights, shape, axis=1)
        return mil("conv_transpose", x=layer.x, weight=weight, **options)
    shape = (p.outputChannels, p.inputChannels // groups, *kernel)
    return mil("conv", x=layer.x, weight=weights(p.weights, shape), **options)


def _pooling(layer: Layer):
    p = layer.p
    name = ("max_pool", "avg_pool", "l2_pool")[p.type]
    if p.globalPooling:
        return _over(name, layer.x, [-2, -1])
    options = _padding(p, p.WhichOneof("PoolingPaddingType")) | {
        "kernel_sizes": list(p.kernelSize) or [3, 3],
        "strides": list(p.stride) or [1, 1],
        "exclude_padding_from_average": p.avgPoolExcludePadding,
    }
    return on_images(layer.x, lambda x: mil(name, x=x, **options))


def _pooling_3d(layer: Layer):
    p = layer.p
    return mil(
        ("max_pool", "avg_pool")[p.type],
        x=tf.convert_to_tensor(layer.x),
        kernel_sizes=_of_sides(p, "kernel"),
        strides=_of_sides(p, "stride"),
        exclude_padding_from_average=p.countExcludePadding,
        **_padding_3d(p),
    )


def _over(name: str, x, axes: list[int]):
    kernel = {"max_pool": "reduce_max", "avg_pool": "reduce_mean", "l2_pool": "reduce_l2_norm"}
    return mil(kernel[name], x=x, axes=axes, keep_dims=True)


def _global_pooling_3d(layer: Layer):
    return _over(("max_pool", "avg_pool")[layer.p.type], layer.x, [-3, -2, -1])


def _inner_product(layer: Layer):
    """(..., C, H, W) of rank 4 and 5 is flattened first; other ranks take the last axis."""
    p, sizes = layer.p, shape_of(layer.x)
    weight = weights(p.weights, (p.outputChannels, p.inputChannels))
    bias = weights(p.bias, (p.outputChannels,)) if p.hasBias else None
    deep = len(sizes) > 3
    x = tf.reshape(layer.x, (*sizes[:-3], -1)) if deep else layer.x
    y = mil("linear", x=x, weight=weight, bias=bias)
    return y[..., None, None] if deep else y


def _batched_matmul(layer: Layer):
    """Vectors are one row on the left and one column on the right, and stay so in the product."""
    p = layer.p
    if len(layer.inputs) > 1:
        x, y = (tf.convert_to_tensor(value) for value in layer.inputs)
        return mil(
            "matmul",
            x=x if len(x.shape) > 1 else x[None],
            y=y if len(y.shape) > 1 else y[:, None],
            transpose_x=p.transposeA and len(x.shape) > 1,
            transpose_y=p.transposeB and len(y.shape) > 1,
        )
    # Stored by columns: (X2, X1) by rows.
    weight = weights(p.weights, (p.weightMatrixSecondDimension, p.weightMatrixFirstDimension))
    bias = weights(p.bias, (-1,)) if p.hasBias else None
    return mil("linear", x=layer.x, weight=weight, bias=bias)


def _embedding(layer: Layer):
    """(..., 1, 1, 1) to (..., C, 1, 1)."""
    y = _looked_up(layer, layer.p.outputChannels, layer.p.inputDim)
    return tf.reshape(y, (*shape_of(layer.x)[:-3], layer.p.outputChannels, 1, 1))


def _embedding_nd(layer: Layer):
    """(..., 1) to (..., C)."""
    y = _looked_up(layer, layer.p.embeddingSize, layer.p.vocabSize)
    return tf.reshape(y, (*shape_of(layer.x)[:-1], layer.p.embeddingSize))


def _looked_up(layer: Layer, size: int, count: int):
    table = weights(layer.p.weights, (size, count))
    y = tf.gather(held(table.T), tf.cast(tf.reshape(layer.x, [-1]), tf.int32))
    return y + weights(layer.p.bias, (size,)) if layer.p.hasBias else y


def _dot(layer: Layer):
    """Product of vectors along the channels."""
    a, b = (tf.convert_to_tensor(x) for x in layer.inputs)
    product = tf.reduce_sum(a * b, axis=-3, keepdims=True)
    if not layer.p.cosineSimilarity:
        return product
    lengths = [tf.sqrt(tf.reduce_sum(tf.square(x), axis=-3, keepdims=True)) for x in (a, b)]
    return product / (lengths[0] * lengths[1])


def _crop_resize(layer: Layer):
    p = layer.p
    size = list(p.targetSize) or [1, 1]
    return mil(
        "crop_resize",
        x=layer.x[0],
        roi=concrete(layer.inputs[1]),
        target_height=size[0],
        target_width=size[1],
        normalized_coordinates=p.normalizedCoordinates,
        spatial_scale=np.float32(p.spatialScale or 1.0),
        sampling_mode=SAMPLING[p.mode.samplingMethod],
        box_coordinate_mode=_BOXES[p.boxIndicesMode.boxMode],
    )


_BOXES = (
    "CORNERS_HEIGHT_FIRST",
    "CORNERS_WIDTH_FIRST",
    "CENTER_SIZE_HEIGHT_FIRST",
    "CENTER_SIZE_WIDTH_FIRST",
)
SAMPLING = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS")

LAYERS: dict[str, LayerKernel] = {
    "batchedMatmul": _batched_matmul,
    "convolution": _convolution,
    "convolution3d": _convolution_3d,
    "cropResize": _crop_resize,
    "dot": _dot,
    "embedding": _embedding,
    "embeddingND": _embedding_nd,
    "globalPooling3d": _global_pooling_3d,
    "innerProduct": _inner_product,
    "pooling": _pooling,
    "pooling3d": _pooling_3d,
}
