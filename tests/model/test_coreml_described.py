"""Programs and pipelines against their descriptions, and what the format allows beside our own."""

import numpy as np
import pytest

from meishi.coreml.package import save_package
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from meishi.packages.lint import lint_package
from tests.model.coreml_networks import add_layer, empty_network
from tests.model.coreml_programs import altered, builder, mil_type, random, save

pytestmark = pytest.mark.tf
FEATURES = ct.proto.FeatureTypes_pb2
INT32 = FEATURES.ArrayFeatureType.INT32
GREY = FEATURES.ImageFeatureType.GRAYSCALE
PICTURE = ct.ImageType(name="a", shape=(1, 3, 20, 24))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.mlpackage"


def given(spec):
    return spec.description.input[0].type


def made(spec):
    return spec.description.output[0].type


def set_shape(*sizes):
    def change(spec):
        given(spec).multiArrayType.shape[:] = sizes

    return change


def set_kind(kind):
    def change(spec):
        given(spec).multiArrayType.dataType = getattr(FEATURES.ArrayFeatureType, kind)

    return change


def set_picture(where=given, **changes):
    def change(spec):
        for name, value in changes.items():
            setattr(where(spec).imageType, name, value)

    return change


def enumerated(*shapes):
    def change(spec):
        for sizes in shapes:
            given(spec).multiArrayType.enumeratedShapes.shapes.add().shape.extend(sizes)

    return change


def ranged(*bounds):
    def change(spec):
        for low, high in bounds:
            part = given(spec).multiArrayType.shapeRange.sizeRanges.add()
            part.lowerBound, part.upperBound = low, high

    return change


