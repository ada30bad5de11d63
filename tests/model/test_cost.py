"""Costs counted from graphs, against values worked out by hand."""

import pytest

from meishi.coreml.freeze import freeze, graph_def
from meishi.keras import keras
from meishi.profiling.cost import bytes_on_disk, count_macs, count_parameters

pytestmark = pytest.mark.tf
layers = keras.layers


def model_of(block):
    image = keras.Input((8, 8, 3), name="image")
    return keras.Model(image, block(image))


CASES = {
    # out 4x4x5, each 3x3x3
    "convolution": (lambda x: layers.Conv2D(5, 3, strides=2, padding="same")(x), 4 * 4 * 5 * 27),
    # out 6x6x6 (two a channel), each 3x3
    "depthwise": (lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x), 6 * 6 * 6 * 9),
    # every one of 8x8x3 inputs meets 2x2x4
    "transposed": (lambda x: layers.Conv2DTranspose(4, 2, strides=2)(x), 8 * 8 * 3 * 2 * 2 * 4),
    "dense": (lambda x: layers.Dense(7)(layers.Flatten()(x)), 192 * 7),
    "no product": (lambda x: layers.ReLU()(layers.UpSampling2D(2)(x + 1.0)), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_macs_match_a_count_by_hand(name):
    block, expected = CASES[name]
    assert count_macs(graph_def(freeze(model_of(block), ["y"]))) == expected


def test_macs_of_a_net_are_the_sum_of_its_layers():
    model = model_of(lambda x: layers.Conv2D(2, 1)(layers.Conv2D(4, 1)(x)))
    assert count_macs(graph_def(freeze(model, ["y"]))) == 64 * (3 * 4 + 4 * 2)


def test_parameters_include_batch_norms_statistics():
    model = model_of(lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3)(x)))
    assert count_parameters(model) == 3 * 3 * 3 * 4 + 4 + 4 * 4


def test_bytes_of_a_folder_are_the_sum_of_its_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "y").write_bytes(b"678")
    assert bytes_on_disk(tmp_path / "a") == 8
    assert bytes_on_disk(tmp_path / "a" / "x") == 5


def test_bytes_of_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        bytes_on_disk(tmp_path / "missing")
