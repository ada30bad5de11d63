"""Programs that the format has and coremltools' loader alone would refuse, or run wrongly."""

import json

import numpy as np
import pytest

from meishi.coreml.package import save_package
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from tests.model.coreml_programs import TARGETS, altered, builder, mil_type, random, run, save
from tests.model.coreml_references import slow_conv

pytestmark = pytest.mark.tf
MIL = ct.proto.MIL_pb2

X = random(1, 4, 6, 5).astype(np.float16).astype(np.float32)
MEAN, VARIANCE, GAMMA, BETA = (np.float16([a, a + 0.5, a + 1, a + 2]) for a in (-1, 1, 2, 3))


def per_channel(values):
    return values.astype(np.float32).reshape(1, 4, 1, 1)


def normalised(mean, variance):
    return (X - mean) / np.sqrt(variance + 1e-5)


def batch_norm(mb, x, of):
    arrays = {"mean": MEAN, "variance": VARIANCE, "gamma": GAMMA, "beta": BETA}
    return mb.batch_norm(x=x, **{name: of(values) for name, values in arrays.items()})


def instance_norm(mb, x, of):
    return mb.instance_norm(x=x, gamma=of(GAMMA), beta=of(BETA))


def layer_norm(mb, x, of):
    return mb.layer_norm(x=x, axes=[1], gamma=of(GAMMA), beta=of(BETA))


def local_response_norm(mb, x, of):
    return mb.local_response_norm(x=x, size=1, alpha=of(np.float16(0.5)), beta=of(np.float16(0.5)))


NORMS = {
    batch_norm: normalised(per_channel(MEAN), per_channel(VARIANCE)),
    instance_norm: normalised(X.mean((2, 3), keepdims=True), X.var((2, 3), keepdims=True)),
    layer_norm: normalised(X.mean(1, keepdims=True), X.var(1, keepdims=True)),
}


EXPECTED = {norm: of_one * per_channel(GAMMA) + per_channel(BETA) for norm, of_one in NORMS.items()}
EXPECTED[local_response_norm] = X / np.sqrt(1 + 0.5 * X**2)


def saved_norm(path, norm, kind, parameters):
    mb = builder()
    inputs = [mb.TensorSpec((1, 4, 6, 5), dtype=mil_type(kind))]
    with only_errors():
        program = mb.program(input_specs=inputs, opset_version=TARGETS[17])(
            lambda x: norm(mb, x, lambda values: values.astype(parameters))
        )
        model = ct.convert(
            program,
            minimum_deployment_target=TARGETS[17],
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
    save_package(model, path)
    return Package.load(path)


@pytest.mark.parametrize("parameters", [np.float16, np.float32])
@pytest.mark.parametrize("kind", ["fp16", "fp32"])
@pytest.mark.parametrize("norm", EXPECTED)
def test_a_default_in_float32_goes_with_parameters_of_either_type(tmp_path, norm, kind, parameters):
    found = saved_norm(tmp_path / "norm.mlpackage", norm, kind, parameters).predict({"x": X})
    np.testing.assert_allclose(next(iter(found.values())), EXPECTED[norm], atol=2e-5)


@pytest.fixture
def path(tmp_path):
    weight = random(4, 3, 3, 3)
    return save(
        tmp_path / "net.mlpackage",
        lambda mb, x: mb.relu(x=mb.conv(x=x, weight=weight), name="y"),
        [random(1, 3, 8, 8)],
    )


def note():
    value = MIL.Value()
    value.type.tensorType.dataType = MIL.STRING
    value.immediateValue.tensor.strings.values.append("a note")
    return value


def noted(place):
    """Let each part of a kind carry a note."""

    def change(spec):
        program = spec.mlProgram
        function = program.functions["main"]
        block = function.block_specializations[function.opset]
        of_operations = [part for part in block.operations if part.type != "const"]
        constants = [part for part in block.operations if part.type == "const"]
        parts = {
            "program": [program],
            "function": [function],
            "block": [block],
            "operations": of_operations,
            "constants": constants,
        }
        assert parts[place]
        for part in parts[place]:
            part.attributes["debug_id"].CopyFrom(note())

    return change


@pytest.mark.parametrize("place", ["program", "function", "block", "operations", "constants"])
def test_notes_on_parts_of_a_program_change_nothing(path, place):
    x = {"a": random(1, 3, 8, 8)}
    package = Package.load(path)
    x = dict(zip(package.inputs, x.values(), strict=True))
    before = package.predict(x)["y"]
    altered(path, noted(place))
    np.testing.assert_array_equal(Package.load(path).predict(x)["y"], before)


def test_a_manifest_may_begin_with_the_mark_of_windows_editors(path):
    manifest = path / "Manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content), encoding="utf-8-sig")
    assert Package.load(path).outputs


DATA, UPDATES = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[5, 6, 7], [8, 9, 10]])
INDEXED = {
    "scatter": (
        lambda mb, x, i, how: mb.scatter(data=x, indices=i, updates=UPDATES, **how),
        [-1, 0],
    ),
    "scatter_nd": (
        lambda mb, x, i, how: mb.scatter_nd(data=x, indices=i, updates=UPDATES[0, :2], **how),
        [[1, 0], [0, -1]],
    ),
    "scatter_along_axis": (
        lambda mb, x, i, how: mb.scatter_along_axis(data=x, indices=i, updates=UPDATES, **how),
        [[-1, 0, 1], [1, 1, 0]],
    ),
    "gather": (lambda mb, x, i, how: mb.gather(x=x, indices=i, **how), [-1, 0]),
    "gather_along_axis": (
        lambda mb, x, i, how: mb.gather_along_axis(x=x, indices=i, **how),
        [[-1, 0, 1], [1, 1, 0]],
    ),
}


@pytest.mark.parametrize("name", INDEXED)
def test_a_negative_index_is_out_of_bounds_where_indices_are_validated(tmp_path, name):
    build, indices = INDEXED[name]
    indices = np.int32(indices)

    def found(checked):
        how = {"validate_indices": checked}
        return run(tmp_path, lambda mb, x, i: build(mb, x, i, how), DATA, indices, ios=17)

    from_front = found(False)
    with pytest.raises(InputError, match="cannot be run"):
        found(True)
    indices = np.where(indices < 0, indices + (3 if name == "scatter_nd" else 2), indices)
    np.testing.assert_array_equal(found(True), from_front)


@pytest.mark.parametrize("mode", ["mul", "div"])
def test_an_index_before_the_first_is_out_of_bounds_in_every_mode(tmp_path, mode):
    def build(mb, x, i):
        return mb.scatter(data=x, indices=i, updates=UPDATES, mode=mode)

    with pytest.raises(InputError, match="out of bounds"):
        run(tmp_path, build, DATA, np.int32([-3, 0]))


@pytest.mark.parametrize(
    ("kernel", "strides", "size"),
    [((1, 1, 3), (1, 1, 2), (10, 10, 4)), ((3, 3, 3), (1, 1, 2), (16, 16, 4)),
     ((1, 7, 7), (1, 1, 2), (12, 11, 8)), ((1, 1, 3), (1, 1, 3), (10, 10, 3))],
)  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_over_three_axes_leaves_out_what_no_window_reaches(
    tmp_path, kernel, strides, size, groups
):
    x, weight = random(1, groups, *size), random(2 * groups, 1, *kernel)
    found = run(
        tmp_path, lambda mb, x: mb.conv(x=x, weight=weight, strides=strides, groups=groups), x
    )
    expected = slow_conv(x, weight, strides, (1, 1, 1), groups)
    np.testing.assert_allclose(found, expected, atol=1e-4)
