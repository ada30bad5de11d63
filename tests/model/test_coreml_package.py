"""What is written: bytes, names, shapes, metadata, frozen graphs and TFLite files."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from meishi.coreml.convert import Metadata, convert_program, detector_pipeline
from meishi.coreml.freeze import by_name, freeze, read_frozen_pb, write_frozen_pb, write_tflite
from meishi.coreml.package import read_spec, save_package
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct
from meishi.geometry.boxes import nms, xyxy_from_cxcywh
from meishi.keras import keras, tf
from meishi.variants import Variant

pytestmark = pytest.mark.tf
layers = keras.layers
NAMES = ["coordinates", "confidence"]
PLAIN = Variant("ssd", "ssd", "mlprogram", "iOS15", "fp16", 0.0, 0.0, "fp16")
METADATA = Metadata(
    author="A. Tester",
    version="1.2.3",
    description="finds cards",
    inputs={"image": "a photo"},
    outputs={"confidence": "one row a box"},
    user={"note": "x"},
)


def detector():
    """A net whose 64 anchors overlap each other, with scores all over (0, 1)."""
    keras.utils.set_random_seed(5)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, strides=4, padding="same")(image / 127.5 - 1.0)
    coordinates = layers.Activation("sigmoid")(layers.Conv2D(4, 3, padding="same")(x) * 2.0)
    confidence = layers.Activation("sigmoid")(layers.Conv2D(1, 3, padding="same")(x) * 4.0)
    flat = layers.Reshape((-1, 4))(coordinates), layers.Reshape((-1, 1))(confidence)
    return keras.Model(image, dict(zip(NAMES, flat, strict=True)))


@pytest.fixture(scope="module")
def model():
    return detector()


@pytest.fixture(scope="module")
def raw(model):
    return convert_program(freeze(model, NAMES, keep_batch=False), PLAIN, METADATA)


@pytest.fixture(scope="module")
def pipeline(raw):
    return detector_pipeline(raw, ["card"], 0.5, 0.3, 4, METADATA)


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def test_two_conversions_give_the_same_bytes(model, tmp_path):
    for name in ("a", "b"):
        raw = convert_program(freeze(model, NAMES, keep_batch=False), PLAIN, METADATA)
        save_package(raw, tmp_path / name / "raw.mlpackage")
        pipeline = detector_pipeline(raw, ["card"], 0.5, 0.3, 4, METADATA)
        save_package(pipeline, tmp_path / name / "pipeline.mlpackage")
        write_frozen_pb(freeze(model, NAMES), tmp_path / name / "net.pb")
    assert tree_hash(tmp_path / "a") == tree_hash(tmp_path / "b")


def test_no_part_of_a_package_tells_the_day_of_its_conversion(pipeline, tmp_path):
    save_package(pipeline, tmp_path / "d.mlpackage")
    spec, _ = read_spec(tmp_path / "d.mlpackage")
    facts = [part.description.metadata.userDefined for part in (spec, *spec.pipeline.models)]
    assert len(facts) == 3
    assert not any("date" in key for part in facts for key in part)


def test_another_process_writes_the_same_bytes(tmp_path):
    program = (
        "import sys; from pathlib import Path;"
        "from tests.model.test_coreml_package import *; m = detector(); p = Path(sys.argv[1]);"
        "r = convert_program(freeze(m, NAMES, keep_batch=False), PLAIN, METADATA);"
        "save_package(detector_pipeline(r, ['card'], .5, .3, 4, METADATA), p / 'd.mlpackage');"
        "write_frozen_pb(freeze(m, NAMES), p / 'd.pb'); write_tflite(m, NAMES, p / 'd.tflite');"
        "print(tree_hash(p))"
    )
    hashes = []
    for seed in ("1", "2"):
        (folder := tmp_path / seed).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.append(done.stdout)
        assert done.stderr == ""  # nothing of TensorFlow's or coremltools' chatter
    assert hashes[0] == hashes[1]


def test_saving_replaces_the_folder_whole(raw, tmp_path):
    path = tmp_path / "raw.mlpackage"
    path.mkdir()
    (path / "stale").write_text("from an older run")
    save_package(raw, path)
    assert sorted(entry.name for entry in path.iterdir()) == ["Data", "Manifest.json"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["raw.mlpackage"]


def test_a_package_needs_its_suffix(raw, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.mlpackage"):
        save_package(raw, tmp_path / "raw.mlmodel")


def test_the_program_has_an_rgb_image_and_float32_matrices(raw):
    description = raw.get_spec().description
    image = description.input[0].type.imageType
    rgb = ct.proto.FeatureTypes_pb2.ImageFeatureType.RGB
    assert (image.width, image.height, image.colorSpace) == (32, 32, rgb)
    shapes = {out.name: list(out.type.multiArrayType.shape) for out in description.output}
    assert shapes == {"coordinates": [64, 4], "confidence": [64, 1]}
    kinds = {out.type.multiArrayType.dataType for out in description.output}
    assert kinds == {ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32}


def test_the_program_computes_in_float16(raw):
    main = raw.get_spec().mlProgram.functions["main"]
    kinds = [op.type for op in main.block_specializations[main.opset].operations]
    assert kinds.count("cast") == 3  # the image to float16, two outputs back


def test_the_pipeline_fits_visions_contract(pipeline):
    spec = pipeline.get_spec()
    assert [part.name for part in spec.description.input] == [
        "image",
        "iouThreshold",
        "confidenceThreshold",
    ]
    assert [part.type.isOptional for part in spec.description.input] == [False, True, True]
    assert {part.name for part in spec.description.output} == {"confidence", "coordinates"}
    nms_spec = spec.pipeline.models[1].nonMaximumSuppression
    assert list(nms_spec.stringClassLabels.vector) == ["card"]
    assert (nms_spec.iouThreshold, nms_spec.confidenceThreshold) == (0.3, 0.5)


def test_metadata_reaches_the_package(pipeline, tmp_path):
    save_package(pipeline, tmp_path / "d.mlpackage")
    metadata = Package.load(tmp_path / "d.mlpackage").metadata
    expected = {
        "author": "A. Tester",
        "license": "Apache-2.0",
        "versionString": "1.2.3",
        "shortDescription": "finds cards",
        "classes": "card",
        "iou_threshold": "0.3",
        "confidence_threshold": "0.5",
        "max_boxes": "4",
        "note": "x",
    }
    assert metadata.items() >= expected.items()
    assert not any("date" in key for key in metadata)


def test_the_pipeline_is_the_raw_head_and_nms(raw, pipeline, image, tmp_path):
    save_package(raw, tmp_path / "raw.mlpackage")
    save_package(pipeline, tmp_path / "d.mlpackage")
    head = Package.load(tmp_path / "raw.mlpackage").predict({"image": image})
    scores = head["confidence"][:, 0]
    candidates = np.flatnonzero(scores >= 0.5)
    boxes = xyxy_from_cxcywh(head["coordinates"][candidates])
    kept = candidates[nms(boxes, scores[candidates], 0.3, len(candidates))]
    assert 0 < len(kept) < len(candidates) < 64

    found = Package.load(tmp_path / "d.mlpackage").predict({"image": image})
    np.testing.assert_array_equal(found["confidence"], head["confidence"][kept])
    np.testing.assert_array_equal(found["coordinates"], head["coordinates"][kept])


def test_thresholds_given_to_the_pipeline_win(pipeline, image, tmp_path):
    save_package(pipeline, tmp_path / "d.mlpackage")
    package = Package.load(tmp_path / "d.mlpackage")
    all_boxes = package.predict({"image": image, "confidenceThreshold": 0.0, "iouThreshold": 1.0})
    none = package.predict({"image": image, "confidenceThreshold": 1.1})
    assert all_boxes["coordinates"].shape == (64, 4)
    assert none["coordinates"].shape == (0, 4) and none["confidence"].shape == (0, 1)


def test_labels_must_fit_the_confidence_columns(raw):
    with pytest.raises(ValueError, match=r"1 columns, there are 2 labels"):
        detector_pipeline(raw, ["card", "receipt"], 0.5, 0.3, 4, METADATA)


def test_a_batched_detector_is_refused_by_the_pipeline(model):
    batched = convert_program(freeze(model, NAMES), PLAIN, METADATA)
    with pytest.raises(ValueError, match=r"keep_batch=False"):
        detector_pipeline(batched, ["card"], 0.5, 0.3, 4, METADATA)


def test_a_frozen_graph_loads_and_equals_the_model(model, image, tmp_path):
    write_frozen_pb(freeze(model, NAMES), tmp_path / "net.pb")
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(read_frozen_pb(tmp_path / "net.pb"), name="")
    with tf.compat.v1.Session(graph=graph) as session:
        fetches = [f"{name}:0" for name in NAMES]
        found = session.run(fetches, {"image:0": image[None].astype(np.float32)})
    expected = model(image[None].astype(np.float32))
    for name, value in zip(NAMES, found, strict=True):
        np.testing.assert_allclose(value, expected[name].numpy(), atol=1e-5)


def test_a_tflite_file_answers_by_name(model, image, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    write_tflite(model, NAMES, tmp_path / "net.tflite")
    runner = Interpreter(model_path=str(tmp_path / "net.tflite")).get_signature_runner()
    found = runner(image=image[None].astype(np.float32))
    expected = model(image[None].astype(np.float32))
    assert set(found) == set(NAMES)
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name].numpy(), atol=1e-5)


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "net.pb").write_bytes(b"\xff\xff not a graph")
    with pytest.raises(ValueError, match=r"not a TensorFlow graph"):
        read_frozen_pb(tmp_path / "net.pb")


def test_outputs_must_fit_their_names(model):
    with pytest.raises(ValueError, match=r"outputs are \['confidence', 'coordinates'\]"):
        freeze(model, ["boxes", "confidence"])
    with pytest.raises(ValueError, match=r"has 1 outputs"):
        by_name(np.zeros(3), ["a", "b"])


def test_a_model_of_open_size_is_refused():
    image = keras.Input((None, None, 3), name="image")
    with pytest.raises(ValueError, match=r"fixed size"):
        freeze(keras.Model(image, layers.Conv2D(1, 1)(image)), ["y"])
