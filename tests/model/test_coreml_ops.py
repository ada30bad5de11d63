"""MIL operations against obvious slow references in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels import convolution, resizing
from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import OPS
from meishi.keras import tf
from tests.model.coreml_references import pad, slow_conv, slow_transpose

pytestmark = pytest.mark.tf
slow_enough = settings(max_examples=25, deadline=None)


def inputs(**given):
    return Arguments(**given)


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@slow_enough
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2, 4]),
    multiplier=st.integers(1, 2),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
)
def test_conv_matches_a_sliding_window(kernel, strides, dilations, groups, multiplier, pads):
    x, weight = random(1, 4, 9, 8), random(4 * multiplier, 4 // groups, *kernel)
    found = convolution.conv(
        inputs(
            x=tf.constant(x),
            weight=weight,
            bias=np.ones(4 * multiplier, np.float32),
            strides=strides,
            dilations=dilations,
            groups=groups,
            pad_type="custom",
            pad=pads,
        )
    )
    expected = slow_conv(pad(x, pads), weight, strides, dilations, groups) + 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


# 7 pixels, window 3, stride 2: 4 results need (4 - 1) * 2 + 3 = 9 pixels, one on each side.
# 8 pixels, window 3, stride 2: 4 results need 9 pixels, one more at the end ("same").
@pytest.mark.parametrize(
    ("pad_type", "pads"),
    [("valid", (0, 0, 0, 0)), ("same", (1, 1, 0, 1)), ("same_lower", (1, 1, 1, 0))],
)
def test_padding_types_put_the_odd_pixel_where_they_say(pad_type, pads):
    x, weight = random(1, 2, 7, 8), random(3, 2, 3, 3)
    o = inputs(x=tf.constant(x), weight=weight, bias=None, groups=1, pad_type=pad_type, pad=None)
    o.strides, o.dilations = (2, 2), (1, 1)
    expected = slow_conv(pad(x, pads), weight, (2, 2), (1, 1), 1)
    np.testing.assert_allclose(convolution.conv(o), expected, atol=1e-4)


@slow_enough
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2]),
)
def test_conv_transpose_scatters(kernel, strides, dilations, groups):
    x, weight = random(1, 4, 4, 3), random(4, 3, *kernel)
    o = inputs(x=tf.constant(x), weight=weight, bias=None, groups=groups, output_shape=None)
    o.strides, o.dilations, o.pad_type, o.pad = strides, dilations, "valid", [0, 0, 0, 0]
    expected = slow_transpose(x, weight, strides, dilations, groups)
    np.testing.assert_allclose(convolution.conv_transpose(o), expected, atol=1e-4)


def test_conv_transpose_crops_its_custom_padding():
    x, weight = random(1, 2, 4, 5), random(2, 3, 3, 3)
    o = inputs(x=tf.constant(x), weight=weight, bias=None, groups=1, output_shape=None)
    o.strides, o.dilations, o.pad_type, o.pad = (2, 2), (1, 1), "custom", [1, 0, 0, 2]
    expected = slow_transpose(x, weight, (2, 2), (1, 1), 1)[:, :, 1:, :-2]
    np.testing.assert_allclose(convolution.conv_transpose(o), expected, atol=1e-4)


# Interpolating the ramp 0, 1 gives back the grid points of Apple's MIL reference.
GRIDS = {
    "UNALIGN_CORNERS": [0.0, 0.1, 0.5, 0.9, 1.0],
    "STRICT_ALIGN_CORNERS": [0.0, 0.25, 0.5, 0.75, 1.0],
    "ALIGN_CORNERS": [0.0, 0.25, 0.5, 0.75, 1.0],
    "DEFAULT": [0.0, 0.4, 0.8, 1.0, 1.0],
    "OFFSET_CORNERS": [0.1, 0.3, 0.5, 0.7, 0.9],
}


@pytest.mark.parametrize("mode", GRIDS)
def test_bilinear_grids_are_those_of_the_reference(mode):
    ramp = tf.constant([[[[0.0, 1.0]]]])
    o = inputs(x=ramp, target_size_height=1, target_size_width=5, sampling_mode=mode)
    np.testing.assert_allclose(resizing.resize_bilinear(o)[0, 0, 0], GRIDS[mode], atol=1e-6)


@pytest.mark.parametrize(("align_corners", "half_pixel"), [(True, False), (False, True)])
def test_upsampling_matches_tensorflow(align_corners, half_pixel):
    x = random(1, 3, 4, 5)
    o = inputs(x=tf.constant(x), scale_factor_height=2, scale_factor_width=3.0)
    o.align_corners = align_corners
    found = resizing.upsample_bilinear(o)
    expected = tf.raw_ops.ResizeBilinear(
        images=x.transpose(0, 2, 3, 1),
        size=[8, 15],
        align_corners=align_corners,
        half_pixel_centers=half_pixel,
    )
    np.testing.assert_allclose(found, tf.transpose(expected, (0, 3, 1, 2)), atol=1e-5)


def test_nearest_takes_the_pixel_a_centre_or_an_edge_lies_in():
    x = tf.constant([[[[1.0, 2.0]]]])
    o = inputs(x=x, target_size_height=2, target_size_width=4)
    assert resizing.resize_nearest_neighbor(o)[0, 0].numpy().tolist() == [[1, 1, 2, 2]] * 2
    o = inputs(x=x, target_size_height=2, target_size_width=3)  # centres at 1/3, 1 and 5/3
    assert resizing.resize_nearest_neighbor(o)[0, 0].numpy().tolist() == [[1, 2, 2]] * 2
    o = inputs(x=x, scale_factor_height=1, scale_factor_width=1.5)  # edges at 0, 2/3 and 4/3
    assert resizing.upsample_nearest_neighbor(o)[0, 0].numpy().tolist() == [[1, 1, 2]]


def test_reshape_keeps_an_axis_marked_zero():
    assert OPS["reshape"](inputs(x=tf.zeros((2, 3, 4)), shape=[0, -1, 2])).shape == (2, 6, 2)


def test_zeros_in_a_shape_count_from_the_last_axis():
    assert OPS["reshape"](inputs(x=tf.zeros((2, 50)), shape=[1, 0, -1, 0])).shape == (1, 1, 2, 50)


def test_expand_dims_counts_axes_in_the_result():
    assert OPS["expand_dims"](inputs(x=tf.zeros((2, 3)), axes=[0, -1])).shape == (1, 2, 3, 1)


def test_split_gives_each_part():
    parts = OPS["split"](inputs(x=tf.range(5.0), num_splits=2, split_sizes=[2, 3], axis=0))
    assert [part.numpy().tolist() for part in parts] == [[0, 1], [2, 3, 4]]


def test_slices_take_masks():
    o = inputs(x=tf.reshape(tf.range(12.0), (3, 4)), begin=[1, 3], end=[0, 0], stride=[1, -1])
    o.begin_mask, o.end_mask, o.squeeze_mask = [False, False], [False, True], [True, False]
    assert OPS["slice_by_index"](o).numpy().tolist() == [7, 6, 5, 4]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("constant", [9, 9, 1, 2, 9]), ("reflect", [3, 2, 1, 2, 3, 2]), ("replicate", [1, 1, 2, 2])],
)
def test_padding_modes(mode, expected):
    width = {"constant": 2, "reflect": 3, "replicate": 2}[mode]
    amounts = {"constant": [2, 1], "reflect": [2, 1], "replicate": [1, 1]}[mode]
    x = tf.reshape(tf.range(1.0, width + 1), (1, width))
    found = OPS["pad"](inputs(x=x, pad=amounts, mode=mode, constant_val=9.0))
    assert found.numpy().tolist() == [expected]


def test_batch_norm_is_per_channel():
    x = random(1, 2, 2, 2)
    o = inputs(x=tf.constant(x), mean=np.float32([1, 2]), variance=np.float32([4, 9]))
    o.gamma, o.beta, o.epsilon = np.float32([2, 3]), np.float32([0, 1]), np.float32(0)
    expected = [(x[0, 0] - 1) / 2 * 2, (x[0, 1] - 2) / 3 * 3 + 1]
    np.testing.assert_allclose(OPS["batch_norm"](o)[0], expected, atol=1e-5)


def test_reverse_sequence_reverses_each_row_up_to_its_length():
    x = random(2, 4, 3)
    o = inputs(x=tf.constant(x), lengths=tf.constant([1, 3]), seq_axis=1, batch_axis=0)
    expected = np.stack([x[0], np.concatenate([x[1, 2::-1], x[1, 3:]])])
    np.testing.assert_array_equal(OPS["reverse_sequence"](o), expected)


def test_classify_gives_the_best_place_and_all_probabilities():
    best, flat = OPS["classify"](inputs(probabilities=tf.constant([[0.2, 0.7, 0.1]])))
    assert int(best) == 1 and flat.numpy().tolist() == pytest.approx([0.2, 0.7, 0.1])
