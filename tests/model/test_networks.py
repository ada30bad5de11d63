"""Both networks: shapes, conventions, learning, saving, loading."""

import dataclasses
import shutil
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi import ranges
from meishi.backbone import efficientnet as backbone
from meishi.direction import pp_lcnet
from meishi.errors import InputError
from meishi.files.saved import SETTINGS, WEIGHTS, save_network
from meishi.geometry import boxes, crops
from meishi.keras import keras, tf
from meishi.ssd import loss, model
from meishi.ssd.box_coder import BoxCoder
from meishi.ssd.matcher import Matcher
from meishi.ssd.targets import TargetEncoder
from meishi.unet import model as unet_model
from meishi.unet.loss import segmenter_loss
from tests.small_models import SSD, TRAIN_SSD, UNET, backbone_arrays

GT = np.array([[0.2, 0.3, 0.7, 0.65]])


@pytest.fixture(scope="module")
def trainer():
    keras.utils.set_random_seed(3)
    return model.build_trainer(SSD)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)


def test_the_heads_have_a_row_for_each_anchor(trainer, images):
    offsets, logits = trainer(images)
    rows = len(model.detector_anchors(SSD))
    assert rows == 4 * 4 * 2 + 2 * 2 * 4
    assert offsets.shape == (2, rows, 4)
    assert logits.shape == (2, rows, 1)


def test_head_rows_follow_the_anchors_order():
    """Let each head answer with its own position, and compare with the anchors."""
    trainer = model.build_trainer(SSD)
    number = 0
    for level, (cells, scales) in enumerate(zip(SSD.levels, SSD.scales, strict=True)):
        layer = trainer.get_layer(f"logits{level}_rows")
        probe = keras.Model(trainer.get_layer(f"logits{level}").output, layer.output)
        count = len(scales) * len(SSD.aspects)
        grid = np.arange(cells * cells * count, dtype=np.float32).reshape(1, cells, cells, count)
        rows = probe(grid).numpy()[0, :, 0]
        anchors = model.detector_anchors(SSD)[number : number + len(rows)]
        # Channel 0 of cell (row, column) must meet the anchor centred on that cell.
        for row, column in ((0, 0), (0, cells - 1), (cells - 1, 0)):
            index = int(np.flatnonzero(rows == grid[0, row, column, 0])[0])
            centre = [(column + 0.5) / cells, (row + 0.5) / cells]
            np.testing.assert_allclose(anchors[index, :2], centre)
        number += len(rows)


def test_levels_that_do_not_fit_the_input_are_refused():
    with pytest.raises(ValueError, match=r"ssd.levels: a 64 px input has \[4, 2\]"):
        model.build_trainer(dataclasses.replace(SSD, levels=(5, 2)))


def test_an_untrained_detector_is_nearly_silent(trainer, images):
    _, confidence = model.build_detector(SSD, trainer)(images)
    assert confidence.numpy().max() < 0.2