ARRAYS = {
    "sides in another order": (set_shape(3, 2), r"a, fp32 \(3, 2\), is \(2, 3\)"),
    "an axis more": (set_shape(1, 2, 3), r"\(1, 2, 3\), is \(2, 3\)"),
    "integers": (set_kind("INT32"), r"a, int32 \(2, 3\), is FLOAT32"),
    "bytes": (set_kind("INT8"), r"a, int8 \(2, 3\), is FLOAT32"),
    "other shapes": (enumerated((1, 3), (4, 3)), r"one of \(1, 3\), \(4, 3\), is \(2, 3\)"),
    "shapes of other axes": (enumerated((2, 3, 1)), r"is \(2, 3\)"),
    "a range that does not hold it": (ranged((3, 9), (3, 3)), r"\(3\.\.9, 3\), is \(2, 3\)"),
    "a range of other axes": (ranged((1, 9)), r"is \(2, 3\)"),
}
PICTURES = {
    "another size": (set_picture(width=30), r"a, RGB \(20, 30\), is \(1, 3, 20, 24\)"),
    "grey": (set_picture(colorSpace=GREY), r"a, GRAYSCALE \(20, 24\), is \(1, 3, 20, 24\)"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_described_otherwise_is_refused(path, name):
    change, reason = ARRAYS[name]
    save(path, lambda mb, x: mb.relu(x=x, name="y"), [np.zeros((2, 3))])
    altered(path, change)
    with pytest.raises(InputError, match=rf"than the function main takes it: .*{reason}"):
        Package.load(path)


def test_every_input_that_is_described_otherwise_is_named(path):
    save(path, lambda mb, x, y: mb.add(x=x, y=y, name="z"), [np.zeros(2), np.zeros(2)])

    def change(spec):
        for part in spec.description.input:
            part.type.multiArrayType.shape[:] = [5]

    altered(path, change)
    with pytest.raises(InputError, match=r"\(5,\), is \(2,\); b, fp32 \(5,\), is \(2,\)"):
        Package.load(path)


def test_integers_that_are_described_as_floats_are_refused(path):
    save(path, lambda mb, x: mb.add(x=x, y=1, name="y"), [np.zeros(3, np.int32)])
    altered(path, set_kind("FLOAT32"))
    with pytest.raises(InputError, match=r"a, fp32 \(3,\), is INT32"):
        Package.load(path)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_described_otherwise_is_refused(path, name):
    change, reason = PICTURES[name]
    values = [np.zeros((1, 3, 20, 24))]
    save(path, lambda mb, x: mb.relu(x=x, name="y"), values, inputs=[PICTURE])
    altered(path, change)
    with pytest.raises(InputError, match=reason):
        Package.load(path)


def test_shapes_that_hold_the_functions_are_taken(path):
    x = random(2, 3)
    for change in (enumerated((2, 3), (4, 3)), ranged((1, 9), (3, -1))):
        save(path, lambda mb, x: mb.relu(x=x, name="y"), [x])
        altered(path, change)
        (found,) = Package.load(path).predict({"a": x}).values()
        np.testing.assert_array_equal(found, np.maximum(x, 0))


OUTPUTS = {
    "one of other colours": lambda mb, x: mb.reduce_mean(x=x, axes=[1], keep_dims=True, name="y"),
    "three axes": lambda mb, x: mb.squeeze(x=x, axes=[0], name="y"),
    "two of them": lambda mb, x: mb.concat(values=[x, x], axis=0, name="y"),
    "another size": lambda mb, x: mb.upsample_nearest_neighbor(
        x=x, scale_factor_height=2, scale_factor_width=2, name="y"
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_result_that_is_described_as_another_picture_is_refused_before_it_is_made(path, name):
    save(path, OUTPUTS[name], [np.zeros((1, 3, 20, 24))], inputs=[PICTURE])
    rgb = FEATURES.ImageFeatureType.RGB
    altered(path, set_picture(made, width=24, height=20, colorSpace=rgb))
    with pytest.raises(InputError, match=r"otherwise than the function makes it: y, RGB"):
        Package.load(path)


def pipeline(*networks):
    spec = ct.proto.Model_pb2.Model(specificationVersion=4)
    spec.description.input.append(networks[0].description.input[0])
    spec.description.output.append(networks[-1].description.output[0])
    spec.pipeline.models.extend(networks)
    return spec


def link(taken, given_out):
    """A network of one layer, that copies an array."""
    spec = empty_network({taken: (4,)}, [given_out])
    add_layer(spec.neuralNetwork, "activation", [taken], [given_out], ReLU={})
    return spec


def test_a_pipeline_runs_and_one_with_a_gap_is_refused(tmp_path):
    path = tmp_path / "net.mlmodel"
    path.write_bytes(pipeline(link("a", "b"), link("b", "c")).SerializeToString())
    (found,) = Package.load(path).predict({"a": np.float32([-1, 2, -3, 4])}).values()
    np.testing.assert_array_equal(found, [0, 2, 0, 4])
    path.write_bytes(pipeline(link("a", "b"), link("d", "c")).SerializeToString())
    with pytest.raises(InputError, match=r"net.mlmodel: model 2 of the pipeline takes \['d'\]"):
        Package.load(path)


def test_a_pipeline_that_returns_what_nothing_makes_is_refused(tmp_path):
    path = tmp_path / "net.mlmodel"
    spec = pipeline(link("a", "b"), link("b", "c"))
    spec.description.output[0].name = "d"
    path.write_bytes(spec.SerializeToString())
    with pytest.raises(InputError, match=r"no part of the model makes the outputs \['d'\]"):
        Package.load(path)


@pytest.mark.parametrize("count", [1, 2])
def test_a_regressors_number_has_no_axes(tmp_path, count):
    path = tmp_path / "net.mlmodel"
    spec = empty_network({"x": (4,)}, ["y"])
    sizes = {"inputChannels": 4, "outputChannels": count, "weights": np.ones((count, 4))}
    add_layer(spec.neuralNetwork, "innerProduct", ["x"], ["y"], **sizes)
    made(spec).doubleType.SetInParent()
    path.write_bytes(spec.SerializeToString())
    package = Package.load(path)
    if count == 1:
        found = package.predict({"x": np.float32([1, 2, 3, 4])})["y"]
        assert found.shape == () and found == 10
    else:
        with pytest.raises(InputError, match="y is described as one number, but the model makes"):
            package.predict({"x": np.float32([1, 2, 3, 4])})


def suppressed(mb, x):
    """Suppression of iOS 15, whose definition iOS 17 replaced."""
    boxes = np.abs(random(1, 6, 4))
    return mb.non_maximum_suppression(
        boxes=boxes,
        scores=mb.reshape(x=x, shape=[1, 6, 2]),
        iou_threshold=0.4,
        score_threshold=0.1,
        max_boxes=3,
        per_class_suppression=False,
        name="y",
    )[2]


def test_operations_are_those_of_the_functions_opset(path):
    x = random(6, 2)
    save(path, suppressed, [x])
    (expected,) = Package.load(path).predict({"a": x}).values()
    altered(path, lambda spec: setattr(spec, "specificationVersion", 9))  # of iOS 18
    (found,) = Package.load(path).predict({"a": x}).values()
    np.testing.assert_array_equal(found, expected)


def test_compressed_weights_are_those_of_the_functions_opset(path):
    weight, x = random(16, 16), random(1, 16)
    save(path, lambda mb, x: mb.linear(x=x, weight=weight, name="y"), [x], ios=16)
    optimise = ct.optimize.coreml
    with only_errors():
        model = ct.models.MLModel(str(path), skip_model_load=True)
        palette = optimise.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=1)
        small = optimise.palettize_weights(model, optimise.OptimizationConfig(palette))
        small.save(str(path))
    (expected,) = Package.load(path).predict({"a": x}).values()
    altered(path, lambda spec: setattr(spec, "specificationVersion", 9))
    (found,) = Package.load(path).predict({"a": x}).values()
    np.testing.assert_array_equal(found, expected)
    assert lint_package(path) is not None


def bound(spec):
    """Bind what constants hold where it is used, as other writers of the format do."""
    for function in spec.mlProgram.functions.values():
        bound_in(function.block_specializations[function.opset], {})


def bound_in(block, outer):
    constants = {
        operation.outputs[0].name: operation.attributes["val"]
        for operation in block.operations
        if operation.type == "const"
    }
    values = outer | constants
    kept = [operation for operation in block.operations if operation.type != "const"]
    for operation in kept:
        for inner in operation.blocks:
            bound_in(inner, values)
        for given_in in operation.inputs.values():
            for argument in given_in.arguments:
                if argument.name in values:
                    argument.value.CopyFrom(values[argument.name])
    copies = [type(one).FromString(one.SerializeToString()) for one in kept]
    del block.operations[:]
    block.operations.extend(copies)


def test_weights_may_be_bound_to_the_operation_that_takes_them(path):
    weight, x = random(64, 4), random(1, 4)

    def build(mb, x):
        return mb.mul(x=mb.linear(x=x, weight=weight), y=2.0, name="y")

    save(path, build, [x])
    altered(path, bound)
    (found,) = Package.load(path).predict({"a": x}).values()
    np.testing.assert_allclose(found, 2 * x @ weight.T, rtol=1e-5)
    with pytest.raises(InputError, match="weight.bin is missing"):
        next(path.rglob("weight.bin")).unlink()
        Package.load(path)


def test_weights_may_be_bound_in_branches_and_to_what_makes_nothing(path):
    weight, other, x = random(4, 4), random(4, 4, seed=1), random(1, 4)

    def build(mb, x):
        positive = mb.greater(x=mb.reduce_sum(x=x, axes=[0, 1], keep_dims=False), y=0.0)
        return mb.cond(
            pred=positive,
            _true_fn=lambda: mb.linear(x=x, weight=weight),
            _false_fn=lambda: mb.linear(x=x, weight=other),
            name="y",
        )

    save(path, build, [x])
    altered(path, bound)
    for given_x in (np.abs(x), -np.abs(x)):
        (found,) = Package.load(path).predict({"a": given_x}).values()
        held = weight if given_x.sum() > 0 else other
        np.testing.assert_allclose(found, given_x @ held.T, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda spec: given(spec).stringType.SetInParent(), "a, a string, is an array"),
        (lambda spec: given(spec).int64Type.SetInParent(), "a, a int64, is an array"),
        (lambda spec: made(spec).dictionaryType.SetInParent(), "y, a dictionary, is an array"),
        (lambda spec: made(spec).multiArrayType.shape.__setitem__(0, 7), r"is \(2, 3\)"),
        (
            lambda spec: setattr(made(spec).multiArrayType, "dataType", INT32),
            r"y, int32 \(2, 3\), is FLOAT32",
        ),
    ],
)
def test_what_is_described_as_of_another_kind_is_refused(path, change, reason):
    save(path, lambda mb, x: mb.relu(x=x, name="y"), [np.zeros((2, 3))])
    altered(path, change)
    with pytest.raises(InputError, match=reason):
        Package.load(path)


STATES = {
    "a longer one": (lambda k: k.shape.__setitem__(1, 9), r"k, fp16 \(1, 9\), is \(1, 8\)"),
    "none of that size": (lambda k: k.shape.__setitem__(0, -1), r"k, fp16 \(-1, 8\), is"),
    "integers": (lambda k: setattr(k, "dataType", INT32), r"k, int32 \(1, 8\), is FLOAT16"),
}


def stateful(path):
    """Save a program that adds its input to a state."""
    mb = builder()
    half = mil_type("fp16")
    specs = [mb.TensorSpec((1, 8), dtype=half), mb.StateTensorSpec((1, 8), dtype=half)]
    with only_errors():

        @mb.program(input_specs=specs, opset_version=ct.target.iOS18)
        def program(x, k):
            total = mb.add(x=x, y=mb.read_state(input=k), name="y")
            mb.coreml_update_state(state=k, value=total)
            return total

        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS18,
            skip_model_load=True,
        )
    save_package(model, path)
    return path


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_is_described_otherwise_is_refused(path, name):
    change, reason = STATES[name]
    stateful(path)
    altered(path, lambda spec: change(spec.description.state[0].type.stateType.arrayType))
    with pytest.raises(InputError, match=reason):
        Package.load(path)


