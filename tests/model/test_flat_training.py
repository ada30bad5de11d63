"""Training the flat segmenter: it goes on from a saved one, and is measured on its own views."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meishi.backbone.efficientnet import freeze
from meishi.data.samples import SampleSet
from meishi.errors import InputError
from meishi.files.saved import SETTINGS, WEIGHTS, save_network
from meishi.geometry import crops, quads
from meishi.keras import keras
from meishi.pictures import images
from meishi.train_params import TrainFlatParams
from meishi.training import loop
from meishi.unet import model as unet
from meishi.unet.training import begin_at, train_once
from meishi.validation.flat import validate_flat
from tests.small_models import TRAIN, UNET

pytestmark = pytest.mark.tf
TRAIN_FLAT = TrainFlatParams(**vars(replace(TRAIN, frozen_blocks=1, batch=2)), dice_weight=1.0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("models") / "unet"
    save_network(unet.build_trainer(UNET), UNET, folder)
    return folder


def views(count=4) -> SampleSet:
    """Bright cards in the middle of dark views, each a little larger."""
    jpegs, card_quads = [], []
    for number in range(count):
        quad = quads.FRAME * (0.5 + 0.05 * number) + 0.2
        covered = crops.soft_mask(quad, UNET.input_px)[..., None]
        jpegs.append(images.encode((40 + 180 * covered.repeat(3, axis=2)).astype(np.uint8), ".jpg"))
        card_quads.append(quad[None])
    return SampleSet(jpegs, card_quads, "drawn")


def test_training_begins_with_the_saved_segmenter_and_leaves_its_first_blocks(saved, tmp_path):
    before = unet.load_segmenter(saved).get_weights()
    trainer = unet.build_trainer(UNET)
    begin_at(saved, 1)(trainer)
    for mine, saved_ones in zip(trainer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, saved_ones)
    plan = loop.make_plan(views(), TRAIN_FLAT, 1, tmp_path, UNET)
    trained, history = train_once(views(), UNET, TRAIN_FLAT, plan, begin_at(saved, 1))
    assert history[-1]["step"] == 2 and history[-1]["loss"] > 0
    frozen = unet.build_trainer(UNET)
    freeze(frozen, 1)
    kept = {layer.name for layer in frozen.layers if layer.weights and not layer.trainable}
    names = [layer.name for layer in trained.layers if layer.weights]
    moved = {
        name
        for name in names
        for mine, first in zip(
            trained.get_layer(name).get_weights(),
            trainer.get_layer(name).get_weights(),
            strict=True,
        )
        if not np.array_equal(mine, first)
    }
    assert kept and not moved & kept and "mask_logits" in moved


@pytest.mark.parametrize(
    ("name", "stage"),
    [("unet", "train_unet"), ("flat", "train_flat"), ("tuned/unet_int8", "tune@unet_int8")],
)
def test_a_damaged_segmenter_says_which_stage_makes_it(saved, tmp_path, name, stage):
    folder = tmp_path / name
    folder.parent.mkdir(exist_ok=True)
    save_network(unet.build_trainer(UNET), UNET, folder)
    (folder / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(InputError, match=rf"{name}/weights\.h5: .*run the stage {stage}"):
        begin_at(folder, 1)(unet.build_trainer(UNET))
    (folder / SETTINGS).unlink()
    with pytest.raises(InputError, match=f"run the stage {stage}"):
        unet.load_settings(folder)


def test_a_right_mask_is_all_right():
    image = keras.Input((UNET.input_px, UNET.input_px, 3))
    small = keras.layers.AveragePooling2D()(image)
    mask = keras.layers.Lambda(lambda x: (x[..., :1] - 40) / 180)(small)
    found = validate_flat(keras.Model(image, mask), views())
    assert found["mask_iou"] > 0.97
    wrong = keras.layers.Lambda(lambda x: 0 * x[..., :1])(small)
    assert validate_flat(keras.Model(image, wrong), views())["mask_iou"] == 0
