"""Average precision and counts against cases worked out by hand and a slow reference."""

import numpy as np
import pytest

from meishi.evaluation.detection import (
    Detections,
    average_precision,
    detection_metrics,
    precision_recall_curve,
    sliced_precision,
)
from meishi.geometry import boxes

A = [0.1, 0.1, 0.3, 0.3]
B = [0.5, 0.5, 0.9, 0.9]
FAR = [0.6, 0.0, 0.7, 0.1]
NOTHING = np.empty((0, 4))


def found(*pairs):
    return Detections(
        np.array([box for box, _ in pairs]).reshape(-1, 4), np.array([score for _, score in pairs])
    )


def random_images(seed, count=8):
    """Ground truth, and detections that are shaken copies of it or lie anywhere."""
    rng = np.random.default_rng(seed)
    detections, gt_boxes = [], []
    for _ in range(count):
        corner = rng.uniform(0, 0.6, (rng.integers(0, 4), 2))
        gt = np.hstack([corner, corner + rng.uniform(0.1, 0.4, corner.shape)])
        shaken = np.repeat(gt, 2, axis=0) + rng.normal(0, 0.03, (2 * len(gt), 4))
        corner = rng.uniform(0, 0.6, (2, 2))
        guesses = np.vstack([shaken, np.hstack([corner, corner + 0.3])])
        detections.append(Detections(guesses, rng.uniform(0, 1, len(guesses))))
        gt_boxes.append(gt)
    return detections, gt_boxes


def slow_average_precision(detections, gt_boxes, iou_threshold):
    """COCO's definition, one detection and one recall at a time."""
    ranked = sorted(
        (
            (score, image, box)
            for image, d in enumerate(detections)
            for box, score in zip(d.boxes_xyxy, d.scores, strict=True)
        ),
        key=lambda item: -item[0],
    )
    taken, points, right = set(), [], 0
    total = sum(len(gt) for gt in gt_boxes)
    for rank, (_, image, box) in enumerate(ranked, start=1):
        free = [j for j in range(len(gt_boxes[image])) if (image, j) not in taken]
        overlaps = {j: boxes.iou_matrix(box, gt_boxes[image][j])[0, 0] for j in free}
        best = max(overlaps, key=overlaps.get, default=None)
        if best is not None and overlaps[best] >= iou_threshold:
            taken.add((image, best))
            right += 1
        points.append((right / total, right / rank))
    levels = [level / 100 for level in range(101)]
    best = [max((p for r, p in points if r >= level - 1e-12), default=0.0) for level in levels]
    return sum(best) / 101


def test_perfect_detections_have_average_precision_one():
    detections = [found((A, 0.9), (B, 0.8)), found()]
    assert average_precision(detections, [np.array([A, B]), NOTHING], 0.5) == 1


def test_average_precision_when_a_false_detection_ranks_first():
    # Ranked: wrong, right. The precision at every recall is 1/2.
    detections = [found((FAR, 0.9), (A, 0.8))]
    assert average_precision(detections, [np.array([A])], 0.5) == pytest.approx(0.5)


def test_average_precision_when_half_the_boxes_are_missed():
    # Recall 0 to 0.50 are reached with precision 1: 51 of 101 levels.
    assert average_precision([found((A, 0.9))], [np.array([A, B])], 0.5) == pytest.approx(51 / 101)


def test_a_second_detection_of_a_box_is_false():
    curve = precision_recall_curve([found((A, 0.9), (A, 0.8))], [np.array([A])], 0.5)
    np.testing.assert_allclose(curve.precision, [1, 0.5])
    np.testing.assert_allclose(curve.recall, [1, 1])
    np.testing.assert_allclose(curve.scores, [0.9, 0.8])


def test_a_detection_in_another_image_is_false():
    assert average_precision([found(), found((A, 0.9))], [np.array([A]), NOTHING], 0.5) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("iou_threshold", [0.5, 0.75])
