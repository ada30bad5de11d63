"""Neural networks whole: axes, pictures, labels, branches and loops, files, pipelines, refusals."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from meishi.cli import app
from meishi.coreml.network import running, table
from meishi.coreml.network.parameters import weights
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from meishi.keras import keras
from meishi.packages.inspection import inspect
from tests.model.coreml_networks import add_layer, empty_network
from tests.model.coreml_programs import random

pytestmark = pytest.mark.tf
layers = keras.layers


def saved(spec, path):
    path.write_bytes(spec.SerializeToString())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.mlmodel"


def converted(model, path, **options):
    with only_errors():
        options = {"convert_to": "neuralnetwork", "skip_model_load": True} | options
        ct.convert(model, source="tensorflow", **options).save(str(path))
    return Package.load(path)


def small_net():
    keras.utils.set_random_seed(4)
    image = keras.Input((24, 20, 3), batch_size=1, name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image / 127.5 - 1.0)
    x = skip = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same")(layers.MaxPooling2D(2)(x))
    x = layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(x), skip])
    mask = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(x)
    scores = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, [mask, scores])


PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def test_a_converted_network_agrees_with_keras(path):
    model = small_net()
    package = converted(model, path, inputs=[ct.ImageType(name="image", shape=(1, 24, 20, 3))])
    found = sorted(package.predict({"image": PIXELS}).values(), key=np.size, reverse=True)
    for value, expected in zip(found, model(PIXELS[None].astype(np.float32)), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)
    (described,) = inspect(path)["models"]
    conv = 12 * 10 * 8 * 27 + 6 * 5 * 8 * 9 + 12 * 10 * 16 * 9 + 16 * 4
    assert described["macs"] == conv and described["macs_unknown"] == []
    assert described["operations"]["convolution"] == 3


def test_rounding_to_float16_is_coarser(path):
    inputs = [ct.ImageType(name="image", shape=(1, 24, 20, 3))]
    exact = converted(small_net(), path, inputs=inputs).predict({"image": PIXELS})
    rounded = Package.load(path, "fp16").predict({"image": PIXELS})
    gaps = [np.abs(exact[name] - rounded[name]).max() for name in exact]
    assert 0 < max(gaps) < 0.01


@pytest.mark.parametrize("given", [(4,), (2, 1, 4)])
def test_networks_of_five_axes(path, given):
    """Up to version 3 a vector may come with a sequence and a batch in front."""
    spec = empty_network({"x": (4,)}, ["y"], exact=False)
    weight = random(3, 4)
    add_layer(spec.neuralNetwork, "innerProduct", ["x"], ["y"],
              inputChannels=4, outputChannels=3, weights=weight)  # fmt: skip
    spec.description.output[0].type.multiArrayType.shape.append(3)
    x = random(*given)
    found = Package.load(saved(spec, path)).predict({"x": x})["y"]
    np.testing.assert_allclose(found, x @ weight.T, atol=1e-5)
    with pytest.raises(InputError, match=r"x must be \(4,\), got \(5,\)"):
        Package.load(path).predict({"x": random(5)})


def test_five_axes_that_nothing_describes_stay(path):
    """So does a device: "MultiArray of shape (1, 1, 1, 604, 428)" (coremltools issue 301)."""
    spec = empty_network({"x": (4,)}, ["y"], exact=False)
    add_layer(spec.neuralNetwork, "activation", ["x"], ["y"], linear={"alpha": 2.0})
    x = random(4)
    found = Package.load(saved(spec, path)).predict({"x": x})["y"]
    np.testing.assert_array_equal(found, 2 * x.reshape(1, 1, 4, 1, 1))


def picture_network(layout="RGB", exact=False):
    spec = empty_network({"image": (1,)}, ["y"], exact=exact)
    image = spec.description.input[0].type.imageType
    image.width, image.height = 20, 24
    image.colorSpace = getattr(ct.proto.FeatureTypes_pb2.ImageFeatureType, layout)
    add_layer(spec.neuralNetwork, "activation", ["image"], ["y"], linear={"alpha": 1.0})
    return spec


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_a_picture_is_scaled_and_shifted_by_colour(path, layout):
    spec = picture_network(layout)
    scaler = spec.neuralNetwork.preprocessing.add(featureName="image").scaler
    scaler.channelScale, scaler.redBias, scaler.greenBias, scaler.blueBias = 0.5, 1.0, 2.0, 3.0
    found = Package.load(saved(spec, path)).predict({"image": PIXELS})["y"][0, 0]
    expected = (PIXELS * 0.5 + [1, 2, 3]).transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected if layout == "RGB" else expected[::-1])


def test_a_mean_picture_is_subtracted(path):
    spec = picture_network()
    mean = random(3, 24, 20)
    spec.neuralNetwork.preprocessing.add().meanImage.meanImage.extend(mean.ravel().tolist())
    found = Package.load(saved(spec, path)).predict({"image": PIXELS})["y"][0, 0]
    np.testing.assert_allclose(found, PIXELS.transpose(2, 0, 1) - mean, atol=1e-4)


@pytest.mark.parametrize("labels", [["ant", "bee"], [7, 9]])
def test_a_classifier_gives_label_and_probabilities(path, labels):
    spec = empty_network({"x": (2,)}, [], kind="neuralNetworkClassifier")
    classifier = spec.neuralNetworkClassifier
    add_layer(classifier, "softmaxND", ["x"], ["p"], axis=0)
    spec.description.output.add(name="label").type.stringType.SetInParent()
    spec.description.output.add(name="chances").type.dictionaryType.SetInParent()
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "chances"
    field = "stringClassLabels" if isinstance(labels[0], str) else "int64ClassLabels"
    getattr(classifier, field).vector.extend(labels)
    found = Package.load(saved(spec, path)).predict({"x": np.float32([0, 1])})
    assert found["label"].tolist() == labels[1]
    assert list(found["chances"]) == labels
    assert found["chances"][labels[1]] == pytest.approx(np.e / (1 + np.e))
    getattr(classifier, field).vector.append(labels[0])
    with pytest.raises(InputError, match=r"3 class labels, but 2 probabilities"):
        Package.load(saved(spec, path)).predict({"x": np.float32([0, 1])})


@pytest.mark.parametrize(("condition", "expected"), [(1.0, 6.0), (0.0, 2.0)])
def test_a_branch_runs_one_of_two_networks(path, condition, expected):
    spec = empty_network({"x": (1,), "c": (1,)}, ["y"])
    branch = add_layer(spec.neuralNetwork, "branch", ["c"], []).branch
    add_layer(branch.ifBranch, "multiply", ["x"], ["y"], alpha=3.0)
    add_layer(branch.elseBranch, "copy", ["x"], ["y"])
    found = Package.load(saved(spec, path)).predict({"x": [2.0], "c": [condition]})
    assert found["y"].tolist() == [expected]


def test_a_value_that_only_the_other_branch_makes_is_named(path):
    spec = empty_network({"x": (1,), "c": (1,)}, ["y"])
    branch = add_layer(spec.neuralNetwork, "branch", ["c"], []).branch
    add_layer(branch.ifBranch, "copy", ["x"], ["made"])
    add_layer(branch.elseBranch, "copy", ["x"], ["other"])
    add_layer(spec.neuralNetwork, "copy", ["made"], ["y"])
    package = Package.load(saved(spec, path))
    assert package.predict({"x": [2.0], "c": [1.0]})["y"].tolist() == [2]
    with pytest.raises(InputError, match="copy_1, copy: reads made, which nothing has made: a"):
        package.predict({"x": [2.0], "c": [0.0]})


def loop(path, **fields):
    """Add 1 to y until `conditionVar` ends it, or the count of the loop."""
    spec = empty_network({"x": (1,)}, ["y"])
    add_layer(spec.neuralNetwork, "copy", ["x"], ["y"])
    part = add_layer(spec.neuralNetwork, "loop", [], [], **fields).loop
    if part.conditionVar:
        add_layer(part.conditionNetwork, "lessThan", ["y"], ["less"], alpha=5.0)
    add_layer(part.bodyNetwork, "add", ["y"], ["next"], alpha=1.0)
    add_layer(part.bodyNetwork, "copy", ["next"], ["y"])
    return spec, part


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"maxLoopIterations": 3}, 3),
        ({"conditionVar": "less"}, 5),
        ({"conditionVar": "less", "maxLoopIterations": 2}, 2),
    ],
)
def test_loops_end_by_count_or_by_condition(path, fields, expected):
    spec, _ = loop(path, **fields)
    assert Package.load(saved(spec, path)).predict({"x": [0.0]})["y"].tolist() == [expected]


@pytest.mark.parametrize(("kind", "expected"), [("loopBreak", 0), ("loopContinue", 0)])
def test_loops_are_left_and_cut_short(path, kind, expected):
    spec, part = loop(path, maxLoopIterations=3)
    del part.bodyNetwork.layers[1]
    add_layer(part.bodyNetwork, kind, [], [])
    add_layer(part.bodyNetwork, "copy", ["next"], ["y"])
    assert Package.load(saved(spec, path)).predict({"x": [0.0]})["y"].tolist() == [expected]


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_weights_of_few_bits(bits):
    codes = np.random.default_rng(0).integers(0, 2**bits, (3, 7))
    packed = ((codes[..., None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8)
    message = ct.proto.NeuralNetwork_pb2.WeightParams(rawValue=np.packbits(packed).tobytes())
    message.quantization.numberOfBits = bits
    grid = message.quantization.linearQuantization
    grid.scale.extend([0.5, 1.0, 2.0])
    grid.bias.extend([0.0, -1.0, 3.0])
    expected = codes * np.array(grid.scale)[:, None] + np.array(grid.bias)[:, None]
    np.testing.assert_allclose(weights(message, (3, 7)), expected)
    palette = np.linspace(-1, 1, 2**bits, dtype=np.float32)
    message.quantization.lookupTableQuantization.floatValue.extend(palette.tolist())
    np.testing.assert_array_equal(weights(message, (3, 7)), palette[codes])


def test_weights_of_half_precision():
    values = random(2, 3).astype(np.float16)
    message = ct.proto.NeuralNetwork_pb2.WeightParams(float16Value=values.tobytes())
    np.testing.assert_array_equal(weights(message, (2, 3)), values.astype(np.float32))
    with pytest.raises(InputError, match=r"weights do not fill \(2, 4\)"):
        weights(message, (2, 4))


def detector():
    """A network of raw boxes, then a suppression: how older detectors are made."""
    spec = ct.proto.Model_pb2.Model(specificationVersion=5)
    net = empty_network({"b": (3, 4), "s": (3, 1)}, ["coordinates", "confidence"])
    add_layer(net.neuralNetwork, "copy", ["b"], ["coordinates"])
    add_layer(net.neuralNetwork, "copy", ["s"], ["confidence"])
    spec.pipeline.models.add().CopyFrom(net)
    last = spec.pipeline.models.add(specificationVersion=5)
    nms = last.nonMaximumSuppression
    nms.iouThreshold, nms.confidenceThreshold = 0.5, 0.3
    nms.confidenceInputFeatureName = nms.confidenceOutputFeatureName = "confidence"
    nms.coordinatesInputFeatureName = nms.coordinatesOutputFeatureName = "coordinates"
    nms.iouThresholdInputFeatureName = "iouThreshold"
    nms.confidenceThresholdInputFeatureName = "confidenceThreshold"
    spec.description.input.extend(net.description.input)
    spec.description.output.extend(net.description.output)
    return spec


def test_a_pipeline_of_a_network_and_a_suppression(path):
    boxes = np.float32([[5, 5, 4, 4], [5.2, 5, 4, 4], [20, 20, 4, 4]])
    scores = np.float32([[0.8], [0.9], [0.7]])
    found = Package.load(saved(detector(), path)).predict({"b": boxes, "s": scores})
    np.testing.assert_array_equal(found["coordinates"], boxes[[1, 2]])


@pytest.mark.parametrize("described", ["fixed", "at least", "at most"])
def test_a_suppression_gives_as_many_rows_as_are_described(path, described):
    spec = detector()
    for name, columns in (("coordinates", 4), ("confidence", 1)):
        array = spec.pipeline.models[1].description.output.add(name=name).type.multiArrayType
        array.dataType = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
        if described == "fixed":
            array.shape.extend([5, columns])
            continue
        rows = array.shapeRange.sizeRanges.add()
        low, high = {"at least": (3, -1), "at most": (0, 1)}[described]
        rows.lowerBound, rows.upperBound = low, high
        array.shapeRange.sizeRanges.add(lowerBound=columns, upperBound=columns)
    boxes = np.float32([[5, 5, 4, 4], [5.2, 5, 4, 4], [20, 20, 4, 4]])
    scores = np.float32([[0.8], [0.9], [0.7]])
    found = Package.load(saved(spec, path)).predict({"b": boxes, "s": scores})
    rows = {"fixed": [0.9, 0.7, 0, 0, 0], "at least": [0.9, 0.7, 0], "at most": [0.9]}[described]
    np.testing.assert_allclose(found["confidence"][:, 0], rows)
    assert found["coordinates"].shape == (len(rows), 4)
    np.testing.assert_array_equal(found["coordinates"][:1], boxes[1:2])


def faulty(kind):
    """A network with one fault, and how it is refused."""
    spec = empty_network({"x": (2, 3)}, ["y"])
    network = spec.neuralNetwork
    if kind == "custom":
        add_layer(network, "custom", ["x"], ["y"], className="Warp")
    elif kind == "random":
        add_layer(network, "randomNormalLike", ["x"], ["y"])
    elif kind == "typeless":
        network.layers.add(name="empty", input=["x"], output=["y"])
    elif kind == "dangling":
        add_layer(network, "copy", ["z"], ["y"])
    elif kind == "no output":
        add_layer(network, "copy", ["x"], ["z"])
    elif kind == "short weights":
        fields = {"inputChannels": 3, "outputChannels": 2, "weights": np.ones(5)}
        add_layer(network, "innerProduct", ["x"], ["y"], **fields)
    elif kind == "shapes":
        add_layer(network, "reshapeStatic", ["x"], ["y"], targetShape=[4, 5])
    elif kind == "no activation":
        add_layer(network, "activation", ["x"], ["y"])
    return spec


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("custom", r"\['custom layer Warp'\] are not implemented.*it knows .*convolution"),
        ("random", r"\['randomNormalLike'\] are not implemented"),
        ("typeless", r"layer empty of no type"),
        ("dangling", r"layer copy_0 takes \['z'\]: not made yet"),
        ("no output", r"no layer makes the outputs \['y'\]"),
        ("short weights", r"layer innerProduct_0, innerProduct, .*weights do not fill \(2, 3\)"),
        ("shapes", r"net.mlmodel: layer reshapeStatic_0, reshapeStatic, cannot be run"),
        ("no activation", r"layer activation_0, activation, cannot be run"),
    ],
)
def test_a_faulty_network_is_refused(path, tmp_path, kind, reason):
    given = tmp_path / "given.npz"
    np.savez(given, x=random(2, 3))
    words = [
        "predict",
        str(saved(faulty(kind), path)),
        str(given),
        "--out",
        str(tmp_path / "o.npz"),
    ]
    found = CliRunner().invoke(app, words)
    assert found.exit_code != 0 and not (tmp_path / "o.npz").exists()
    with pytest.raises(InputError, match=reason):
        raise found.exception


def test_the_commands_take_a_network(path, tmp_path):
    saved(picture_network(exact=True), path)
    photo, out = tmp_path / "photo.png", tmp_path / "out.npz"
    Image.fromarray(PIXELS).save(photo)
    runner = CliRunner()
    assert runner.invoke(app, ["predict", str(path), str(photo), "--out", str(out)]).exit_code == 0
    np.testing.assert_array_equal(np.load(out)["y"][0], PIXELS.transpose(2, 0, 1))
    described = json.loads(runner.invoke(app, ["inspect", str(path)]).stdout)
    assert described["models"][0]["operations"] == {"activation": 1}


def test_every_kind_of_layer_is_walked_once():
    spec, _ = loop(None, conditionVar="less")
    kinds = [layer.WhichOneof("layer") for layer in running.every_layer(spec.neuralNetwork)]
    assert kinds == ["copy", "loop", "lessThan", "add", "copy"]
    assert table.CONTROL.isdisjoint(table.LAYERS)
