"""The stages freeze and convert on small random nets: what they write, and that they stop."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from meishi import params as parameters
from meishi import paths, variants
from meishi.coreml.parity import ParityError, max_difference, program_differences, require
from meishi.coreml.runtime import Package
from meishi.data import records
from meishi.data.shards import write_shards
from meishi.direction import model as direction
from meishi.errors import InputError
from meishi.files.atomic import replace_folder
from meishi.files.saved import save_network
from meishi.keras import keras, tf
from meishi.measuring.variant_capture import LossError
from meishi.ssd import model as ssd
from meishi.steps import freeze
from meishi.unet import model as unet
from stages import convert
from tests.conftest import ROOT
from tests.tiny_data import scenes

pytestmark = pytest.mark.tf


def save_random_nets() -> None:
    keras.utils.set_random_seed(2)
    loaded = parameters.load_params("ssd", "unet", "flat", "direction")
    save_network(ssd.build_trainer(loaded.ssd), loaded.ssd, paths.SSD)
    save_network(unet.build_trainer(loaded.unet), loaded.unet, paths.UNET)
    shape = replace(loaded.unet, margin=loaded.flat.margin)
    save_network(unet.build_trainer(shape), shape, paths.FLAT)
    classifier = direction.build_trainer(loaded.direction)
    save_network(classifier, loaded.direction, paths.DIRECTION)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A working directory with the nets, untrained, a small prepared test split, and baselines."""
    folder = tmp_path_factory.mktemp("frozen")
    content = (ROOT / "params.yaml").read_text()
    content = content.replace("parity_images: 16", "parity_images: 3").replace(
        "scenes: 90", "scenes: 2"
    )
    (folder / "params.yaml").write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_random_nets()
        with replace_folder(paths.TEST) as test:
            write_shards(test, scenes(groups=2))
        with replace_folder(paths.RAW) as raw:
            write_shards(raw, scenes(groups=2), to_line=records.to_source_line)
        freeze.run()
    return folder


