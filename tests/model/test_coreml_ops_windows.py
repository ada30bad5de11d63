"""Convolutions, poolings and resizings of saved MIL programs, against plain loops."""

import numpy as np
import pytest

from tests.model.coreml_programs import random, run
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


SIZES = {1: (9,), 2: (9, 7), 3: (6, 5, 7)}


@pytest.mark.parametrize("axes", SIZES)
def test_conv(tmp_path, axes):
    x = random(2, 4, *SIZES[axes])
    bias = np.float32([1, 2, 3, 4])
    settings = [  # kernel, strides, dilations, groups, pads
        ((3, 2, 3)[:axes], (1, 2, 1)[:axes], (1, 1, 1)[:axes], 1, (1, 0, 0, 2, 1, 1)[: 2 * axes]),
        ((2, 3, 2)[:axes], (2, 1, 2)[:axes], (2, 1, 2)[:axes], 2, (0, 0, 1, 1, 2, 0)[: 2 * axes]),
        ((3, 1, 2)[:axes], (2, 2, 2)[:axes], (1, 2, 1)[:axes], 4, (0, 1, 0, 0, 1, 0)[: 2 * axes]),
    ]
    weights = [random(4, 4 // groups, *kernel) for kernel, _, _, groups, _ in settings]

    def build(mb, x):
        return [
            mb.conv(
                x=x,
                weight=weight,
                bias=bias,
                strides=strides,
                dilations=dilations,
                groups=groups,
                pad_type="custom",
                pad=pads,
            )
            for weight, (_, strides, dilations, groups, pads) in zip(weights, settings, strict=True)
        ]

    rows = zip(run(tmp_path, build, x), weights, settings, strict=True)
    for found, weight, (_, strides, dilations, groups, pads) in rows:
        expected = slow_conv(pad(x, pads), weight, strides, dilations, groups)
        expected += bias.reshape(-1, *[1] * axes)
        np.testing.assert_allclose(found, expected, atol=1e-4)


# Windows of 4 at stride 3 over 9 and 8 values: 3 results need 10, so 1 and 2 more.
@pytest.mark.parametrize(
    ("pad_type", "pads"),
    [("valid", (0, 0, 0, 0)), ("same", (0, 1, 1, 1)), ("same_lower", (1, 0, 1, 1))],
)
def test_pad_types(tmp_path, pad_type, pads):
    x, weight = random(1, 2, 9, 8), random(3, 2, 4, 4)

    def build(mb, x):
        given = {"strides": [3, 3], "pad_type": pad_type}
        conv = mb.conv(x=x, weight=weight, **given)
        return [conv, mb.max_pool(x=x, kernel_sizes=[4, 4], **given)]

    conv, pooled = run(tmp_path, build, x, ios=16)
    expected = slow_conv(pad(x, pads), weight, (3, 3), (1, 1), 1)
    np.testing.assert_allclose(conv, expected, atol=1e-4)
    largest = {
        place: window.max(axis=(2, 3))
        for place, window in slow_windows(pad(x, pads, -np.inf), (4, 4), (3, 3))
    }
    np.testing.assert_allclose(pooled, gathered(largest))


@pytest.mark.parametrize("axes", SIZES)
def test_conv_transpose(tmp_path, axes):
    x = random(1, 4, *[4, 3, 2][:axes])
    strides, kernel = (2, 3, 1)[:axes], (3, 2, 2)[:axes]
    whole, grouped = random(4, 3, *kernel), random(4, 2, *kernel, seed=1)
    pads = [1, 0] + [0, 0] * (axes - 1)
    full = slow_transpose(x, whole, strides, [1] * axes, 1)
    same = [n * s for n, s in zip(x.shape[2:], strides, strict=True)]

    def build(mb, x):
        given = {"x": x, "strides": strides}
        wide = [1, 3, *[n + 1 for n in full.shape[2:]]]
        return [
            mb.conv_transpose(weight=whole, pad_type="valid", **given),
            mb.conv_transpose(weight=whole, pad_type="custom", pad=pads, **given),
            mb.conv_transpose(weight=grouped, pad_type="valid", groups=2, **given),
            mb.conv_transpose(weight=whole, pad_type="same", **given),
            mb.conv_transpose(weight=whole, pad_type="valid", output_shape=wide, **given),
        ]

    begin = [max(f - n, 0) // 2 for f, n in zip(full.shape[2:], same, strict=True)]
    missing = [max(b + n - f, 0) for b, n, f in zip(begin, same, full.shape[2:], strict=True)]
    window = tuple(slice(b, b + n) for b, n in zip(begin, same, strict=True))
    expected = [
        full,
        full[:, :, 1:],
        slow_transpose(x, grouped, strides, [1] * axes, 2),
        np.pad(full, [(0, 0), (0, 0), *[(0, m) for m in missing]])[(..., *window)],
        np.pad(full, [(0, 0), (0, 0), *[(0, 1)] * axes]),
    ]
    for found, wanted in zip(run(tmp_path, build, x), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("axes", SIZES)
def test_pooling(tmp_path, axes):
    x = random(2, 3, *SIZES[axes])
    kernel, strides = (3, 2, 3)[:axes], (2, 2, 1)[:axes]
    pads = (1, 1, 0, 1, 1, 0)[: 2 * axes]
    given = {"kernel_sizes": kernel, "strides": strides, "pad_type": "custom", "pad": pads}

    def build(mb, x):
        found = [
            mb.max_pool(x=x, **given),
            mb.avg_pool(x=x, **given),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **given),
            mb.max_pool(x=x, kernel_sizes=kernel, pad_type="valid"),
        ]
        return found if axes == 3 else [*found, mb.l2_pool(x=x, **given)]

    def pooled(reduce, value):
        cells = slow_windows(pad(x, pads, value), kernel, strides)
        return gathered({p: reduce(w.reshape(2, 3, -1), axis=2) for p, w in cells})

    def root(w, axis):
        return np.sqrt((w**2).sum(axis=axis))

    unpadded = slow_windows(x, kernel, [1] * axes)
    expected = [
        pooled(np.max, -np.inf),
        pooled(np.mean, 0.0),
        pooled(np.nanmean, np.nan),
        gathered({p: w.reshape(2, 3, -1).max(axis=2) for p, w in unpadded}),
        pooled(root, 0.0),
    ]
    for found, wanted in zip(run(tmp_path, build, x), expected, strict=False):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_ceil_mode_adds_a_window_whose_rest_does_not_count(tmp_path):
    x = np.float32([[[1, 2, 3, 4, 5, 6]]])

    def build(mb, x):
        given = {"kernel_sizes": [3], "strides": [2], "pad_type": "valid", "ceil_mode": True}
        padded = given | {"pad_type": "custom", "pad": [1, 1]}
        return [
            mb.max_pool(x=x, **given),
            mb.avg_pool(x=x, **given),
            mb.avg_pool(x=x, **padded),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **padded),
        ]

    found = run(tmp_path, build, x)
    expected = [[3, 5, 6], [2, 4, 5.5], [1, 3, 5, 3], [1.5, 3, 5, 6]]
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value[0, 0], wanted, rtol=1e-6)


MODES = ["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"]


def test_whole_numbers_are_resized(tmp_path):
    x = np.array([[0, 10], [20, 31]], np.int32)

    def build(mb, x):
        given = {"shape": [3, 3], "resized_dims": np.uint32(2), "sampling_mode": "ALIGN_CORNERS"}
        return mb.resize(x=x, interpolation_mode="LINEAR", **given)

    found = run(tmp_path, build, x, ios=17)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [[0, 5, 10], [10, 15, 20], [20, 25, 31]])