def test_average_precision_agrees_with_slow_reference(seed, iou_threshold):
    detections, gt_boxes = random_images(seed)
    assert average_precision(detections, gt_boxes, iou_threshold) == pytest.approx(
        slow_average_precision(detections, gt_boxes, iou_threshold)
    )


def test_average_precision_of_nothing_detected_is_zero():
    assert average_precision([found()], [np.array([A])], 0.5) == 0


def test_average_precision_without_ground_truth_is_an_error():
    with pytest.raises(ValueError, match="undefined"):
        average_precision([found((A, 0.9))], [NOTHING], 0.5)


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="1 images and ground truth of 2"):
        average_precision([found()], [np.array([A]), NOTHING], 0.5)


def test_metrics_of_a_small_set():
    detections = [
        found((A, 0.9), (B, 0.3)),  # B is found, but under the threshold
        found((FAR, 0.7)),  # nothing there
        found((FAR, 0.2)),  # nothing there, and under the threshold
    ]
    metrics = detection_metrics(detections, [np.array([A, B]), NOTHING, NOTHING], 0.5)
    assert metrics["recall"] == 0.5
    assert metrics["exact_count"] == pytest.approx(1 / 3)
    assert metrics["false_positive_empty"] == 0.5
    # Ranked: right, wrong, right, wrong. Precision 1 to recall 0.5, then 2/3.
    assert metrics["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert metrics["ap50_95"] == pytest.approx(metrics["ap50"])


def test_ap75_asks_for_more_overlap_than_ap50():
    loose = [0.1, 0.1, 0.3, 0.22]  # IoU 0.6 with A
    metrics = detection_metrics([found((loose, 0.9))], [np.array([A])], 0.5)
    assert (metrics["ap50"], metrics["ap75"]) == (1, 0)
    # Right at 0.50 and 0.55; at 0.60 rounding decides.
    assert metrics["ap50_95"] in (pytest.approx(0.2), pytest.approx(0.3))


def test_false_positives_are_zero_when_every_image_has_a_card():
    metrics = detection_metrics([found((A, 0.9))], [np.array([A])], 0.5)
    assert metrics["false_positive_empty"] == 0


def test_in_a_slice_boxes_of_others_count_for_nothing_and_false_ones_as_ever():
    detections = [
        found((B, 0.9), (FAR, 0.8), (A, 0.7)),  # another slice's, none's, the slice's
        found((FAR, 0.95)),  # in an image without a box of the slice
    ]
    gt_boxes = [np.array([A, B]), np.array([B])]
    small = [np.array([True, False]), np.array([False])]
    figures = sliced_precision(detections, gt_boxes, {"small": small})["small"]
    # Ranked: wrong, right.
    assert figures == {"ap50": pytest.approx(0.5), "ap50_95": pytest.approx(0.5)}


def test_a_second_detection_of_another_slices_box_is_false_in_every_slice():
    gt_boxes = [np.array([A, B])]
    detections = [found((B, 0.9), (B, 0.8), (A, 0.7))]
    masks = {"a": [np.array([True, False])], "b": [np.array([False, True])]}
    figures = sliced_precision(detections, gt_boxes, masks)
    assert (figures["a"]["ap50"], figures["b"]["ap50"]) == (pytest.approx(0.5), 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_slice_of_all_boxes_is_measured_as_the_images_that_have_any(seed):
    detections, gt_boxes = random_images(seed)
    shown = [index for index, gt in enumerate(gt_boxes) if len(gt)]
    whole = detection_metrics([detections[i] for i in shown], [gt_boxes[i] for i in shown], 0.5)
    masks = [np.ones(len(gt), bool) for gt in gt_boxes]
    figures = sliced_precision(detections, gt_boxes, {"all": masks})["all"]
    assert figures == {key: pytest.approx(whole[key]) for key in ("ap50", "ap50_95")}


def test_a_slice_without_a_box_is_an_error():
    with pytest.raises(ValueError, match="slice has no ground-truth box"):
        sliced_precision([found((A, 0.9))], [np.array([A])], {"none": [np.array([False])]})
