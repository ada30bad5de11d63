"""The convert stage on small random nets: what it writes, and that it stops when it must."""

import json
import re

import numpy as np
import pytest

from meishi import params as parameters
from meishi import paths
from meishi.atomic import replace_folder
from meishi.coreml.parity import ParityError, max_difference, require
from meishi.coreml.runtime import Package
from meishi.data.shards import write_shards
from meishi.keras import keras
from meishi.ssd import model as ssd
from meishi.unet import model as unet
from stages import convert
from tests.tiny_data import scenes

pytestmark = pytest.mark.tf


def save_random_nets() -> None:
    keras.utils.set_random_seed(2)
    loaded = parameters.load_params("ssd", "unet")
    ssd.save_detector(ssd.build_trainer(loaded.ssd), loaded.ssd, paths.SSD)
    unet.save_segmenter(unet.build_trainer(loaded.unet), loaded.unet, paths.UNET)


@pytest.fixture
def nets(workspace):
    """A working directory with both nets, untrained, and a small prepared test split."""
    file = workspace / "params.yaml"
    file.write_text(file.read_text().replace("parity_images: 16", "parity_images: 3"))
    save_random_nets()
    with replace_folder(paths.TEST) as folder:
        write_shards(folder, scenes(groups=2))
    return workspace


def test_the_stage_writes_what_it_declares(nets):
    convert.main()
    written = {str(path.relative_to(nets)) for path in (nets / "models").glob("*/*")}
    assert written >= {
        "models/coreml/CardDetector.mlpackage",
        "models/coreml/CardDetectorRaw.mlpackage",
        "models/coreml/CardSegmenter.mlpackage",
        "models/frozen/ssd.pb",
        "models/frozen/unet.pb",
        "models/tflite/ssd.tflite",
        "models/tflite/unet.tflite",
    }
    metrics = json.loads((nets / "metrics" / "convert.json").read_text())
    assert metrics["CardDetectorRaw"]["max_difference"]["coordinates"] < 0.02
    assert metrics["CardDetector"]["max_difference"] == {"confidence": 0.0, "coordinates": 0.0}
    assert metrics["CardSegmenter"]["bytes"] < metrics["unet"]["pb_bytes"]
    assert metrics["ssd"]["macs"] > metrics["ssd"]["parameters"] > 0
    segmenter = Package.load(nets / "models" / "coreml" / "CardSegmenter.mlpackage")
    assert segmenter.metadata["crop_margin"] == str(parameters.load_params("unet").unet.margin)


def test_beyond_the_tolerance_nothing_is_replaced(nets):
    file = nets / "params.yaml"
    file.write_text(re.sub(r"tolerance: [\d.]+", "tolerance: 0.0", file.read_text()))
    (nets / "models" / "coreml").mkdir()
    (nets / "models" / "coreml" / "older").write_text("kept")
    with pytest.raises(ParityError, match=r"CardDetectorRaw: coordinates differs .* allowed 0"):
        convert.main()
    assert [path.name for path in (nets / "models" / "coreml").iterdir()] == ["older"]
    assert sorted(path.name for path in (nets / "models").iterdir()) == ["coreml", "ssd", "unet"]
    assert not (nets / "metrics").exists()


def test_the_difference_is_the_largest_of_an_output():
    a = {"x": np.array([[0.0, 1.0], [2.0, 3.0]]), "y": np.array([[1.0]])}
    b = {"x": np.array([[0.5, 1.0], [2.0, 2.25]]), "y": np.array([1.0])}
    assert max_difference(a, b) == {"x": 0.75, "y": 0.0}


def test_outputs_of_other_names_shapes_or_nan_are_no_match():
    one = np.zeros((2, 4))
    with pytest.raises(ParityError, match="differ in name"):
        max_difference({"x": one}, {"y": one})
    with pytest.raises(ParityError, match=r"x: expected shape \(2, 4\), got \(3, 4\)"):
        max_difference({"x": one}, {"x": np.zeros((3, 4))})
    with pytest.raises(ParityError, match="not every value is finite"):
        max_difference({"x": one}, {"x": one + np.nan})


def test_every_output_beyond_the_tolerance_is_named():
    with pytest.raises(ParityError) as caught:
        require({"A": {"x": 0.3, "y": 0.01}, "B": {"z": 0.5}}, 0.02)
    assert "A: x differs" in str(caught.value) and "B: z differs" in str(caught.value)
    assert "y differs" not in str(caught.value)