def test_bilinear_resizing(tmp_path):
    x = random(1, 2, 4, 5)

    def build(mb, x):
        old = [
            mb.resize_bilinear(x=x, target_size_height=7, target_size_width=3, sampling_mode=mode)
            for mode in MODES
        ]
        new = [
            mb.resize(
                x=x,
                shape=[0, 7, 3],
                resized_dims=np.uint32(2),
                interpolation_mode="LINEAR",
                sampling_mode=mode,
            )
            for mode in MODES
        ]
        return old + new

    for mode, found in zip(MODES * 2, run(tmp_path, build, x, ios=17), strict=True):
        expected = slow_linear(slow_linear(x, points(mode, 4, 7), 2), points(mode, 5, 3), 3)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=mode)


def test_upsampling(tmp_path):
    x = random(1, 2, 3, 4)

    def build(mb, x):
        factors = {"scale_factor_height": 2, "scale_factor_width": 3}
        return [
            mb.upsample_bilinear(x=x, align_corners=True, **factors),
            mb.upsample_bilinear(x=x, align_corners=False, **factors),
            mb.upsample_nearest_neighbor(x=x, **factors),
            mb.resize_nearest_neighbor(x=x, target_size_height=6, target_size_width=4),
        ]

    def resized(mode):
        return slow_linear(slow_linear(x, points(mode, 3, 6), 2), points(mode, 4, 12), 3)

    expected = [
        resized("ALIGN_CORNERS"),
        resized("UNALIGN_CORNERS"),
        x.repeat(2, axis=2).repeat(3, axis=3),
        x.repeat(2, axis=2),
    ]
    for found, wanted in zip(run(tmp_path, build, x), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("mode", ["OFFSET_CORNERS", "STRICT_ALIGN_CORNERS"])
def test_regions_are_cut_out_and_resized(tmp_path, mode):
    x = random(2, 3, 8, 10)
    box = np.float32([1, 2, 5, 8])  # top, left, bottom, right
    given = {"target_height": 3, "target_width": 4, "sampling_mode": mode}

    def build(mb, x):
        roi = np.concatenate([[1], box]).astype(np.float32).reshape(1, 1, 5, 1, 1)
        return mb.crop_resize(x=x, roi=roi, box_coordinate_mode="CORNERS_HEIGHT_FIRST", **given)

    rows, columns = 1 + points(mode, 5, 3), 2 + points(mode, 7, 4)
    expected = slow_linear(slow_linear(x[1:], rows, 2), columns, 3)
    np.testing.assert_allclose(run(tmp_path, build, x), expected[None], atol=1e-5)

    def newer(mb, x):
        centre = np.float32([[5 / 9, 3 / 7, 6 / 9, 4 / 7]])  # x, y, width, height
        return mb.crop_resize(
            x=x,
            boxes=centre,
            box_indices=np.int32([1]),
            normalized_coordinates=True,
            box_coordinate_mode="CENTER_SIZE_WIDTH_FIRST",
            **given,
        )

    np.testing.assert_allclose(run(tmp_path, newer, x, ios=17), expected, atol=1e-5)


def test_beyond_the_picture_lies_the_pad_value(tmp_path):
    x = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    boxes = np.float32([[0.5, 1.8, 1.0, 0.3]])  # from beyond the right border back into the picture

    def build(mb, x):
        return mb.crop_resize(
            x=x,
            boxes=boxes,
            box_indices=np.int32([0]),
            target_height=2,
            target_width=2,
            normalized_coordinates=True,
            sampling_mode="ALIGN_CORNERS",
            pad_value=10.0,
        )

    found = run(tmp_path, build, x, ios=17)
    np.testing.assert_allclose(found[0, 0], [[10, 7.9], [10, 13.9]], atol=1e-4)


def test_old_and_new_resizing_have_the_same_nearest_neighbours(tmp_path):
    x = np.arange(1, 3, dtype=np.float32).reshape(1, 1, 1, 2)

    def build(mb, x):
        given = {"resized_dims": np.uint32(2), "interpolation_mode": "NEAREST_NEIGHBOR"}
        return [
            mb.resize_nearest_neighbor(x=x, target_size_height=1, target_size_width=3),
            mb.resize(x=x, shape=[1, 3], sampling_mode="DEFAULT", **given),
            mb.resize(x=x, shape=[1, 3], sampling_mode="UNALIGN_CORNERS", **given),
            mb.resize(x=x, shape=[1, 6], sampling_mode="DEFAULT", **given),
        ]

    *three, six = run(tmp_path, build, x, ios=17)
    assert [found.ravel().tolist() for found in three] == [[1, 2, 2]] * 3
    assert six.ravel().tolist() == [1, 1, 1, 2, 2, 2]


def test_sizes_of_fractional_factors_are_rounded_in_float32(tmp_path):
    x = random(1, 1, 10, 20)

    def build(mb, x):  # 10 * 0.7 and 20 * 1.3 are a little less in float64
        factors = {"scale_factor_height": 0.7, "scale_factor_width": 1.3}
        return [
            mb.upsample_nearest_neighbor(x=x, **factors),
            mb.upsample_bilinear(x=x, align_corners=True, **factors),
        ]

    assert [found.shape for found in run(tmp_path, build, x)] == [(1, 1, 7, 26)] * 2


@pytest.mark.parametrize(
    ("factor", "size", "picks"),
    [
        (1.7, 11, [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 8, 9, 10]),  # of 18.7 wanted
        (0.7, 11, [0, 1, 2, 4, 5, 7, 8]),  # of 7.7
        (1.5, 4, [0, 0, 1, 2, 2, 3]),
        (0.5, 5, [0, 2]),
        (4.0, 2, [0, 0, 0, 0, 1, 1, 1, 1]),
        # As coremltools writes the factor of torch's `interpolate(x, size=15)`, and of 12, 4, 6.
        (15.0001 / 10, 10, [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9]),
        (12.0001 / 8, 8, [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]),
        (4.0001 / 6, 6, [0, 1, 3, 4]),
        (6.0001 / 9, 9, [0, 1, 3, 4, 6, 7]),
    ],
)
def test_pixels_by_fractional_factors_are_where_edges_lie(tmp_path, factor, size, picks):
    """The pixel that begins at or before the first edge of each new one, 1 / factor wide."""
    x = random(1, 2, size, size)

    def build(mb, x):
        return mb.upsample_nearest_neighbor(
            x=x, scale_factor_height=factor, scale_factor_width=factor
        )

    np.testing.assert_array_equal(run(tmp_path, build, x), x[:, :, picks][..., picks])
