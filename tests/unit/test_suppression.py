"""Core ML's suppression in NumPy."""

import numpy as np
import pytest

from meishi.coreml.suppression import Suppression

# Two boxes with an IoU of 0.19 / 0.21 = 0.90, and one far away.
BOXES_CXCYWH = np.array([[0.3, 0.3, 0.2, 0.2], [0.31, 0.3, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2]])


def suppress(confidence, per_label=True, **given):
    stage = Suppression(
        confidence=("confidence", "confidence"),
        coordinates=("coordinates", "coordinates"),
        iou=("iouThreshold", 0.5),
        score=("confidenceThreshold", 0.4),
        per_label=per_label,
    )
    values = {"confidence": np.array(confidence), "coordinates": BOXES_CXCYWH}
    return stage.run(values | given)["confidence"].tolist()


def test_the_better_of_two_overlapping_boxes_stays():
    assert suppress([[0.6], [0.9], [0.5]]) == [[0.9], [0.5]]


def test_the_best_box_comes_first():
    assert suppress([[0.6], [0.5], [0.7]]) == [[0.7], [0.6]]


def test_a_score_at_the_threshold_stays():
    assert suppress([[0.4], [0.1], [0.39]]) == [[0.4]]


def test_given_thresholds_win_over_the_defaults():
    assert suppress([[0.6], [0.9], [0.1]], iouThreshold=0.95) == [[0.9], [0.6]]
    assert suppress([[0.6], [0.9], [0.1]], confidenceThreshold=0.05) == [[0.9], [0.1]]


@pytest.mark.parametrize(("per_label", "kept"), [(True, 2), (False, 1)])
def test_labels_suppress_each_other_only_when_told_to(per_label, kept):
    assert len(suppress([[0.6, 0.1], [0.1, 0.9], [0.0, 0.0]], per_label)) == kept


def test_nothing_above_the_threshold_leaves_no_rows():
    assert suppress([[0.1], [0.1], [0.1]]) == []


def test_of_equal_scores_the_row_that_was_first_comes_first():
    assert suppress([[0.1, 0.7], [0.0, 0.0], [0.7, 0.1]]) == [[0.1, 0.7], [0.7, 0.1]]
    assert suppress([[0.7, 0.1], [0.0, 0.0], [0.1, 0.7]]) == [[0.7, 0.1], [0.1, 0.7]]
