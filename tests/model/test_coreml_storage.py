"""Each way of storing weights: how many bytes it takes, how near it stays, the same bytes twice."""

from dataclasses import replace

import numpy as np
import pytest

from meishi.coreml.convert import Metadata, convert_program, detector_pipeline
from meishi.coreml.freeze import DETECTOR_OUTPUTS, by_name, freeze
from meishi.coreml.package import restamp_package, save_model
from meishi.coreml.runtime import Package
from meishi.keras import keras
from meishi.packages.inspection import inspect
from meishi.profiling.cost import bytes_on_disk
from meishi.variants import Variant

pytestmark = pytest.mark.tf
layers = keras.layers
METADATA = Metadata(author="A. Tester", version="1.0", description="a net under test")
PLAIN = Variant("ssd", "ssd", "mlprogram", "iOS18", "fp16", 0.0, 0.0, "fp16")
VARIANTS = {
    "fp32": replace(PLAIN, weights="fp32", precision="fp32"),
    "fp16": PLAIN,
    "int8": replace(PLAIN, weights="int8"),
    "palette8": replace(PLAIN, weights="palette8"),
    "palette6": replace(PLAIN, weights="palette6"),
    "palette4": replace(PLAIN, weights="palette4"),
    "grouped": replace(PLAIN, weights="palette4", group=8),
    "sparse": replace(PLAIN, weights="sparse", sparsity=0.6),
    "network": replace(PLAIN, format="neuralnetwork", precision="", target="iOS14"),
    "wide network": replace(
        PLAIN, format="neuralnetwork", precision="", weights="fp32", target="iOS14"
    ),
}
# Largest difference from Keras of outputs in 0..1, about twice what this net's has; and the largest
# size as a share of float32.
NEAR = {"fp32": 1e-6, "fp16": 1e-4, "int8": 0.001, "palette8": 0.001, "palette6": 0.004}
NEAR |= {"palette4": 0.02, "grouped": 0.015, "sparse": 0.12, "network": 1e-4, "wide network": 1e-6}
SHARE = {"fp16": 0.55, "int8": 0.32, "palette8": 0.35, "palette6": 0.28, "palette4": 0.2}
SHARE |= {"grouped": 0.25, "sparse": 0.4, "network": 0.55}
OPERATIONS = {
    "int8": "constexpr_blockwise_shift_scale",
    "palette4": "constexpr_lut_to_dense",
    "grouped": "constexpr_lut_to_dense",
    "sparse": "constexpr_sparse_to_dense",
}
IMAGE = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def net():
    """A detector of some 40,000 weights."""
    keras.utils.set_random_seed(5)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(48, 3, strides=4, padding="same", activation="relu")(image / 127.5 - 1.0)
    x = layers.Conv2D(80, 3, padding="same", activation="relu")(x)
    coordinates = layers.Activation("sigmoid")(layers.Conv2D(4, 3, padding="same")(x))
    confidence = layers.Activation("sigmoid")(layers.Conv2D(1, 3, padding="same")(x))
    flat = layers.Reshape((-1, 4))(coordinates), layers.Reshape((-1, 1))(confidence)
    return keras.Model(image, dict(zip(DETECTOR_OUTPUTS, flat, strict=True)))


def save(net, name, folder):
    variant = VARIANTS[name]
    frozen = freeze(net, DETECTOR_OUTPUTS, keep_batch=False)
    raw = convert_program(frozen, variant, METADATA)
    save_model(raw, folder / f"raw{variant.suffix}")
    pipeline = detector_pipeline(raw, ["card"], 0.5, 0.3, 4, METADATA)
    save_model(pipeline, folder / f"pipeline{variant.suffix}")
    return folder / f"raw{variant.suffix}", folder / f"pipeline{variant.suffix}"


@pytest.fixture(scope="module")
def saved(net, tmp_path_factory):
    return {name: save(net, name, tmp_path_factory.mktemp("saved")) for name in VARIANTS}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_stays_as_near_as_its_kind_can(name, net, saved):
    expected = by_name(net(IMAGE[None].astype(np.float32)), DETECTOR_OUTPUTS)
    actual = Package.load(saved[name][0]).predict({"image": IMAGE})
    gap = max(np.abs(expected[key].numpy()[0] - actual[key]).max() for key in DETECTOR_OUTPUTS)
    assert gap <= NEAR[name]


@pytest.mark.parametrize("name", SHARE)
def test_it_takes_as_few_bytes_as_its_kind_should(name, net, saved):
    assert bytes_on_disk(saved[name][0]) <= SHARE[name] * 4 * net.count_params() + 15_000


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_weights_are_stored_as_asked(name, saved):
    [model] = inspect(saved[name][0])["models"]
    assert set(model["compression"]) == {OPERATIONS[name]}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_pipeline_keeps_the_suppressions_contract(name, saved):
    pipeline = Package.load(saved[name][1])
    assert pipeline.inputs == ("image", "iouThreshold", "confidenceThreshold")
    given = {"image": IMAGE, "confidenceThreshold": 0.4, "iouThreshold": 0.5}
    rows = pipeline.predict(given)
    assert rows["confidence"].shape == (len(rows["coordinates"]), 1)


@pytest.mark.parametrize("name", ["int8", "palette6", "sparse", "network"])
def test_twice_gives_the_same_bytes(name, net, saved, tmp_path):
    for first, second in zip(saved[name], save(net, name, tmp_path), strict=True):
        assert contents(first) == contents(second)


def contents(path):
    if path.is_file():
        return path.read_bytes()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(str(file.relative_to(path)), file.read_bytes()) for file in files]


def test_a_stamp_adds_to_the_metadata_and_nothing_else(saved, tmp_path):
    source = saved["palette4"][1]
    for name in ("a", "b"):
        restamp_package(source, tmp_path / name, {"git_commit": "abc", "variant": "palette4"})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    before, after = Package.load(source), Package.load(tmp_path / "a")
    assert after.metadata == before.metadata | {"git_commit": "abc", "variant": "palette4"}
    given = {"image": IMAGE, "confidenceThreshold": 0.4}
    for key, value in before.predict(given).items():
        np.testing.assert_array_equal(after.predict(given)[key], value)
