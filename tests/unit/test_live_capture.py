"""The quick way for a video: how many boxes it segments, and how it scales a frame."""

from dataclasses import replace

import numpy as np
import pytest

from meishi.capture.flow import CardCapture
from meishi.geometry import crops
from tests.unit.test_capture import FIVE, PARAMS, capture, photo


def segmented(candidates, params):
    """Count the boxes that a preview segments of those that the detector gives."""
    whole, seen = capture(candidates, params=params), []
    live = replace(whole, segmenter=lambda crop: seen.append(crop) or whole.segmenter(crop)).live()
    live(photo(*FIVE))
    return len(seen)


@pytest.mark.parametrize("most", [2, 4])
def test_a_preview_segments_no_more_boxes_than_there_may_be_cards(most):
    boxes = [(0.9 - 0.1 * place, box) for place, box in enumerate(FIVE)]
    assert segmented(boxes, replace(PARAMS, max_cards=most)) == most


@pytest.mark.parametrize(
    ("shift_px", "iou_threshold", "count"),
    [
        (24, 0.9, 1),  # an IoU of .49, in a photo both boxes would be segmented
        (28, 0.9, 2),  # .43
        (28, 0.4, 1),
        (32, 0.4, 2),  # .37
    ],
)
def test_a_preview_suppresses_at_45_hundredths_or_as_the_photo_if_that_is_less(
    shift_px, iou_threshold, count
):
    left, top, right, bottom = FIVE[0]
    boxes = [(0.9, FIVE[0]), (0.8, (left + shift_px, top, right + shift_px, bottom))]
    assert segmented(boxes, replace(PARAMS, iou_threshold=iou_threshold)) == count


@pytest.mark.parametrize("size_px", [(48, 36), (63, 200), (640, 50)])
def test_a_frame_that_is_smaller_than_the_detectors_input_is_scaled_as_in_training(size_px):
    seen = []

    def detector(frame):
        seen.append(frame)
        return {"coordinates": np.zeros((0, 4)), "confidence": np.zeros((0, 1))}

    picture = np.random.default_rng(4).integers(0, 256, (*size_px[::-1], 3), dtype=np.uint8)
    CardCapture(detector, lambda _: {}, 64, 96, 0.2, PARAMS).live().detect(picture)
    trained = crops.warp(picture, crops.stretch(size_px, 64), (64, 64))
    np.testing.assert_array_equal(seen[0], trained)
