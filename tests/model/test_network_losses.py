"""What the losses of both networks add up, and the masks that the segmenter learns from."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from meishi.geometry import crops
from meishi.keras import tf
from meishi.ssd import loss
from meishi.ssd.box_coder import BoxCoder
from meishi.unet.loss import segmenter_loss
from meishi.unet.training import _encode
from tests.small_models import SSD, TRAIN_SSD

pytestmark = pytest.mark.tf
ANCHORS = tf.constant([[0.3, 0.5, 0.4, 0.4], [0.7, 0.5, 0.4, 0.4], [0.5, 0.5, 0.2, 0.2]])
QUAD = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])


def box_part(offset_weight, overlap_weight):
    """Return the box part of a batch of two cards, with what its two losses are alone."""
    weights = {"offset_weight": offset_weight, "overlap_weight": overlap_weight}
    train = dataclasses.replace(TRAIN_SSD, score_target="one", **weights)
    decode = partial(
        BoxCoder(SSD.variances).decode, anchors_cxcywh=ANCHORS, exp=tf.exp, concat=tf.concat
    )
    offsets = tf.constant([[[0.6, 0.0, 0.2, 0.0], [0.0, -0.4, 0.0, 0.1], [0.0] * 4]])
    roles, gt_offsets = tf.constant([[1, 1, 0]]), tf.zeros((1, 3, 4))
    outputs, targets = (offsets, tf.zeros((1, 3, 1))), (roles, gt_offsets)
    total, scores, found = loss.detector_loss(outputs, targets, decode, train)
    assert float(total) == pytest.approx(float(scores + found))
    offset = loss.offset_loss(offsets, gt_offsets, roles, train.offset_beta)
    overlap = loss.overlap_loss(decode(offsets), decode(gt_offsets), roles)
    return float(found), float(offset), float(overlap)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 2.0), (0.5, 3.0)])
def test_the_box_part_is_the_weighted_mean_over_the_cards_of_offsets_and_overlap(weights):
    found, offset, overlap = box_part(*weights)
    assert min(offset, overlap) > 0.1
    assert found == pytest.approx((weights[0] * offset + weights[1] * overlap) / 2, rel=1e-5)


def test_the_dice_loss_of_a_batch_is_the_mean_of_those_of_its_crops():
    logits = tf.random.stateless_normal((3, 8, 8, 1), seed=(1, 2)) * [[[[1]]], [[[3]]], [[[9]]]]
    mask = tf.constant(np.stack([crops.soft_mask(QUAD * size, 8) for size in (0.5, 1, 1.2)]))
    mask = tf.cast(mask[..., None], tf.float32)
    _, _, whole = segmenter_loss(logits, mask, 0.5)
    each = [float(segmenter_loss(logits[n : n + 1], mask[n : n + 1], 0.5)[2]) for n in range(3)]
    assert max(each) - min(each) > 0.1
    assert float(whole) == pytest.approx(np.mean(each), rel=1e-5)


def test_a_crop_without_a_card_that_is_seen_as_such_has_no_dice_loss():
    logits = tf.fill((1, 8, 8, 1), -1000.0)  # of which the sigmoid is 0 itself
    _, _, dice = segmenter_loss(logits, tf.zeros_like(logits), 0.5)
    assert float(dice) == 0


def test_the_segmenter_learns_the_mask_of_the_first_quad():
    (mask,) = _encode(np.stack([QUAD, QUAD / 2]), 16)
    assert mask[8, 8, 0] == 1 and mask[1, 1, 0] == 0
    np.testing.assert_array_equal(mask[..., 0], crops.soft_mask(QUAD, 16))


def test_the_segmenter_learns_an_empty_mask_where_there_is_no_card():
    (mask,) = _encode(np.zeros((0, 4, 2)), 16)
    np.testing.assert_array_equal(mask, np.zeros((16, 16, 1)))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("quality", [None, 1.0, 0.5])
def test_scores_that_could_not_be_surer_have_a_gradient(gamma, quality):
    logits = tf.Variable(np.float32([[[120.0], [-120.0], [120.0], [-120.0], [0.0]]]))
    roles = tf.constant([[1, 1, 0, 0, 1]])
    fits = None if quality is None else tf.fill((1, 5), quality)
    with tf.GradientTape() as tape:
        total = loss.focal_loss(logits, roles, fits, 0.25, gamma)
    assert np.isfinite(tape.gradient(total, logits).numpy()).all()


def test_without_focus_every_anchor_counts_by_its_entropy():
    logits, roles = tf.constant([[[2.0], [-1.0]]]), tf.constant([[1, 0]])
    entropy = np.log1p(np.exp([-2.0, -1.0]))
    found = loss.focal_loss(logits, roles, None, 0.25, 0.0)
    assert float(found) == pytest.approx(0.25 * entropy[0] + 0.75 * entropy[1], rel=1e-5)