@pytest.fixture
def nets(frozen, tmp_path, monkeypatch):
    shutil.copytree(frozen, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(workspace, name) -> dict:
    return json.loads((workspace / "metrics" / f"{name}.json").read_text())


def test_the_baselines_are_written_with_what_they_cost_and_reach(nets):
    written = {str(path.relative_to(nets)) for path in (nets / "models").glob("*/*")}
    assert written >= {
        *("models/frozen/ssd.pb", "models/frozen/unet.pb", "models/frozen/direction.pb"),
        *("models/frozen/flat.pb", "models/tflite/flat.tflite", "models/tflite/flat.json"),
        "models/tflite/direction.tflite",
        *("models/tflite/ssd.tflite", "models/tflite/unet.tflite", "models/tflite/capture.json"),
    }
    found = metrics(nets, "freeze")
    assert found["ssd"]["macs"] > found["ssd"]["parameters"] > 0
    assert found["unet"]["pb_bytes"] > 4 * found["unet"]["parameters"]
    assert {"detection", "segmentation", "capture"} <= set(metrics(nets, "float32"))


def test_a_detectors_variant_is_a_raw_head_and_a_pipeline(nets):
    convert.main("ssd_fp16")
    folder = nets / variants.FOLDER / "ssd_fp16"
    assert {path.name for path in folder.iterdir()} == {
        *("CardDetector.mlpackage", "CardDetectorRaw.mlpackage")
    }
    found = metrics(nets, "convert/ssd_fp16")
    assert found["CardDetectorRaw"]["max_difference"]["coordinates"] < 0.02
    assert found["CardDetector"]["max_difference"] == {"confidence": 0.0, "coordinates": 0.0}
    assert 1.5 < found["CardDetector"]["compression"] < 2.5
    about = Package.load(folder / "CardDetector.mlpackage").metadata
    assert about["com.apple.coreml.model.preview.type"] == "objectDetector"
    assert about["input_contract"].startswith("image: 256x256 px, RGB, 0...255")
    assert about["classes"] == "card" and about["license"] == "Apache-2.0"
    assert set(metrics(nets, "measure/ssd_fp16")) == {"detection", "capture"}


def test_a_segmenters_variant_tells_its_crop(nets):
    convert.main("unet_network")
    about = Package.load(nets / variants.FOLDER / "unet_network" / "CardSegmenter.mlmodel").metadata
    assert about["crop_margin"] == str(parameters.load_params("unet").unet.margin)
    assert about["com.apple.coreml.model.preview.type"] == "imageSegmenter"
    assert json.loads(about["com.apple.coreml.model.preview.params"])["labels"][1] == "card"
    assert "1.4 times its longer side" in about["input_contract"]


def test_the_flat_segmenters_variant_tells_its_view(nets):
    convert.main("flat_fp16")
    package = Package.load(nets / variants.FOLDER / "flat_fp16" / "CardFlatSegmenter.mlpackage")
    assert package.metadata["view_margin"] == str(parameters.load_params("flat").flat.margin)
    assert "0.6667 of the square's sides in its middle" in package.metadata["input_contract"]
    assert metrics(nets, "convert/flat_fp16")["CardFlatSegmenter"]["max_difference"]["mask"] < 0.1
    assert set(metrics(nets, "measure/flat_fp16")) == {"capture"}


def test_a_classifiers_variant_tells_its_view_and_its_corners(nets):
    convert.main("direction_fp16")
    package = Package.load(nets / variants.FOLDER / "direction_fp16" / "CardDirection.mlpackage")
    assert package.metadata["input_contract"].startswith("image: 224x224 px, RGB")
    assert package.metadata["classes"].split(",")[0] == "top left"
    found = metrics(nets, "convert/direction_fp16")["CardDirection"]
    assert found["max_difference"]["start"] < 0.05


def test_beyond_its_tolerance_nothing_is_replaced(nets):
    file = nets / "params.yaml"
    yaml = YAML()
    content = yaml.load(file.read_text())
    content["exports"]["ssd_fp16"]["tolerance"] = 0
    with file.open("w") as stream:
        yaml.dump(content, stream)
    older = nets / variants.FOLDER / "ssd_fp16" / "older"
    older.parent.mkdir(parents=True)
    older.write_text("kept")
    message = r"CardDetectorRaw: coordinates differs .* allowed 0\n.*exports\.ssd_fp16\.tolerance"
    with pytest.raises(ParityError, match=re.compile(message, re.S)):
        convert.main("ssd_fp16")
    assert [path.name for path in older.parent.iterdir()] == ["older"]
    assert [path.name for path in older.parents[1].iterdir()] == ["ssd_fp16"]
    assert not (nets / "metrics" / "convert").exists()


def test_a_variant_that_lost_more_than_it_may_replaces_nothing(nets):
    file = nets / "metrics" / "float32.json"
    better = json.loads(file.read_text())
    better["capture"]["exact_count"] = 1.5  # which no variant reaches
    file.write_text(json.dumps(better))
    with pytest.raises(
        LossError, match=r"(?s)ssd_fp16: capture\.exact_count lost .*ssd_fp16\.loss"
    ):
        convert.main("ssd_fp16")
    assert not (nets / variants.FOLDER / "ssd_fp16").exists()
    assert not (nets / "metrics" / "convert").exists()


def test_a_name_that_is_no_entry_is_refused(nets):
    with pytest.raises(InputError, match="no entry 'ssd_fp8'; there are ssd_fp16"):
        convert.main("ssd_fp8")


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
        require({"A": {"x": 0.3, "y": 0.01}, "B": {"z": 0.5}}, 0.02, "exports.a.tolerance")
    assert "A: x differs" in str(caught.value) and "B: z differs" in str(caught.value)
    assert "y differs" not in str(caught.value)


def test_a_difference_may_be_as_large_as_the_tolerance_and_no_larger():
    require({"A": {"x": 0.02}}, 0.02, "exports.a.tolerance")
    with pytest.raises(ParityError, match="A: x differs from its source by 0.0201, allowed 0.02"):
        require({"A": {"x": 0.0201}}, 0.02, "exports.a.tolerance")


class Drawn:
    """A package whose answer is a picture's mean, off by its first value."""

    def predict(self, given):
        image = given["image"].astype(np.float32)
        return {"mask": np.array([image.mean() + image[0, 0, 0]])}


def test_the_difference_of_a_program_is_the_largest_over_the_pictures():
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in (3, 9, 5)]

    def mean(image, training):
        return tf.reduce_mean(image)[None]

    found = program_differences(mean, ["mask"], Drawn(), pictures)
    assert found == {"mask": 9.0}


def test_without_pictures_nothing_is_compared():
    with pytest.raises(ParityError, match="no images"):
        program_differences(None, ["mask"], Drawn(), [])