def test_a_state_that_is_described_as_an_input_is_refused(path):
    def change(spec):
        array = spec.description.input.add(name="k").type.multiArrayType
        array.CopyFrom(spec.description.state[0].type.stateType.arrayType)
        del spec.description.state[:]

    altered(stateful(path), change)
    with pytest.raises(InputError, match="the function main takes it: k is a state"):
        Package.load(path)


def test_pictures_that_share_their_sides_may_be_flexible(path):
    from coremltools.converters.mil.mil import get_new_symbol

    mb = builder()
    height, width = get_new_symbol(), get_new_symbol()
    specs = [mb.TensorSpec(shape=(1, 3, height, width)) for _ in "ab"]
    size = ct.Shape((1, 3, ct.RangeDim(8, 40, default=20), ct.RangeDim(8, 40, default=24)))
    with only_errors():

        @mb.program(input_specs=specs, opset_version=ct.target.iOS17)
        def program(a, b):
            where = mb.cast(x=mb.clip(x=b, alpha=0.0, beta=2.0), dtype="int32")
            return mb.scatter_along_axis(
                data=a, indices=where, updates=b, axis=1, mode="update", name="y"
            )

        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=[ct.ImageType(name=name, shape=size) for name in "ab"],
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
    save_package(model, path)
    pixels = np.random.default_rng(0).integers(0, 3, (2, 12, 30, 3), dtype=np.uint8)
    (found,) = Package.load(path).predict({"a": pixels[0], "b": pixels[1]}).values()
    expected = pixels[0].transpose(2, 0, 1).astype(np.float32)
    values = pixels[1].transpose(2, 0, 1).astype(np.int64)
    for channel in range(3):
        np.put_along_axis(expected, values[channel][None], values[channel][None], axis=0)
    np.testing.assert_array_equal(found[0], expected)


def test_words_for_readers_do_not_matter(path):
    def change(spec):
        spec.mlProgram.docString = "a net"
        for function in spec.mlProgram.functions.values():
            for operation in function.block_specializations[function.opset].operations:
                for value in operation.attributes.values():
                    value.docString = "a value"

    x = random(2, 3)
    save(path, lambda mb, x: mb.add(x=x, y=1.0, name="y"), [x])
    altered(path, change)
    np.testing.assert_allclose(Package.load(path).predict({"a": x})["y"], x + 1)


def test_of_classes_of_one_label_the_likeliest_counts(path):
    x = np.log(np.float32([[1, 6, 3]]))
    options = {"classifier_config": ct.ClassifierConfig(["crane", "crane", "heron"])}
    save(path, lambda mb, x: mb.softmax(x=x, axis=1, name="y"), [x], **options)
    found = Package.load(path).predict({"a": x})
    (probabilities,) = (value for value in found.values() if isinstance(value, dict))
    assert probabilities == pytest.approx({"crane": 0.6, "heron": 0.3})
