"""Windows and resizings of MIL over shapes, paddings, strides and groups: their kernels alone."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import OPS
from meishi.keras import tf
from tests.model.coreml_programs import random
from tests.model.coreml_references import (
    gathered,
    pad,
    points,
    slow_conv,
    slow_linear,
    slow_transpose,
    slow_windows,
)

pytestmark = pytest.mark.tf
few = settings(max_examples=25, deadline=None, derandomize=True)


def result(name, x, **inputs):
    return OPS[name](Arguments(x=tf.constant(x), **inputs))


def each(low, high):
    """A number for each of three axes; tests take as many as they have."""
    return st.tuples(*[st.integers(low, high)] * 3)


PAD_TYPES = ["valid", "same", "same_lower", "custom"]
WINDOW = {
    "axes": st.integers(1, 3),
    "sizes": each(4, 7),
    "kernel": each(1, 3),
    "strides": each(1, 3),
    "pads": st.tuples(*[st.integers(0, 1)] * 6),
    "pad_type": st.sampled_from(PAD_TYPES),
}


def padding(pad_type, sizes, extent, strides, pads):
    """Return (before, after) an axis, as Apple's reference of conv and pooling has it."""
    if pad_type == "custom":
        return list(pads[: 2 * len(sizes)])
    found = []
    for size, window, stride in zip(sizes, extent, strides, strict=True):
        wanted = (int(np.ceil(size / stride)) - 1) * stride + window
        total = max(wanted - size, 0) if pad_type != "valid" else 0
        less, more = total // 2, total - total // 2
        found += [more, less] if pad_type == "same_lower" else [less, more]
    return found


