"""What the direction classifier learns from a view, which of its layers learn, and its dropout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meishi.data.samples import SampleSet
from meishi.direction import model, training
from meishi.direction.dropout import KeptDropout
from meishi.geometry import quads
from meishi.geometry.directions import NO_CARD, STARTS
from meishi.keras import keras, tf
from meishi.params import DirectionParams
from meishi.pictures import images
from meishi.train_params import TrainDirectionParams
from tests.small_models import TRAIN as SCHEDULE

pytestmark = pytest.mark.tf
SHAPE = DirectionParams(("drawn",), 32, 0.5, 1, 0.0, 0.0, 90)


@pytest.mark.parametrize("start", range(STARTS))
def test_a_classifier_learns_at_which_corner_of_the_view_the_card_begins(start):
    own_quad = np.roll(quads.FRAME, -start, axis=0)  # its first corner is that of the view
    np.testing.assert_array_equal(own_quad[0], quads.FRAME[start])
    assert training._encode(own_quad[None]) == (start,)


def test_a_classifier_learns_that_a_view_without_a_quad_shows_no_card():
    assert training._encode(np.zeros((0, 4, 2))) == (NO_CARD,)


@pytest.mark.parametrize("blocks", [0, 2])
def test_the_first_blocks_and_all_batch_norms_stay_as_they_were_published(blocks, monkeypatch):
    for name in ("load", "absorb_excitation"):
        monkeypatch.setattr(training.pp_lcnet, name, lambda *_: None)
    views = SampleSet([images.encode(np.zeros((32, 32, 3), np.uint8), ".jpg")], [], "drawn")
    schedule = vars(replace(SCHEDULE, frozen_blocks=blocks))
    train = TrainDirectionParams(**schedule, pretrained=True, runs=1, label_smoothing=0.1)
    trainer = model.build_trainer(SHAPE, seed=1)
    training._begin(trainer, train, Path(), views)
    still = {layer.name for layer in trainer.layers if layer.weights and not layer.trainable}
    norm = keras.layers.BatchNormalization
    norms = {layer.name for layer in trainer.layers if isinstance(layer, norm)}
    first = ("stem", "block0_", "block1_") if blocks else ()
    others = {layer.name for layer in trainer.layers if layer.weights} - norms
    assert norms <= still
    assert still - norms == {name for name in others if name.startswith(first)} != others


def test_nothing_is_dropped_but_in_training():
    layer, ones = KeptDropout(0.5, seed=1), tf.ones((1, 64))
    np.testing.assert_array_equal(layer(ones), ones)
    assert set(np.unique(layer(ones, training=True))) == {0.0, 2.0}
