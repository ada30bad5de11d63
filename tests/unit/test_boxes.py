"""Boxes against values worked out by hand and slow, obvious references."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import boxes

UNIT = st.floats(0, 1, width=32)


@st.composite
def boxes_xyxy(draw, max_boxes=12):
    corners = draw(hnp.arrays(np.float64, (draw(st.integers(0, max_boxes)), 2, 2), elements=UNIT))
    return np.sort(corners, axis=1).reshape(-1, 4)


def slow_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def slow_nms(candidates, scores, iou_threshold, max_boxes):
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(slow_iou(candidates[index], candidates[k]) <= iou_threshold for k in kept):
            kept.append(index)
    return kept[:max_boxes]


def test_cxcywh_of_a_box_is_its_centre_and_size():
    np.testing.assert_allclose(boxes.cxcywh_from_xyxy([0.2, 0.1, 0.6, 0.4]), [0.4, 0.25, 0.4, 0.3])


@given(boxes_xyxy())
def test_xyxy_inverts_cxcywh(given_boxes):
    there = boxes.cxcywh_from_xyxy(given_boxes)
    np.testing.assert_allclose(boxes.xyxy_from_cxcywh(there), given_boxes, atol=1e-12)


def test_conversion_keeps_leading_axes_and_float32():
    converted = boxes.xyxy_from_cxcywh(np.zeros((2, 3, 4), np.float32))
    assert converted.shape == (2, 3, 4)
    assert converted.dtype == np.float32


def test_area_of_a_box_with_crossed_edges_is_zero():
    np.testing.assert_allclose(boxes.area([[0, 0, 0.5, 0.5], [0.5, 0.5, 0, 0]]), [0.25, 0])


def test_clip_keeps_what_is_inside_the_frame():
    np.testing.assert_allclose(boxes.clip([[-0.5, 0.2, 1.5, 0.8]]), [[0, 0.2, 1, 0.8]])


@given(boxes_xyxy(), boxes_xyxy())
def test_iou_matrix_agrees_with_slow_reference(a, b):
    expected = np.array([[slow_iou(x, y) for y in b] for x in a]).reshape(len(a), len(b))
    np.testing.assert_allclose(boxes.iou_matrix(a, b), expected, atol=1e-12)


def test_iou_of_boxes_without_area_is_zero():
    point = np.array([[0.5, 0.5, 0.5, 0.5]])
    assert boxes.iou_matrix(point, point) == 0


@given(boxes_xyxy(), st.data())
def test_nms_agrees_with_slow_reference(candidates, data):
    # Few distinct scores, so that ties occur.
    scores = data.draw(
        hnp.arrays(np.float64, len(candidates), elements=st.sampled_from([0.1, 0.9]))
    )
    kept = boxes.nms(candidates, scores, 0.4, 5)
    assert kept.dtype == np.int64
    assert kept.tolist() == slow_nms(candidates, scores, 0.4, 5)


def test_nms_keeps_the_lower_index_of_equal_scores():
    twins = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    assert boxes.nms(twins, np.array([0.5, 0.5]), 0.5, 10).tolist() == [0]


def test_nms_keeps_boxes_that_overlap_by_exactly_the_threshold():
    # Intersection 1/2, union 1.
    halves = np.array([[0, 0, 1, 1], [0, 0, 1, 0.5]])
    assert boxes.nms(halves, np.array([0.9, 0.8]), 0.5, 10).tolist() == [0, 1]


def test_nms_of_nothing_is_empty():
    assert boxes.nms(np.empty((0, 4)), np.empty(0), 0.5, 4).shape == (0,)


def test_nms_rejects_missing_scores():
    with pytest.raises(ValueError, match="2 boxes need 2 scores"):
        boxes.nms(np.zeros((2, 4)), np.zeros(3), 0.5, 4)


def test_box_of_a_quad_is_cut_at_the_frame():
    quad = [[-0.2, 0.3], [0.5, 0.1], [0.6, 0.7], [0.1, 1.3]]
    np.testing.assert_allclose(boxes.from_quads([quad]), [[0, 0.1, 0.6, 1]])


def test_boxes_of_no_quads_are_no_rows():
    assert boxes.from_quads([]).shape == (0, 4)
