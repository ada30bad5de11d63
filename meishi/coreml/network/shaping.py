"""Layers that move values: borders, sizes of pictures, shapes, axes, lists of tensors."""

import numpy as np

from meishi.coreml.kernels.arguments import concrete, integers, shape_of
from meishi.coreml.network.parameters import Layer, LayerKernel, mil, on_images, weights
from meishi.coreml.network.windows import SAMPLING
from meishi.keras import tf


def _edges(borders) -> list[int]:
    """Return top, bottom, left, right."""
    amounts = borders.borderAmounts
    return [n for edge in amounts for n in (edge.startEdgeSize, edge.endEdgeSize)] or [0] * 4


def _crop(layer: Layer):
    if len(layer.inputs) == 1:
        top, bottom, left, right = _edges(layer.p.cropAmounts)
        height, width = shape_of(layer.x)[-2:]
        return layer.x[..., top : height - bottom, left : width - right]
    height, width = shape_of(layer.inputs[1])[-2:]
    top, left = list(layer.p.offset) or [0, 0]
    return layer.x[..., top : top + height, left : left + width]


def _padding(layer: Layer):
    p = layer.p
    modes = {"reflection": "reflect", "replication": "replicate"}
    mode = modes.get(p.WhichOneof("PaddingType") or "", "constant")
    value = np.float32(p.constant.value)
    return mil("pad", x=layer.x, pad=_edges(p.paddingAmounts), mode=mode, constant_val=value)


def _constant_pad(layer: Layer):
    """Pad by (before, after) an axis, or up to sizes of which the first ones pad in front."""
    p = layer.p
    given = layer.inputs[1] if len(layer.inputs) > 1 else list(p.padAmounts)
    amounts = np.reshape(integers(given), (-1, 2))
    if p.padToGivenOutputSizeMode:
        missing = np.maximum(amounts - np.array(shape_of(layer.x))[:, None], 0)
        amounts = np.where(amounts > 0, missing, 0)
    value = np.float32(p.value)
    return mil("pad", x=layer.x, pad=amounts.reshape(-1), mode="constant", constant_val=value)


def _upsample(layer: Layer):
    p = layer.p
    factors = list(p.fractionalScalingFactor) or list(p.scalingFactor) or [1, 1]
    options = {"scale_factor_height": factors[0], "scale_factor_width": factors[1]}
    if p.mode == 0:
        return mil("upsample_nearest_neighbor", x=layer.x, **options)
    flags = ((False, False), (True, False), (False, True))[p.linearUpsampleMode]
    options |= {"align_corners": flags[0], "half_pixel_centers": flags[1]}
    return mil("upsample_bilinear", x=layer.x, **options)


def _resize_bilinear(layer: Layer):
    height, width = list(layer.p.targetSize) or [1, 1]
    return mil(
        "resize_bilinear",
        x=layer.x,
        target_size_height=height,
        target_size_width=width,
        sampling_mode=SAMPLING[layer.p.mode.samplingMethod],
    )


def _reorganize(layer: Layer):
    size = layer.p.blockSize
    name, option = (
        ("space_to_depth", "block_size"),
        ("depth_to_space", "block_size"),
        ("pixel_shuffle", "upscale_factor"),
    )[layer.p.mode]
    return on_images(layer.x, lambda x: mil(name, x=x, **{option: size}))


def _reshape(layer: Layer):
    """(S, B, C, H, W) to a shape of three, or of four with a sequence; see the order's name."""
    target = list(layer.p.targetShape)
    first, batch, *sizes = shape_of(layer.x)
    sequence = target.pop(0) if len(target) == 4 else first
    wanted = [have if n == 0 else n for n, have in zip(target, sizes, strict=True)]
    if layer.p.mode == 0:
        return tf.reshape(layer.x, (sequence, batch, *wanted))
    x = tf.transpose(layer.x, (0, 1, 3, 4, 2))
    channels, height, width = wanted
    y = tf.reshape(x, (sequence, batch, height, width, channels))
    return tf.transpose(y, (0, 1, 4, 2, 3))


def _flatten(layer: Layer):
    """(..., C, H, W) to (..., C * H * W, 1, 1)."""
    x, sizes = layer.x, shape_of(layer.x)
    if layer.p.mode == 1:  # the channels vary fastest
        rank = len(sizes)
        x = tf.transpose(x, (*range(rank - 3), rank - 2, rank - 1, rank - 3))
    return tf.reshape(x, (*sizes[:-3], int(np.prod(sizes[-3:])), 1, 1))


def _permute(layer: Layer):
    """Permute sequence, channels, height and width; the batch stays."""
    axes = [axis if axis == 0 else axis + 1 for axis in layer.p.axis] or [0, 2, 3, 4]
    return tf.transpose(layer.x, (axes[0], 1, *axes[1:]))


