"""Networks and pipelines whose description does not fit what they hold: refused by its reason."""

import numpy as np
import pytest

from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct
from meishi.errors import InputError
from meishi.packages.inspection import inspect

pytestmark = pytest.mark.tf
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def saved(tmp_path, spec):
    path = tmp_path / "net.mlmodel"
    path.write_bytes(spec.SerializeToString())
    return path


def relu():
    """y = max(x, 0) of (2, 3, 4)."""
    features = [("x", ct.models.datatypes.Array(2, 3, 4))], [("y", None)]
    builder = ct.models.neural_network.NeuralNetworkBuilder(
        *features, disable_rank5_shape_mapping=True
    )
    builder.add_activation("first", "RELU", "x", "y")
    return builder.spec


def of_a_picture(spec, **preprocessing):
    picture = spec.description.input[0].type.imageType
    picture.height, picture.width, picture.colorSpace = 3, 4, 20
    part = spec.neuralNetwork.preprocessing.add()
    if preprocessing:
        part.meanImage.meanImage.extend(preprocessing["mean"])


def as_classifier(spec, layers=True, blob=""):
    network = type(spec.neuralNetwork)()
    network.CopyFrom(spec.neuralNetwork)
    spec.neuralNetworkClassifier.layers.extend(network.layers if layers else [])
    spec.neuralNetworkClassifier.arrayInputShapeMapping = 1
    spec.neuralNetworkClassifier.labelProbabilityLayerName = blob
    spec.description.predictedFeatureName = "y"