@few
@given(**WINDOW, dilations=each(1, 2), groups=st.sampled_from([1, 2, 4]), ratio=st.integers(1, 2))
def test_conv(axes, sizes, kernel, strides, pads, pad_type, dilations, groups, ratio):
    sizes, kernel, strides, dilations = (v[:axes] for v in (sizes, kernel, strides, dilations))
    x, weight = random(2, 4, *[n + 2 for n in sizes]), random(4 * ratio, 4 // groups, *kernel)
    given = {"strides": strides, "dilations": dilations, "groups": groups, "pad_type": pad_type}
    found = result("conv", x, weight=weight, pad=pads[: 2 * axes], **given)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    wide = pad(x, padding(pad_type, x.shape[2:], extent, strides, pads))
    np.testing.assert_allclose(
        found, slow_conv(wide, weight, strides, dilations, groups), atol=1e-4
    )


@few
@given(
    axes=st.integers(1, 3),
    sizes=each(2, 4),
    kernel=each(1, 3),
    strides=each(1, 3),
    dilations=each(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    pads=st.tuples(*[st.integers(0, 1)] * 6),
)
def test_conv_transpose(axes, sizes, kernel, strides, dilations, groups, pads):
    sizes, kernel, strides, dilations = (v[:axes] for v in (sizes, kernel, strides, dilations))
    x, weight = random(1, 4, *sizes), random(4, 2, *kernel)
    bias = np.arange(2 * groups, dtype=np.float32)
    full = slow_transpose(x, weight, strides, dilations, groups)
    full += bias.reshape(-1, *[1] * axes)
    pairs = np.reshape(pads[: 2 * axes], (axes, 2))
    assume((np.array(full.shape[2:]) > pairs.sum(axis=1)).all())
    given = {"weight": weight, "bias": bias, "strides": strides, "dilations": dilations}
    given |= {"groups": groups, "pad_type": "custom", "pad": pairs.ravel()}
    found = result("conv_transpose", x, **given)
    cuts = zip(pairs, full.shape[2:], strict=True)
    window = (..., *[slice(before, n - after) for (before, after), n in cuts])
    np.testing.assert_allclose(found, full[window], atol=1e-4)


@few
@given(
    size=st.integers(2, 5),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    less=st.integers(0, 2),
)
def test_conv_transpose_to_the_size_of_a_same_convolution(size, kernel, stride, less):
    out = size * stride - min(less, stride - 1)  # all of them are `size` after a convolution
    x, weight = random(1, 3, size, size), random(3, 2, kernel, kernel)
    given = {"weight": weight, "strides": (stride, stride), "pad_type": "same"}
    found = result("conv_transpose", x, output_shape=[1, 2, out, out], **given)
    expected = tf.nn.conv2d_transpose(
        x.transpose(0, 2, 3, 1), weight.transpose(2, 3, 1, 0), (1, out, out, 2), stride, "SAME"
    )
    np.testing.assert_allclose(found, tf.transpose(expected, (0, 3, 1, 2)), atol=1e-4)


@few
@given(**WINDOW)
def test_pooling(axes, sizes, kernel, strides, pads, pad_type):
    sizes, kernel, strides = (v[:axes] for v in (sizes, kernel, strides))
    pads = [min(n, k - 1) for n, k in zip(pads, np.repeat(kernel, 2), strict=False)]
    x = random(2, 3, *sizes) - 2
    given = {"kernel_sizes": kernel, "strides": strides, "pad_type": pad_type, "pad": pads}
    amounts = padding(pad_type, sizes, kernel, strides, pads)

    def pooled(reduce, value):
        cells = slow_windows(pad(x, amounts, value), kernel, strides)
        return gathered({p: reduce(w.reshape(2, 3, -1), axis=2) for p, w in cells})

    expected = [
        ("max_pool", {}, pooled(np.max, -np.inf)),
        ("avg_pool", {}, pooled(np.mean, 0.0)),
        ("avg_pool", {"exclude_padding_from_average": True}, pooled(np.nanmean, np.nan)),
        ("l2_pool", {}, pooled(np.linalg.norm, 0.0)),
    ]
    for name, options, wanted in expected:
        np.testing.assert_allclose(result(name, x, **given, **options), wanted, atol=1e-5)


def ceil_windows(size, kernel, stride, border):
    """Return where the windows of one axis begin, as PyTorch counts them in ceil mode."""
    count = int(np.ceil((size + 2 * border - kernel) / stride)) + 1
    if border and (count - 1) * stride >= size + border:
        count -= 1
    return np.arange(count) * stride - border


@few
@given(
    size=st.integers(4, 9),
    kernel=st.integers(2, 4),
    stride=st.integers(1, 2),
    border=st.integers(0, 1),
)
def test_pooling_in_ceil_mode(size, kernel, stride, border):
    x = random(1, 1, size)
    given = {"kernel_sizes": [kernel], "strides": [stride], "ceil_mode": True}
    given |= {"pad_type": "custom", "pad": [border, border]}
    starts = ceil_windows(size, kernel, stride, border)
    inside = [x[0, 0, max(at, 0) : at + kernel] for at in starts]
    counted = [
        min(at + kernel, size + border) - at for at in starts
    ]  # what lies in the padding too
    found = result("max_pool", x, **given)[0, 0]
    np.testing.assert_allclose(found, [part.max() for part in inside], atol=1e-6)
    found = result("avg_pool", x, **given)[0, 0]
    wanted = [part.sum() / n for part, n in zip(inside, counted, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    found = result("avg_pool", x, exclude_padding_from_average=True, **given)[0, 0]
    np.testing.assert_allclose(found, [part.mean() for part in inside], atol=1e-6)


MODES = ["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
targets = st.tuples(st.integers(2, 9), st.integers(2, 9))


@few
@given(size=sizes, target=targets, mode=st.sampled_from(MODES))
def test_resizing(size, target, mode):
    x = random(1, 2, *size)
    rows, columns = (points(mode, n, out) for n, out in zip(size, target, strict=True))
    expected = slow_linear(slow_linear(x, rows, 2), columns, 3)
    height, width = target
    options = {"target_size_height": height, "target_size_width": width, "sampling_mode": mode}
    np.testing.assert_allclose(result("resize_bilinear", x, **options), expected, atol=1e-5)
    options = {"shape": [0, *target], "resized_dims": 2, "sampling_mode": mode}
    np.testing.assert_allclose(result("resize", x, **options), expected, atol=1e-5)


@few
@given(size=sizes, factors=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_upsampling(size, factors):
    x = random(2, 3, *size)
    target = [n * f for n, f in zip(size, factors, strict=True)]
    options = dict(zip(("scale_factor_height", "scale_factor_width"), factors, strict=True))
    for corners in (True, False):
        found = result("upsample_bilinear", x, align_corners=corners, **options)
        expected = tf.raw_ops.ResizeBilinear(
            images=x.transpose(0, 2, 3, 1),
            size=target,
            align_corners=corners,
            half_pixel_centers=not corners,
        )
        np.testing.assert_allclose(found, tf.transpose(expected, (0, 3, 1, 2)), atol=1e-5)
    found = result("upsample_nearest_neighbor", x, **options)
    np.testing.assert_array_equal(found, x.repeat(factors[0], 2).repeat(factors[1], 3))


@few
@given(size=sizes, target=targets)
def test_the_nearest_neighbour_is_where_a_centre_lies(size, target):
    x, (height, width) = random(1, 2, *size), target
    rows, columns = (
        np.floor((np.arange(out) + 0.5) * n / out).astype(int)
        for n, out in zip(size, target, strict=True)
    )
    expected = x[:, :, rows[:, None], columns]
    found = result("resize_nearest_neighbor", x, target_size_height=height, target_size_width=width)
    np.testing.assert_array_equal(found, expected)
    options = {"shape": target, "resized_dims": 2, "interpolation_mode": "NEAREST_NEIGHBOR"}
    np.testing.assert_array_equal(result("resize", x, **options), expected)