def _reshape_to(layer: Layer):
    shape = integers(layer.inputs[1]) if len(layer.inputs) > 1 else list(layer.p.targetShape)
    return mil("reshape", x=layer.x, shape=shape)


def _squeeze(layer: Layer):
    axes = None if layer.p.squeezeAll else list(layer.p.axes)
    y = mil("squeeze", x=layer.x, axes=axes)
    return y if len(shape_of(y)) else tf.reshape(y, [1])


def _split(layer: Layer):
    return tuple(tf.split(layer.x, layer.p.nOutputs, axis=-3))


def _split_nd(layer: Layer):
    parts = list(layer.p.splitSizes) or layer.p.numSplits
    return tuple(tf.split(layer.x, parts, axis=layer.p.axis))


def _tile(layer: Layer):
    reps = integers(layer.inputs[1]) if len(layer.inputs) > 1 else list(layer.p.reps)
    return tf.tile(layer.x, [1] * (len(shape_of(layer.x)) - len(reps)) + reps)


def _reverse(layer: Layer):
    return tf.reverse(layer.x, [axis for axis, flag in enumerate(layer.p.reverseDim) if flag])


def _reverse_sequence(layer: Layer):
    lengths = tf.cast(tf.reshape(layer.inputs[1], [-1]), tf.int32)
    axes = {"seq_axis": layer.p.sequenceAxis, "batch_axis": layer.p.batchAxis}
    return tf.reverse_sequence(layer.x, lengths, **axes)


def _broadcast_like(layer: Layer):
    return tf.broadcast_to(layer.x, shape_of(layer.inputs[1]))


def _broadcast_to(layer: Layer):
    shape = integers(layer.inputs[1]) if len(layer.inputs) > 1 else list(layer.p.targetShape)
    return tf.broadcast_to(layer.x, shape)


def _fill(layer: Layer):
    shape = integers(layer.inputs[0]) if layer.inputs else list(layer.p.targetShape)
    return np.full(shape, layer.p.value, np.float32)


def _fill_like(layer: Layer):
    return np.full(shape_of(layer.x), layer.p.value, np.float32)


def _load_constant(layer: Layer):
    """(1, 1, C, H, W)."""
    return weights(layer.p.data, tuple(layer.p.shape))[None, None]


def _range(layer: Layer):
    """Inputs are end, start and step, as far as they are not parameters."""
    given = [float(concrete(value).reshape(())) for value in layer.inputs]
    end = given[0] if given else layer.p.endValue
    start = given[1] if len(given) > 1 else layer.p.startValue
    step = given[2] if len(given) > 2 else layer.p.stepSizeValue or 1.0
    return np.arange(start, end, step).astype(np.float32)


def _sequence_repeat(layer: Layer):
    count = layer.p.nRepetitions or 1
    return tf.concat([layer.x] * count, axis=-5)


LAYERS: dict[str, LayerKernel] = {
    "broadcastToDynamic": _broadcast_to,
    "broadcastToLike": _broadcast_like,
    "broadcastToStatic": _broadcast_to,
    "concat": lambda layer: tf.concat(layer.inputs, axis=-5 if layer.p.sequenceConcat else -3),
    "concatND": lambda layer: mil(
        "concat", values=layer.inputs, axis=layer.p.axis, interleave=layer.p.interleave
    ),
    "constantPad": _constant_pad,
    "crop": _crop,
    "expandDims": lambda layer: mil("expand_dims", x=layer.x, axes=list(layer.p.axes)),
    "fillDynamic": _fill,
    "fillLike": _fill_like,
    "fillStatic": _fill,
    "flatten": _flatten,
    "flattenTo2D": lambda layer: mil("flatten2d", x=layer.x, axis=layer.p.axis),
    "getShape": lambda layer: np.array(shape_of(layer.x), np.float32),
    "loadConstant": _load_constant,
    "loadConstantND": lambda layer: weights(layer.p.data, tuple(layer.p.shape)),
    "padding": _padding,
    "permute": _permute,
    "rangeDynamic": _range,
    "rangeStatic": _range,
    "rankPreservingReshape": _reshape_to,
    "reorganizeData": _reorganize,
    "reshape": _reshape,
    "reshapeDynamic": _reshape_to,
    "reshapeLike": lambda layer: tf.reshape(layer.x, shape_of(layer.inputs[1])),
    "reshapeStatic": _reshape_to,
    "resizeBilinear": _resize_bilinear,
    "reverse": _reverse,
    "reverseSeq": _reverse_sequence,
    "sequenceRepeat": _sequence_repeat,
    "split": _split,
    "splitND": _split_nd,
    "squeeze": _squeeze,
    "stack": lambda layer: tf.stack(layer.inputs, axis=layer.p.axis),
    "tile": _tile,
    "transpose": lambda layer: tf.transpose(layer.x, list(layer.p.axes)),
    "upsample": _upsample,
}
