"""The exported models through LiteRT: the same answers, and clear words for damaged files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from meishi import cli
from meishi.coreml import freeze
from meishi.errors import InputError
from meishi.litert import model
from meishi.litert import running as litert
from meishi.params import CaptureParams, ConfidenceParams
from tests.small_models import small_networks, write_small_models

ROOT = Path(__file__).resolve().parents[2]
FILES = [litert.DETECTOR, litert.SEGMENTER, litert.CLASSIFIER, litert.SETTINGS]
FILES += [litert.FLAT, litert.FLAT_SETTINGS]
CAPTURE = CaptureParams(
    0.5, 0.45, 4, 4, 0.3, (0.6,), 4.0, 0.8, ConfidenceParams(2.0, 0.2, 1.2, -0.8)
)


@pytest.fixture(scope="module")
def networks():
    return small_networks()


@pytest.fixture(scope="module")
def models(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_small_models(networks, folder, CAPTURE)
    return folder


@pytest.fixture
def damaged(models, tmp_path):
    """A copy of the models to damage."""
    folder = tmp_path / "models" / "tflite"
    folder.mkdir(parents=True)
    for file in (models / "tflite").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder.parent


def test_litert_gives_what_keras_gives(networks, models):
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    batch = image[None].astype(np.float32)
    capture = litert.load_capture(models)
    coordinates, confidence = (output.numpy()[0] for output in networks[0](batch))
    rows = capture.detector(image)
    np.testing.assert_allclose(rows["coordinates"], coordinates, atol=1e-4)
    np.testing.assert_allclose(rows["confidence"], confidence, atol=1e-4)
    mask = networks[1](batch).numpy()[0]
    np.testing.assert_allclose(capture.segmenter(image)["mask"], mask, atol=1e-4)
    flat_mask = networks[3](batch).numpy()[0]
    np.testing.assert_allclose(capture.flat.network(image)["mask"], flat_mask, atol=1e-4)
    assert np.abs(mask - flat_mask).max() > 1e-3  # or either could stand in the other's place
    start = networks[2](batch[:, :32, :32]).numpy()[0]
    np.testing.assert_allclose(capture.classifier(image[:32, :32])["start"], start, atol=1e-4)


def test_a_picture_given_five_times_gives_five_equal_answers(models):
    image = np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    capture = litert.load_capture(models)
    answers = [capture.detector(image)["coordinates"] for _ in range(5)]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answers[0], answer)


def test_the_settings_travel_with_the_models(models):
    capture = litert.load_capture(models)
    assert (capture.detector_px, capture.segmenter_px, capture.margin) == (64, 64, 0.2)
    assert capture.params == CAPTURE and capture.view_px == 32
    assert (capture.flat.side_px, capture.flat.margin) == (64, 0.25)


def test_the_flat_segmenter_is_left_out_where_it_is_not_wanted(models):
    assert litert.load_capture(models, flat=False).flat is None


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(damaged, name):
    (damaged / "tflite" / name).unlink()
    with pytest.raises(InputError, match=name):
        litert.load_capture(damaged)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"no model", b"{}"])
def test_a_damaged_file_is_named(damaged, name, content):
    (damaged / "tflite" / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        litert.load_capture(damaged)


def test_a_truncated_model_is_named(damaged):
    path = damaged / "tflite" / litert.DETECTOR
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=litert.DETECTOR):
        litert.load_capture(damaged)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (litert.DETECTOR, litert.SEGMENTER),
        (litert.FLAT, litert.CLASSIFIER),
        (litert.CLASSIFIER, litert.DETECTOR),
    ],
)
def test_a_sound_model_in_the_place_of_another_is_refused(damaged, place, other):
    folder = damaged / "tflite"
    (folder / place).write_bytes((folder / other).read_bytes())
    with pytest.raises(InputError, match=rf"{place}: not one of our LiteRT models \(makes \["):
        litert.load_capture(damaged)


def test_what_is_exported_is_what_is_expected():
    exported = {f"{name}.tflite": set(outputs) for name, outputs in freeze.OUTPUTS.items()}
    assert exported == model.OUTPUTS


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_command_captures_a_photo(models, tmp_path):
    Image.new("RGB", (120, 80), (90, 90, 90)).save(tmp_path / "desk.jpg")
    result = run("capture", tmp_path / "desk.jpg", "--out", tmp_path / "out", "--models", models)
    assert result.exit_code == 0
    assert (tmp_path / "out" / "cards.json").is_file()


def test_the_command_fails_without_models_and_writes_nothing(tmp_path):
    Image.new("RGB", (120, 80)).save(tmp_path / "desk.jpg")
    result = run("capture", tmp_path / "desk.jpg", "--out", tmp_path / "out", "--models", tmp_path)
    assert isinstance(result.exception, InputError)
    assert "no such model; `dvc pull freeze` in the clone restores it" in str(result.exception)
    assert "elsewhere: --models CLONE/models" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_bad_photo_ends_the_command_with_status_1_and_the_good_one_is_done(models, tmp_path):
    Image.new("RGB", (120, 80), (90, 90, 90)).save(tmp_path / "desk.jpg")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "desk.jpg").read_bytes()[:300])
    given = [str(tmp_path / name) for name in ("broken.jpg", "desk.jpg", "missing.jpg")]
    command = [sys.executable, "-m", "meishi.cli", "capture", *given, "--models", str(models)]
    out = tmp_path / "out"
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "broken.jpg" in done.stderr
    assert "missing.jpg: no such file" in done.stderr
    assert "Traceback" not in done.stderr
    rows = json.loads((out / "cards.json").read_text())
    assert [row["file"] for row in rows] == [given[1]]


def test_a_huge_photo_is_captured(models, tmp_path):
    Image.new("L", (12000, 9000), 90).save(tmp_path / "huge.jpg", quality=30)
    result = run("capture", tmp_path / "huge.jpg", "--out", tmp_path / "out", "--models", models)
    assert result.exit_code == 0
    assert json.loads((tmp_path / "out" / "cards.json").read_text())[0]["width"] == 12000