def test_the_graph_decodes_as_the_box_coder_does(trainer, images):
    offsets, logits = trainer(images)
    coordinates, confidence = model.build_detector(SSD, trainer)(images)
    expected = BoxCoder(SSD.variances).decode(offsets.numpy(), model.detector_anchors(SSD))
    np.testing.assert_allclose(coordinates.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(confidence.numpy(), tf.sigmoid(logits).numpy(), atol=1e-6)


def test_the_detector_learns_one_picture():
    keras.utils.set_random_seed(4)
    trainer = model.build_trainer(SSD)
    image = np.full((1, 64, 64, 3), 60, np.float32)
    image[0, 19:42, 13:45] = 240
    encoder = TargetEncoder(model.detector_anchors(SSD), Matcher(0.5, 0.4), BoxCoder(SSD.variances))
    match, gt_offsets = (array[None] for array in encoder(GT))
    anchors = tf.constant(model.detector_anchors(SSD), tf.float32)
    decode = partial(encoder.box_coder.decode, anchors_cxcywh=anchors, exp=tf.exp, concat=tf.concat)
    optimizer = keras.optimizers.Adam(0.003)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = trainer(image, training=True)
            total = loss.detector_loss(outputs, (match, gt_offsets), decode, TRAIN_SSD)[0]
        gradients = tape.gradient(total, trainer.trainable_variables)
        optimizer.apply_gradients(zip(gradients, trainer.trainable_variables, strict=True))
        return total

    first = float(step())
    for _ in range(59):
        last = float(step())
    assert last < 0.2 * first


def largest_gradients(trainer, images, training):
    """Return by weight the largest gradient of any of its values; 0 where none arrives."""
    with tf.GradientTape() as tape:
        offsets, logits = trainer(images, training=training)
        total = tf.reduce_sum(offsets**2) + tf.reduce_sum(logits**2)
    weights = trainer.trainable_variables
    none = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(total, weights, unconnected_gradients=none)
    return {w.name: np.abs(g).max() for w, g in zip(weights, gradients, strict=True)}


def test_gradient_reaches_every_weight(trainer, images):
    found = largest_gradients(trainer, images, training=True)
    # All that reads a block's end is 1x1 convolutions, and their batch norm takes each channel's
    # mean out again, with it whatever the block's last beta adds: what is left is rounding.
    without_effect = {f"block{n}_project_bn/beta:0" for n in range(len(backbone.BLOCKS))}
    assert without_effect <= found.keys()
    assert {name for name, largest in found.items() if largest < 0.1} == without_effect
    # On stored statistics, as a network with frozen layers learns, these count as well.
    stored = largest_gradients(trainer, images, training=False)
    assert [name for name, largest in stored.items() if largest == 0] == []


def test_a_saved_detector_loads_equal(trainer, images, tmp_path):
    save_network(trainer, SSD, tmp_path / "ssd")
    loaded = model.load_detector(tmp_path / "ssd")
    for a, b in zip(model.build_detector(SSD, trainer)(images), loaded(images), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert model.load_settings(tmp_path / "ssd") == SSD


def test_saving_twice_gives_the_same_bytes(trainer, tmp_path):
    for name in ("a", "b"):
        save_network(trainer, SSD, tmp_path / name)
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


def test_the_params_know_how_many_blocks_there_are():
    assert ranges.BACKBONE_BLOCKS == len(backbone.BLOCKS)
    assert ranges.DIRECTION_BLOCKS == len(pp_lcnet.BLOCKS)


@pytest.mark.parametrize("blocks", [1, ranges.BACKBONE_BLOCKS])
def test_a_segmenter_is_built_of_the_fewest_and_the_most_blocks(blocks):
    trainer = unet_model.build_trainer(dataclasses.replace(UNET, blocks=blocks))
    assert trainer.output_shape == (None, UNET.input_px // 2, UNET.input_px // 2, 1)


def test_imagenet_weights_load_by_name_and_frozen_blocks_stay(tmp_path):
    trainer = model.build_trainer(SSD)
    shapes = {key: value.shape for key, value in backbone_arrays(trainer).items()}
    arrays = {key: np.full(shape, 0.25, np.float16) for key, shape in shapes.items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    backbone.load_imagenet(trainer, tmp_path / "weights.npz")
    assert (trainer.get_layer("block9_expand").get_weights()[0] == 0.25).all()
    backbone.freeze(trainer, 3)
    frozen = {layer.name.split("_")[0] for layer in trainer.layers if not layer.trainable}
    assert frozen == {"stem", "block0", "block1", "block2"}


def test_an_incomplete_weights_file_is_refused_by_layer(tmp_path):
    np.savez(tmp_path / "weights.npz", **{"stem_bn/gamma": np.ones(32)})
    with pytest.raises(InputError, match="weights.npz: not the backbone's weights: .*stem/kernel"):
        backbone.load_imagenet(model.build_trainer(SSD), tmp_path / "weights.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive", b"PK\x03\x04" + bytes(60)])
def test_a_damaged_weights_file_is_named(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(InputError, match="weights.npz: not the backbone's weights"):
        backbone.load_imagenet(model.build_trainer(SSD), tmp_path / "weights.npz")


def giou(one, other):
    """Generalised IoU of two boxes, xyxy, as the paper defines it."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    union = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    hull = np.prod(np.maximum(one[2:], other[2:]) - np.minimum(one[:2], other[:2]))
    return shared / union - (hull - union) / hull


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_the_overlap_loss_is_one_less_giou_of_matched_boxes(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 0.8, (2, 3, 2))
    pair = np.concatenate([low, low + rng.uniform(0.05, 0.5, (2, 3, 2))], axis=-1)
    cxcywh = np.concatenate([(pair[..., :2] + pair[..., 2:]) / 2, pair[..., 2:] - low], axis=-1)
    found = loss.overlap_loss(*tf.constant(cxcywh[:, None], tf.float32), tf.constant([[1, 0, 1]]))
    expected = sum(1 - giou(pair[0, row], pair[1, row]) for row in (0, 2))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_offset_loss_turns_from_a_square_to_a_line_at_beta():
    offsets = tf.constant([[[0.05, 0.0, 0.0, 0.0], [0.0, -0.5, 0.0, 0.0]]])
    found = [
        loss.offset_loss(offsets, tf.zeros_like(offsets), tf.constant([match]), 0.1).numpy()
        for match in ([1, 0], [0, 1], [-1, 0])
    ]
    np.testing.assert_allclose(found, [0.5 * 0.05**2 / 0.1, 0.5 - 0.05, 0.0], rtol=1e-6)


def test_ignored_anchors_do_not_change_the_loss():
    logits = tf.constant([[[0.3], [-1.0], [2.0]]])
    some = loss.focal_loss(logits, tf.constant([[1, 0, -1]]), None, 0.25, 2.0)
    other = loss.focal_loss(logits[:, :2], tf.constant([[1, 0]]), None, 0.25, 2.0)
    assert float(some) == pytest.approx(float(other))


def test_focal_loss_without_focus_is_weighted_cross_entropy():
    value = loss.focal_loss(tf.constant([[[0.7], [-0.2]]]), tf.constant([[1, 0]]), None, 0.25, 0.0)
    card, ground = -np.log(1 / (1 + np.exp(-0.7))), -np.log(1 - 1 / (1 + np.exp(0.2)))
    assert float(value) == pytest.approx(0.25 * card + 0.75 * ground, rel=1e-5)


def test_a_score_that_is_to_say_how_well_the_box_fits_costs_least_there():
    match, quality = tf.constant([[1]]), tf.constant([[0.8]])
    logits = [tf.constant([[[np.log(s / (1 - s))]]], tf.float32) for s in (0.6, 0.8, 0.95)]
    costs = [float(loss.focal_loss(each, match, quality, 0.25, 2.0)) for each in logits]
    assert costs[1] == pytest.approx(0, abs=1e-9) and min(costs[0], costs[2]) > 1e-4


def test_the_fit_of_a_box_teaches_the_score_and_not_the_box():
    """A box that fits worse would make a low score right: that must not be a way out."""
    train = dataclasses.replace(
        TRAIN_SSD, score_target="iou", offset_weight=0.0, overlap_weight=0.0
    )
    anchors = tf.constant([[0.5, 0.5, 0.4, 0.4]])
    decode = partial(
        BoxCoder(SSD.variances).decode, anchors_cxcywh=anchors, exp=tf.exp, concat=tf.concat
    )
    offsets, logits = tf.Variable([[[0.6, 0.0, 0.0, 0.0]]]), tf.Variable([[[0.3]]])
    with tf.GradientTape() as tape:
        targets = tf.constant([[1]]), tf.zeros((1, 1, 4))
        total = loss.detector_loss((offsets, logits), targets, decode, train)[0]
    of_box, of_score = tape.gradient(total, [offsets, logits])
    assert of_box is None or not np.any(of_box)
    # Moved by .6 of the variance .1, times .4: IoU .376 / .424 = .887; a score of .574 is to rise.
    assert of_score.numpy() < 0
    fit = loss.box_iou(decode(offsets), decode(tf.zeros((1, 1, 4))))
    assert float(fit[0, 0]) == pytest.approx(0.376 / 0.424, rel=1e-5)


def test_the_mask_has_half_the_inputs_side(images):
    segmenter = unet_model.build_segmenter(unet_model.build_trainer(UNET))
    mask = segmenter(images).numpy()
    assert mask.shape == (2, 32, 32, 1)
    assert 0 <= mask.min() <= mask.max() <= 1


def test_an_input_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        unet_model.build_trainer(dataclasses.replace(UNET, input_px=60))


def test_a_perfect_mask_costs_next_to_nothing():
    quad = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    mask = crops.soft_mask(quad, 32)[None, ..., None]  # edges between pixels: no soft ones
    total, _, dice = segmenter_loss(tf.constant((mask - 0.5) * 40), tf.constant(mask), 0.5)
    assert float(total) < 0.02
    assert float(dice) < 0.01


def test_an_empty_crop_has_a_finite_loss():
    total, _, _ = segmenter_loss(tf.zeros((1, 8, 8, 1)), tf.zeros((1, 8, 8, 1)), 0.5)
    assert np.isfinite(float(total))


def test_a_saved_segmenter_loads_equal(images, tmp_path):
    trainer = unet_model.build_trainer(UNET)
    save_network(trainer, UNET, tmp_path / "unet")
    loaded = unet_model.load_segmenter(tmp_path / "unet")
    expected = unet_model.build_segmenter(trainer)(images).numpy()
    np.testing.assert_array_equal(loaded(images).numpy(), expected)


@pytest.mark.parametrize("network", ["ssd", "unet"])
@pytest.mark.parametrize("damage", ["missing", "settings", "weights"])
def test_a_damaged_model_folder_is_named(trainer, tmp_path, network, damage):
    if network == "ssd":
        save_network(trainer, SSD, tmp_path / network)
    else:
        save_network(unet_model.build_trainer(UNET), UNET, tmp_path / network)
    if damage == "missing":
        shutil.rmtree(tmp_path / network)
    else:
        name = SETTINGS if damage == "settings" else WEIGHTS
        (tmp_path / network / name).write_bytes(b"{")
    load = model.load_detector if network == "ssd" else unet_model.load_segmenter
    with pytest.raises(InputError, match=f"run the stage train_{network}"):
        load(tmp_path / network)


def test_the_segmenter_starts_from_the_same_weights_as_the_detector(tmp_path):
    arrays = backbone_arrays(model.build_trainer(SSD))
    np.savez(tmp_path / "weights.npz", **arrays)
    segmenter = unet_model.build_trainer(UNET)
    backbone.load_imagenet(segmenter, tmp_path / "weights.npz")
    for layer in segmenter.layers:
        if layer.name.startswith(("stem", "block")) and layer.weights:
            first = backbone.BN_WEIGHTS[0] if layer.name.endswith("_bn") else "kernel"
            np.testing.assert_array_equal(layer.get_weights()[0], arrays[f"{layer.name}/{first}"])


def test_the_box_of_the_targets_is_the_box_of_the_quad():
    quad = np.array([[0.2, 0.3], [0.7, 0.35], [0.68, 0.65], [0.22, 0.6]])
    np.testing.assert_allclose(boxes.from_quads(quad[None]), GT, atol=1e-9)
