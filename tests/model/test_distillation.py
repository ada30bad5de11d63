"""How far a compressed network is from the float one: what counts, and how much."""

import numpy as np
import pytest

from meishi.compression.distillation import detector_distance, divergence
from meishi.keras import tf

pytestmark = pytest.mark.tf
# Anchors of which the teacher is sure by 0.8, by next to nothing, and by 0.6.
SCORES = np.array([0.8, 1e-9, 0.6])
LOGITS = tf.constant(np.log(SCORES / (1 - SCORES))[None, :, None], tf.float32)
OFFSETS = tf.zeros((1, 3, 4))


def moved(anchor, by):
    offsets = np.zeros((1, 3, 4), np.float32)
    offsets[0, anchor, 1] = by
    return detector_distance([tf.constant(offsets), LOGITS], [OFFSETS, LOGITS])


@pytest.mark.parametrize(("by", "huber"), [(0.4, 0.08), (-3.0, 2.5)])
@pytest.mark.parametrize("anchor", range(3))
def test_boxes_count_as_the_teacher_is_sure_of_them(anchor, by, huber):
    found = moved(anchor, by)
    expected = SCORES[anchor] * huber / SCORES.sum()
    assert float(found["boxes"]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert float(found["distance"]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_divergence_is_that_of_two_bernoulli_variables():
    student, teacher = 0.3, 0.8
    logits = [tf.constant(np.log(p / (1 - p)), tf.float32) for p in (student, teacher)]
    expected = teacher * np.log(teacher / student)
    expected += (1 - teacher) * np.log((1 - teacher) / (1 - student))
    assert float(divergence(*logits)) == pytest.approx(expected, rel=1e-5)
