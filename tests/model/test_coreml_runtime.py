"""Packages run on this machine agree with the Keras models they came from."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from meishi.coreml.convert import Metadata, convert_program
from meishi.coreml.freeze import by_name, freeze
from meishi.coreml.package import save_package, spec_path
from meishi.coreml.parity import max_difference
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct
from meishi.keras import keras
from meishi.profiling.cost import bytes_on_disk
from meishi.variants import Variant

pytestmark = pytest.mark.tf
layers = keras.layers
optimise = ct.optimize.coreml
METADATA = Metadata(author="A. Tester", version="1.0", description="a net under test")
PLAIN = Variant("unet", "unet", "mlprogram", "iOS15", "fp16", 0.0, 0.0, "fp16")
FP16_TOLERANCE = 0.01  # outputs are in 0..1 or of that order


def image_input(size=(32, 32)):
    image = keras.Input((size[1], size[0], 3), name="image")
    return image, layers.Rescaling(1 / 127.5, -1.0)(image)


def package_of(model, names, path, target="iOS15"):
    variant = replace(PLAIN, target=target)
    save_package(convert_program(freeze(model, names, keep_batch=False), variant, METADATA), path)
    return Package.load(path)


def random_image(size=(32, 32)):
    return np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def differences(model, names, path, size=(32, 32), target="iOS15"):
    image = random_image(size)
    expected = by_name(model(image[None].astype(np.float32)), names)
    actual = package_of(model, names, path, target).predict({"image": image})
    return max_difference({name: value.numpy() for name, value in expected.items()}, actual)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(11)


def small_unet():
    image, x = image_input()
    x = skip = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, skip])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    mask = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return keras.Model(image, mask)


def test_a_unet_agrees_with_keras(tmp_path):
    found = differences(small_unet(), ["mask"], tmp_path / "net.mlpackage")
    assert found["mask"] < FP16_TOLERANCE


def test_a_frame_that_is_not_square_keeps_height_and_width(tmp_path):
    image, x = image_input((48, 24))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    model = keras.Model(image, layers.UpSampling2D((2, 3), interpolation="bilinear")(x))
    assert differences(model, ["y"], tmp_path / "net.mlpackage", (48, 24))["y"] < FP16_TOLERANCE


BLOCKS = {
    "atrous": lambda x: layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x),
    "even kernel, odd stride": lambda x: layers.Conv2D(4, 4, strides=3, padding="same")(x),
    "strided depthwise": lambda x: layers.DepthwiseConv2D(3, strides=2, padding="same")(x),
    "padded valid convolution": lambda x: layers.Conv2D(4, 3)(layers.ZeroPadding2D((1, 2))(x)),
    "transpose, valid": lambda x: layers.Conv2DTranspose(4, 3, strides=2)(x),
    "transpose, small kernel": lambda x: layers.Conv2DTranspose(4, 2, strides=3)(x),
    "nearest": lambda x: layers.UpSampling2D(2)(x),
    "average pool": lambda x: layers.AveragePooling2D(3, strides=2, padding="same")(x),
    "max pool": lambda x: layers.MaxPooling2D(3, strides=2, padding="same")(x),
    "global pool": lambda x: layers.GlobalAveragePooling2D()(x),
    "batch norm alone": lambda x: layers.BatchNormalization()(layers.ReLU()(x)),
    "channels slice": lambda x: x[..., 1:3],
    "reversed rows": lambda x: x[:, ::-1],
    "arithmetic": lambda x: layers.Maximum()([x * 0.5, layers.Minimum()([x, 1.0 - x])]),
    "dense softmax": lambda x: layers.Dense(5, activation="softmax")(layers.Flatten()(x)),
    "squeeze and excite": lambda x: (
        x * layers.Dense(4, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    ),
    "leaky": lambda x: layers.LeakyReLU(0.1)(layers.PReLU(shared_axes=(1, 2))(x)),
    "smooth": lambda x: layers.Activation("swish")(layers.Activation("tanh")(x)),
    "exponential": lambda x: layers.Activation("exponential")(layers.ELU()(x)),
    "permute": lambda x: layers.Permute((3, 1, 2))(x),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_agrees_with_keras(name, tmp_path):
    image, x = image_input((18, 14))
    x = layers.Conv2D(4, 3, padding="same")(x)
    model = keras.Model(image, BLOCKS[name](x))
    assert differences(model, ["y"], tmp_path / "net.mlpackage", (18, 14))["y"] < 0.02


@pytest.mark.parametrize("target", ["iOS16", "iOS17", "iOS18"])
def test_newer_targets_run_too(target, tmp_path):
    found = differences(small_unet(), ["mask"], tmp_path / "net.mlpackage", target=target)
    assert found["mask"] < FP16_TOLERANCE


COMPRESSIONS = {
    "int8": lambda model: optimise.linear_quantize_weights(
        model, optimise.OptimizationConfig(optimise.OpLinearQuantizerConfig(dtype="int8"))
    ),
    "palette": lambda model: optimise.palettize_weights(
        model, optimise.OptimizationConfig(optimise.OpPalettizerConfig(mode="uniform", nbits=8))
    ),
    "sparse": lambda model: optimise.prune_weights(
        model, optimise.OptimizationConfig(optimise.OpThresholdPrunerConfig(threshold=1e-12))
    ),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_weights_are_expanded(name, tmp_path):
    image, x = image_input()
    model = keras.Model(image, layers.Conv2D(32, 5, strides=4)(layers.Conv2D(32, 5)(x)))
    model.set_weights([np.where(w > 0, w, 0) for w in model.get_weights()])
    full = convert_program(
        freeze(model, ["y"], keep_batch=False), replace(PLAIN, target="iOS16"), METADATA
    )
    save_package(full, tmp_path / "full.mlpackage")
    save_package(COMPRESSIONS[name](full), tmp_path / "small.mlpackage")
    inputs = {"image": random_image()}
    small = Package.load(tmp_path / "small.mlpackage").predict(inputs)
    gap = max_difference(Package.load(tmp_path / "full.mlpackage").predict(inputs), small)["y"]
    assert bytes_on_disk(tmp_path / "small.mlpackage") < bytes_on_disk(tmp_path / "full.mlpackage")
    assert gap < 0.05


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "net.mlpackage"
    package_of(small_unet(), ["mask"], path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    """A package of its own for a test to spoil."""
    return shutil.copytree(saved, tmp_path / "net.mlpackage")


def test_an_operation_outside_the_table_is_refused_by_name(path):
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(spec_path(path).read_bytes())
    function = spec.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    next(operation for operation in operations if operation.type == "concat").type = "warp"
    spec_path(path).write_bytes(spec.SerializeToString())
    with pytest.raises(ValueError, match=r"\['warp'\].*it knows abs, acos, add"):
        Package.load(path)


def test_a_missing_weight_file_is_refused(path):
    (spec_path(path).parent / "weights" / "weight.bin").unlink()
    with pytest.raises(ValueError, match=r"net.mlpackage: weights: weight.bin is missing"):
        Package.load(path)


def test_a_truncated_weight_file_is_refused(path):
    file = spec_path(path).parent / "weights" / "weight.bin"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"weight.bin is cut short"):
        Package.load(path)


def test_a_damaged_specification_is_refused(path):
    spec_path(path).write_bytes(b"\xff\xff\xff\xffnot a model")
    with pytest.raises(ValueError, match=r"damaged"):
        Package.load(path)


def test_a_folder_that_is_no_package_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not a Core ML package"):
        Package.load(tmp_path)


def test_an_image_of_another_size_is_refused(saved):
    package = Package.load(saved)
    with pytest.raises(ValueError, match=r"image must be \(32, 32, 3\), got \(16, 32, 3\)"):
        package.predict({"image": np.zeros((16, 32, 3), np.uint8)})


def test_unknown_and_missing_inputs_are_refused(saved):
    package = Package.load(saved)
    with pytest.raises(ValueError, match=r"unknown inputs \['photo'\]"):
        package.predict({"photo": random_image()})
    with pytest.raises(ValueError, match=r"missing inputs \['image'\]"):
        package.predict({})


def test_a_model_of_another_kind_is_refused(path):
    spec = ct.proto.Model_pb2.Model(specificationVersion=4)
    spec.description.input.add(name="x").type.doubleType.MergeFromString(b"")
    spec.identity.MergeFromString(b"")
    spec_path(path).write_bytes(spec.SerializeToString())
    with pytest.raises(ValueError, match=r"kind identity"):
        Package.load(path)
