"""Captured cards against true ones, in cases worked out by hand."""

import numpy as np
import pytest

from meishi.evaluation.captures import capture_metrics, card_results, mask_iou, match_quads

CARD = np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 30.0], [0.0, 30.0]])  # diagonal 50
OTHER = CARD + 100
LOW = CARD + [0, 20]  # IoU with CARD: 10 of 50 rows, 0.2


def test_exact_quads_are_perfect():
    metrics = capture_metrics([[CARD, OTHER], []], [[OTHER, CARD], []])
    assert metrics == {
        "iou_mean": 1,
        "iou_p05": 1,
        "recall50": 1,
        "corner_error_mean_pct": 0,
        "corner_error_p95_pct": 0,
        "exact_count": 1,
        "false_cards_per_image": 0,
        "empty_with_false_card": 0,
    }


def test_larger_overlap_is_matched_first():
    near = CARD + [4, 0]
    matches = match_quads([near, CARD], [CARD])
    assert matches == [(1, 0, pytest.approx(1))]


def test_each_quad_is_matched_once():
    # Both predictions prefer CARD; the second must take what is left.
    matches = match_quads([CARD, CARD + [1, 0]], [CARD, CARD + [30, 0]])
    assert [(i, j) for i, j, _ in matches] == [(0, 0), (1, 1)]


def test_quads_that_do_not_overlap_are_not_matched():
    assert match_quads([OTHER], [CARD]) == []


def test_a_missed_card_counts_as_no_overlap():
    metrics = capture_metrics([[CARD]], [[CARD, OTHER]])
    assert metrics["iou_mean"] == pytest.approx(0.5)
    assert metrics["recall50"] == 0.5
    assert metrics["exact_count"] == 0


def test_the_fifth_percentile_lies_midway_between_the_worst_two_of_eleven_cards():
    metrics = capture_metrics([[CARD]] * 10 + [[LOW]], [[CARD]] * 11)  # IoUs of 1 and 0.2
    assert metrics["iou_p05"] == pytest.approx(0.6)


def test_corner_error_is_in_percent_of_the_diagonal_of_found_cards():
    # Shifted by 1 of 50 along x, IoU 39 / 41; the other card is not found at all.
    metrics = capture_metrics([[CARD + [1, 0]]], [[CARD, OTHER]])
    assert metrics["corner_error_mean_pct"] == pytest.approx(2)
    assert metrics["corner_error_p95_pct"] == pytest.approx(2)


def test_a_loose_quad_finds_no_card_and_is_false():
    metrics = capture_metrics([[LOW]], [[CARD]])
    assert metrics["iou_mean"] == pytest.approx(0.2)
    assert metrics["recall50"] == 0
    assert metrics["false_cards_per_image"] == 1
    assert metrics["corner_error_mean_pct"] == 100


def test_false_cards_in_empty_images_are_counted():
    metrics = capture_metrics([[CARD], [OTHER, CARD], []], [[CARD], [], []])
    assert metrics["false_cards_per_image"] == pytest.approx(2 / 3)
    assert metrics["empty_with_false_card"] == 0.5


def test_card_results_name_image_card_and_prediction():
    missed, found = card_results([[], [OTHER, CARD]], [[CARD], [CARD]])
    assert (missed.image, missed.card, missed.prediction, missed.found) == (0, 0, None, False)
    assert missed.corner_error_pct is None
    assert (found.image, found.card, found.prediction, found.found) == (1, 0, 1, True)
    assert found.corner_error_pct == 0


def test_no_true_card_at_all_is_an_error():
    with pytest.raises(ValueError, match="undefined"):
        capture_metrics([[CARD]], [[]])


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="2 images and ground truth for 1"):
        capture_metrics([[], []], [[CARD]])


def test_mask_iou_counts_pixels_over_the_threshold():
    pred = np.array([[0.9, 0.6], [0.4, 0.0]])
    gt = np.array([[True, False], [True, False]])
    assert mask_iou(pred, gt) == pytest.approx(1 / 3)


def test_a_pixel_at_the_threshold_belongs_to_the_mask():
    assert mask_iou(np.array([0.5, 0.4]), np.array([True, False])) == 1
    assert mask_iou(np.array([1.0, 0.0]), np.array([0.5, 0.4])) == 1


def test_two_empty_masks_agree():
    assert mask_iou(np.zeros((4, 4)), np.zeros((4, 4))) == 1


def test_masks_of_different_shape_are_an_error():
    with pytest.raises(ValueError, match="one shape"):
        mask_iou(np.zeros((4, 4)), np.zeros((4, 5)))
