"""Anchors, matcher, box coder and targets of the detector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import boxes
from meishi.ssd.anchors import make_anchors
from meishi.ssd.box_coder import BoxCoder
from meishi.ssd.matcher import IGNORE, NO_MATCH, Matcher
from meishi.ssd.postprocess import select
from meishi.ssd.targets import BACKGROUND, IGNORED, TargetEncoder

CODER = BoxCoder((0.1, 0.2))
side = st.floats(0.02, 1.5)
place = st.floats(-0.2, 1.2)
box = st.tuples(place, place, side, side)


def test_anchors_run_by_level_row_column_shape():
    anchors = make_anchors([2, 1], [[0.2], [0.5, 0.9]], [1.0, 4.0])
    # 2x2 cells of 1 scale x 2 aspects, then 1 cell of 2 scales x 2 aspects.
    assert anchors.shape == (12, 4)
    centres = [[0.25, 0.25], [0.25, 0.25], [0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]
    np.testing.assert_allclose(anchors[:5, :2], centres)
    # aspect 4 at scale 0.2: width 0.2 * 2, height 0.2 / 2.
    np.testing.assert_allclose(anchors[1, 2:], [0.4, 0.1], rtol=1e-6)
    np.testing.assert_allclose(anchors[8:, :2], 0.5)


def test_anchors_keep_the_area_of_their_scale():
    anchors = make_anchors([4], [[0.3]], [0.5, 1.0, 2.0])
    np.testing.assert_allclose(anchors[:, 2] * anchors[:, 3], 0.09, rtol=1e-5)


def test_levels_and_scales_must_agree():
    with pytest.raises(ValueError, match="expected 2 rows"):
        make_anchors([4, 2], [[0.3]], [1.0])


@given(st.lists(st.tuples(box, box), min_size=1, max_size=5))
def test_decode_inverts_encode(pairs):
    gt = np.array([pair[0] for pair in pairs])
    anchors = np.array([pair[1] for pair in pairs])
    np.testing.assert_allclose(CODER.decode(CODER.encode(gt, anchors), anchors), gt, atol=1e-9)


def test_offsets_are_scaled_by_the_variances():
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]])
    moved = np.array([[0.52, 0.5, 0.2 * np.e, 0.4]])
    # dx = 0.02 / 0.2 / 0.1 = 1; log dw = 1 / 0.2 = 5.
    np.testing.assert_allclose(CODER.encode(moved, anchor), [[1.0, 0.0, 5.0, 0.0]], atol=1e-12)


def test_a_box_without_area_is_refused_by_row():
    with pytest.raises(ValueError, match="box 1 has no area"):
        CODER.encode(np.array([[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 0.0, 0.1]]), np.ones((2, 4)))


def test_matcher_agrees_with_a_loop():
    rng = np.random.default_rng(1)
    anchors = boxes.xyxy_from_cxcywh(make_anchors([8, 4], [[0.2], [0.4]], [0.5, 1.0, 2.0]))
    gt = boxes.xyxy_from_cxcywh(rng.uniform([0.2, 0.2, 0.1, 0.1], [0.8, 0.8, 0.5, 0.5], (4, 4)))
    expected = []
    for anchor in anchors:
        overlaps = [boxes.iou_matrix(g[None], anchor[None])[0, 0] for g in gt]
        best = int(np.argmax(overlaps))
        value = overlaps[best]
        expected.append(best if value >= 0.5 else NO_MATCH if value < 0.4 else IGNORE)
    for number, g in enumerate(gt):
        expected[int(np.argmax(boxes.iou_matrix(g[None], anchors)))] = number
    assert Matcher(0.5, 0.4)(gt, anchors).tolist() == expected


def test_every_box_has_an_anchor_however_small():
    anchors = boxes.xyxy_from_cxcywh(make_anchors([2], [[0.9]], [1.0]))
    tiny = np.array([[0.1, 0.1, 0.12, 0.12]])
    assert (Matcher(0.5, 0.4)(tiny, anchors) == 0).sum() == 1


def test_a_scene_without_cards_is_all_background():
    anchors = boxes.xyxy_from_cxcywh(make_anchors([2], [[0.9]], [1.0]))
    assert (Matcher(0.5, 0.4)(np.zeros((0, 4)), anchors) == NO_MATCH).all()


def test_targets_decode_to_the_ground_truth():
    anchors = make_anchors([8, 4], [[0.2, 0.3], [0.5, 0.7]], [0.5, 1.0, 2.0])
    encoder = TargetEncoder(anchors, Matcher(0.5, 0.4), CODER)
    gt = np.array([[0.1, 0.2, 0.4, 0.5], [0.5, 0.5, 0.95, 0.9]])
    match, offsets = encoder(gt)
    decoded = boxes.xyxy_from_cxcywh(CODER.decode(offsets, anchors))[match == 1]
    distance = np.abs(decoded[:, None] - gt[None]).max(axis=2).min(axis=1)
    assert (match == 1).sum() >= 2
    assert distance.max() < 1e-6
    assert set(np.unique(match)) <= {-1, 0, 1}


def test_select_thresholds_suppresses_and_clips():
    coordinates = np.array(
        [[0.5, 0.5, 0.4, 0.4], [0.51, 0.5, 0.4, 0.4], [0.05, 0.5, 0.3, 0.2], [0.5, 0.1, 0.1, 0.1]]
    )
    confidence = np.array([[0.8], [0.9], [0.7], [0.2]])
    boxes_xyxy, scores = select(coordinates, confidence, 0.5, 0.45, 4)
    assert scores.tolist() == [0.9, 0.7]
    np.testing.assert_allclose(boxes_xyxy, [[0.31, 0.3, 0.71, 0.7], [0.0, 0.4, 0.2, 0.6]])


@pytest.mark.parametrize(("match_iou", "expected"), [(0.5, 0), (0.75, IGNORE)])
def test_an_anchor_at_a_limit_of_the_matcher_has_reached_it(match_iou, expected):
    gt = np.array([[0.0, 0.0, 1.0, 1.0]])
    anchors = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5]])  # the IoU of the second: 0.5
    assert Matcher(match_iou, 0.5)(gt, anchors).tolist() == [0, expected]


def test_anchors_that_the_matcher_ignores_are_no_background_among_the_targets():
    anchors = make_anchors([8, 4], [[0.2, 0.3], [0.5, 0.7]], [0.5, 1.0, 2.0])
    matcher, gt = Matcher(0.5, 0.4), np.array([[0.1, 0.2, 0.4, 0.5]])
    match = matcher(gt, boxes.xyxy_from_cxcywh(anchors))
    roles, _ = TargetEncoder(anchors, matcher, CODER)(gt)
    assert (match == IGNORE).any()
    assert ((roles == IGNORED) == (match == IGNORE)).all()
    assert ((roles == BACKGROUND) == (match == NO_MATCH)).all()


def test_select_keeps_a_score_at_the_threshold():
    coordinates = np.array([[0.3, 0.3, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]])
    _, scores = select(coordinates, np.array([[0.25], [0.2499]]), 0.25, 0.5, 4)
    assert scores.tolist() == [0.25]


def test_select_compares_boxes_as_they_are_before_they_end_at_the_frame():
    # From -0.3 and from -0.06 to 0.3: an IoU of 0.6. What the frame holds of them is one box.
    coordinates = np.array([[0.0, 0.5, 0.6, 0.4], [0.12, 0.5, 0.36, 0.4]])
    boxes_xyxy, _ = select(coordinates, np.array([[0.9], [0.8]]), 0.1, 0.7, 4)
    np.testing.assert_allclose(boxes_xyxy, [[0.0, 0.3, 0.3, 0.7]] * 2, atol=1e-12)
