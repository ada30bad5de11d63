"""Networks in folders: written whole, read back, and what is said of damaged ones."""

import json
from dataclasses import asdict

import pytest

from meishi.errors import InputError
from meishi.files.saved import SETTINGS, WEIGHTS, load_weights, read_settings, save_network
from meishi.params import SsdParams

SHAPE = SsdParams(64, (4, 2), ((0.25,), (0.5, 0.8)), (0.7, 1.4), (0.1, 0.2), 48, 16)


class Network:
    """What Keras does with a file of weights, without Keras."""

    def __init__(self, weights=b"weights"):
        self.weights = weights

    def save_weights(self, file):
        file.write_bytes(self.weights)

    def load_weights(self, file):
        self.weights = file.read_bytes()
        if self.weights == b"damaged":
            raise ValueError("bad magic")


class Interrupted(Network):
    def save_weights(self, file):
        super().save_weights(file)
        raise KeyboardInterrupt


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models" / "ssd"
    save_network(Network(), SHAPE, folder)
    return folder


def test_a_network_is_read_as_it_was_written(folder):
    network = Network(b"")
    load_weights(network, folder)
    assert network.weights == b"weights"
    assert read_settings(SsdParams, folder) == SHAPE
    assert sorted(file.name for file in folder.iterdir()) == [SETTINGS, WEIGHTS]


def test_what_an_interrupted_write_leaves_is_the_network_of_before(folder):
    with pytest.raises(KeyboardInterrupt):
        save_network(Interrupted(b"other"), SHAPE, folder)
    assert (folder / WEIGHTS).read_bytes() == b"weights"
    assert [path.name for path in folder.parent.iterdir()] == ["ssd"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected keys and values"),
        ({"input_px": "64"}, "input_px: expected int, got"),
        ({"levels": 4}, "levels: expected a list"),
        ({"inputs": 1}, "unknown key 'inputs' .did you mean 'input_px'"),
        ({"scales": None}, "scales: expected a list"),
    ],
)
def test_settings_that_are_none_are_named_with_the_stage(folder, text, said):
    if isinstance(text, dict):
        text = json.dumps(asdict(SHAPE) | text)
    (folder / SETTINGS).write_text(text)
    with pytest.raises(InputError, match=f"{SETTINGS}: .*{said}.*; run the stage train_ssd$"):
        read_settings(SsdParams, folder)


def test_a_key_that_an_older_version_did_not_write_is_named(folder):
    settings = asdict(SHAPE)
    del settings["head_channels"]
    (folder / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(InputError, match="missing key 'head_channels'; run the stage train_ssd"):
        read_settings(SsdParams, folder)


@pytest.mark.parametrize(
    ("name", "stage"), [("models/flat", "train_flat"), ("tuned/ssd_int8", "tune@ssd_int8")]
)
def test_what_is_missing_or_damaged_is_named_with_the_stage(tmp_path, name, stage):
    folder = tmp_path / name
    with pytest.raises(InputError, match=f"{SETTINGS}: .*No such file.*run the stage {stage}$"):
        read_settings(SsdParams, folder)
    with pytest.raises(InputError, match=f"{WEIGHTS}: .*No such file.*run the stage {stage}$"):
        load_weights(Network(), folder)
    save_network(Network(b"damaged"), SHAPE, folder)
    with pytest.raises(InputError, match=f"{WEIGHTS}: bad magic; run the stage {stage}$"):
        load_weights(Network(), folder)
