"""Files of weights, parted by network."""

import numpy as np
import pytest

from meishi.data import weights
from meishi.errors import InputError

ARRAYS = {
    "stem/kernel": np.arange(3, dtype=np.float16),
    "ssd/head0/kernel": np.ones((2, 2), np.float16),
    "ssd/stem/kernel": np.zeros(3, np.float16),
    "unet/up0/kernel": np.full(4, 2, np.float16),
}


@pytest.fixture
def file(tmp_path):
    np.savez_compressed(tmp_path / "networks.npz", **ARRAYS)
    return tmp_path / "networks.npz"


def parted(content, tmp_path):
    (tmp_path / "part.npz").write_bytes(content)
    with np.load(tmp_path / "part.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.mark.parametrize(("network", "missing"), [("ssd", "unet/"), ("unet", "ssd/")])
def test_a_part_holds_the_backbone_and_its_own_network(file, tmp_path, network, missing):
    found = parted(weights.of_network(file, network), tmp_path)
    assert found.keys() == {key for key in ARRAYS if not key.startswith(missing)}
    for key, array in found.items():
        np.testing.assert_array_equal(array, ARRAYS[key])
        assert array.dtype == ARRAYS[key].dtype


def test_a_part_changes_with_its_own_arrays_alone(file):
    before = {name: weights.of_network(file, name) for name in ("ssd", "unet")}
    np.savez_compressed(file, **ARRAYS | {"ssd/head0/kernel": np.zeros((2, 2), np.float16)})
    assert weights.of_network(file, "unet") == before["unet"]
    assert weights.of_network(file, "ssd") != before["ssd"]


def test_weights_of_no_network_are_for_both(tmp_path):
    np.savez_compressed(tmp_path / "imagenet.npz", **{"stem/kernel": np.ones(2)})
    parts = {weights.of_network(tmp_path / "imagenet.npz", name) for name in ("ssd", "unet")}
    assert len(parts) == 1


@pytest.mark.parametrize("content", [None, b"", b"weights", b"PK\x03\x04 cut short"])
def test_what_holds_no_weights_is_refused(tmp_path, content):
    file = tmp_path / "w.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="w.npz: not a file of weights: "):
        weights.of_network(file, "ssd")


def test_damage_inside_is_refused(file):
    content = bytearray(file.read_bytes())
    content[60:80] = b"\0" * 20
    file.write_bytes(content)
    with pytest.raises(InputError, match="networks.npz: not a file of weights: "):
        weights.of_network(file, "ssd")