LAYERS = {
    "no type": (lambda s: s.neuralNetwork.layers[0].ClearField("activation"), "first of no type"),
    "no function": (
        lambda s: s.neuralNetwork.layers[0].activation.ClearField("ReLU"),
        "layer first, activation, cannot be run",
    ),
    "random numbers": (
        lambda s: s.neuralNetwork.layers.add(name="r").randomNormalStatic.SetInParent(),
        r"\['randomNormalStatic'\] .* \(randomNormalStatic: its random numbers come from",
    ),
    "no layers": (lambda s: s.neuralNetwork.ClearField("layers"), r"no layer makes .*\['y'\]"),
    "no input": (
        lambda s: s.neuralNetwork.layers[0].ClearField("input"),
        "layer first, activation, cannot be run",
    ),
    "too many outputs": (
        lambda s: s.neuralNetwork.layers[0].output.append("z"),
        r"layer first, activation, makes 1 outputs, but \['y', 'z'\] are named",
    ),
    "an output made twice": (
        lambda s: s.neuralNetwork.layers.append(s.neuralNetwork.layers[0]),
        r"several layers make \['y'\]",
    ),
    "a circle": (
        lambda s: s.neuralNetwork.layers[0].input.__setitem__(0, "y"),
        r"layer first takes \['y'\]: not made yet",
    ),
    "a classifier without layers": (lambda s: as_classifier(s, layers=False), "no layer makes"),
    "a classifier of nothing": (lambda s: as_classifier(s, blob="p"), r"no layer makes .*\['p'\]"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_do_not_fit(tmp_path, name):
    change, reason = LAYERS[name]
    spec = relu()
    change(spec)
    path = saved(tmp_path, spec)
    assert inspect(path)["models"]
    with pytest.raises(InputError, match=reason):
        Package.load(path).predict({"x": X})


def test_a_mean_picture_of_another_size(tmp_path):
    spec = relu()
    of_a_picture(spec, mean=[1.0, 2.0])
    with pytest.raises(InputError, match=r"x: a mean picture of 2 values for \(3, 3, 4\)"):
        Package.load(saved(tmp_path, spec)).predict({"x": np.zeros((3, 4, 3))})


def test_preprocessing_of_no_kind_changes_nothing(tmp_path):
    spec, photo = relu(), np.full((3, 4, 3), 7)
    of_a_picture(spec)
    assert (Package.load(saved(tmp_path, spec)).predict({"x": photo})["y"] == 7).all()


def test_a_huge_input_is_inspected_but_not_made(tmp_path):
    spec = relu()
    spec.description.input[0].type.multiArrayType.shape[0] = 2**40
    path = saved(tmp_path, spec)
    assert inspect(path)["models"][0]["macs_unknown"] == [
        "(the network cannot be walked: inputs ['x'] are too large)"
    ]
    with pytest.raises(InputError, match=r"x must be \(1099511627776, 3, 4\)"):
        Package.load(path).predict({"x": X})


def suppression():
    """A pipeline of nothing but suppression, with inputs `scores`, `boxes` and `iou`."""
    spec = ct.proto.Model_pb2.Model(specificationVersion=5)
    stage = spec.pipeline.models.add(specificationVersion=5).nonMaximumSuppression
    stage.confidenceInputFeatureName, stage.coordinatesInputFeatureName = "scores", "boxes"
    stage.confidenceOutputFeatureName, stage.coordinatesOutputFeatureName = "confidence", "kept"
    stage.iouThresholdInputFeatureName, stage.iouThreshold = "iou", 0.5
    for name in ("scores", "boxes", "iou"):
        spec.description.input.add(name=name)
    for name in ("confidence", "kept"):
        spec.description.output.add(name=name)
    return spec


def described_suppression():
    """The same with a description of its one model, of two classes and any number of rows."""
    spec = suppression()
    stage = spec.pipeline.models[0]
    for feature in spec.description.input:
        stage.description.input.add(name=feature.name).type.multiArrayType.SetInParent()
    for name, columns in (("confidence", 2), ("kept", 4)):
        array = stage.description.output.add(name=name).type.multiArrayType
        for low, high in ((0, -1), (columns, columns)):
            array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)
    return spec


def settings(**changes):
    def change(stage):
        for key, value in changes.items():
            setattr(stage.nonMaximumSuppression, key, value)

    return change


def columns(output, count):
    def change(stage):
        ranges = stage.description.output[output].type.multiArrayType.shapeRange.sizeRanges
        ranges[1].lowerBound = ranges[1].upperBound = count

    return change


def labels(count):
    def change(stage):
        stage.nonMaximumSuppression.stringClassLabels.vector.extend("abcd"[:count])

    return change


def as_picture(stage):
    stage.description.output[0].type.imageType.width = 3


WRONG_SUPPRESSIONS = {
    "an output of another name": (
        settings(confidenceOutputFeatureName="none"),
        r"confidenceOutputFeatureName is 'none', expected one of \['confidence', 'kept'\]",
    ),
    "an output without a name": (
        settings(coordinatesOutputFeatureName=""),
        "coordinatesOutputFeatureName is ''",
    ),
    "an input of another name": (
        settings(coordinatesInputFeatureName="none"),
        "coordinatesInputFeatureName is 'none'",
    ),
    "an IoU below zero": (settings(iouThreshold=-1), "iouThreshold: expected 0 to 1, got -1"),
    "an IoU above one": (settings(iouThreshold=2), "iouThreshold: expected 0 to 1, got 2"),
    "an IoU that is none": (settings(iouThreshold=np.nan), "iouThreshold: expected 0 to 1, got na"),
    "a score below zero": (
        settings(confidenceThreshold=-1),
        "confidenceThreshold: expected 0 or more, got -1",
    ),
    "too many labels": (labels(4), "4 labels, but confidence has 2 columns"),
    "boxes of five numbers": (columns(1, 5), "kept: expected 4 columns, its description has 5"),
    "a picture": (as_picture, "confidence is described as imageType, expected an array"),
}


@pytest.mark.parametrize("name", WRONG_SUPPRESSIONS)
def test_a_suppression_that_no_system_runs_is_refused(tmp_path, name):
    change, words = WRONG_SUPPRESSIONS[name]
    spec = described_suppression()
    change(spec.pipeline.models[0])
    with pytest.raises(InputError, match=f"suppression: .*{words}"):
        Package.load(saved(tmp_path, spec))


@pytest.mark.parametrize("count", [0, 2])
def test_a_suppression_that_is_described_rightly_runs(tmp_path, count):
    spec = described_suppression()
    labels(count)(spec.pipeline.models[0])
    scores = np.hstack([SCORES, SCORES / 2])
    found = Package.load(saved(tmp_path, spec)).predict({"scores": scores, "boxes": BOXES})
    assert found["confidence"].shape == (2, 2) and found["kept"].shape == (2, 4)


SCORES = np.float32([[0.9], [0.8], [0.7]])
BOXES = np.float32([[1, 1, 2, 2], [1.1, 1, 2, 2], [9, 9, 2, 2]])  # the first two overlap


def test_a_threshold_is_a_number_or_an_array_of_one(tmp_path):
    package = Package.load(saved(tmp_path, suppression()))
    assert len(package.predict({"scores": SCORES[None], "boxes": BOXES})["kept"]) == 2
    for threshold, count in ((0.95, 3), (np.float32([0.5]), 2)):
        found = package.predict({"scores": SCORES, "boxes": BOXES, "iou": threshold})
        assert len(found["kept"]) == count


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scores": np.stack([SCORES] * 2)}, r"expected a row for each box, got \(2, 3, 1\)"),
        ({"boxes": BOXES[:2]}, r"boxes: expected \(3, 4\) for scores of \(3, 1\), got \(2, 4\)"),
        ({"boxes": None}, r"suppression takes 'boxes', which nothing before it makes"),
        ({"iou": np.float32([0.1, 0.2])}, r"iou: expected one number, got float32 \(2,\)"),
        ({"iou": np.array("high")}, r"iou: expected one number"),
        ({"iou": np.nan}, r"iou: expected one number"),
    ],
)
def test_what_suppression_cannot_take(tmp_path, changes, reason):
    given = {"scores": SCORES, "boxes": BOXES} | changes
    with pytest.raises(InputError, match=reason):
        Package.load(saved(tmp_path, suppression())).predict(
            {name: value for name, value in given.items() if value is not None}
        )


def test_an_output_that_no_part_of_a_pipeline_makes(tmp_path):
    spec = suppression()
    spec.description.output.add(name="labels")
    with pytest.raises(InputError, match=r"no part of the model makes the outputs \['labels'\]"):
        Package.load(saved(tmp_path, spec)).predict({"scores": SCORES, "boxes": BOXES})
