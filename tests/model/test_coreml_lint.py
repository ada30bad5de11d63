"""What leaves the Neural Engine is named with its layer; what stays is not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from meishi.coreml.package import save_package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from meishi.packages.engine_rules import reasons
from meishi.packages.inspection import inspect
from meishi.packages.lint import accepted, lint_package, summary
from tests.model.coreml_programs import builder, mil_type, random, save

pytestmark = pytest.mark.tf
IMAGE = random(1, 4, 16, 16)


def converted(tmp_path, function, *values, precision=ct.precision.FLOAT16):
    options = {"compute_precision": precision, "pass_pipeline": ct.PassPipeline()}
    return save(tmp_path / "net.mlpackage", function, values, 16, **options)


def lint(tmp_path, function, *values, **options):
    return lint_package(converted(tmp_path, function, *values, **options))


def conv(mb, x, weight, **options):
    return mb.conv(x=x, weight=weight, pad_type="same", name="layer", **options)


def small(*shape):
    return random(*shape).astype(np.float32)


WEIGHT = small(4, 4, 3, 3)
ALL_STAY = {
    "convolution": lambda mb, x: conv(mb, x, WEIGHT, bias=small(4), strides=[2, 2]),
    "a bias near 0": lambda mb, x: conv(mb, x, WEIGHT, bias=small(4) * 1e-6),
    "depthwise": lambda mb, x: conv(mb, x, small(4, 1, 5, 5), groups=4),
    "relu6": lambda mb, x: mb.relu6(x=x, name="layer"),
    "upsampling by 2": lambda mb, x: mb.upsample_bilinear(
        x=x, scale_factor_height=2.0, scale_factor_width=2.0, name="layer"
    ),
    "transposed by 2": lambda mb, x: mb.conv_transpose(
        x=x, weight=small(4, 4, 2, 2), strides=[2, 2], name="layer"
    ),
    "pooling": lambda mb, x: mb.max_pool(
        x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="same", name="layer"
    ),
    "addition of equals": lambda mb, x: mb.add(x=x, y=mb.relu(x=x), name="layer"),
    "a constant a channel": lambda mb, x: mb.mul(x=x, y=small(1, 4, 1, 1), name="layer"),
    "reshaped": lambda mb, x: mb.reshape(x=x, shape=[1, -1, 4], name="layer"),
}
LEAVES = {
    "dilation": (
        lambda mb, x: conv(mb, x, WEIGHT, dilations=[2, 2]),
        "conv",
        "dilated by 2x2",
    ),
    "kernel": (
        lambda mb, x: conv(mb, x, small(4, 4, 15, 15)),
        "conv",
        "kernel 15x15, 13 at most",
    ),
    "transposed by 4": (
        lambda mb, x: mb.conv_transpose(
            x=x, weight=small(4, 4, 4, 4), strides=[4, 4], name="layer"
        ),
        "conv_transpose",
        "upsampling by 4x4, 2 at most",
    ),
    "pooling kernel": (
        lambda mb, x: mb.avg_pool(
            x=x, kernel_sizes=[14, 14], strides=[1, 1], pad_type="valid", name="layer"
        ),
        "avg_pool",
        "pooling kernel 14x14, 13 at most",
    ),
    "pooling stride": (
        lambda mb, x: mb.max_pool(
            x=x, kernel_sizes=[3, 3], strides=[4, 4], pad_type="valid", name="layer"
        ),
        "max_pool",
        "pooling stride 4x4, 2 at most",
    ),
    "upsampling by 4": (
        lambda mb, x: mb.upsample_nearest_neighbor(
            x=x, scale_factor_height=4.0, scale_factor_width=4.0, name="layer"
        ),
        "upsample_nearest_neighbor",
        "upsampling by 4x4",
    ),
    "resize by 3": (
        lambda mb, x: mb.resize_bilinear(
            x=x, target_size_height=48, target_size_width=16, name="layer"
        ),
        "resize_bilinear",
        "upsampling by 3x1",
    ),
    "squeeze and excite": (
        lambda mb, x: mb.mul(x=x, y=mb.reduce_mean(x=x, axes=[2, 3], keep_dims=True), name="layer"),
        "mul",
        "broadcasts one computed tensor",
    ),
    "gather": (
        lambda mb, x: mb.gather(x=x, indices=[0, 2], axis=1, name="layer"),
        "gather",
        "gathering",
    ),
    "top k": (lambda mb, x: mb.topk(x=x, k=2, axis=1, name="layer")[0], "topk", "no form of it"),
    "cumulative sum": (
        lambda mb, x: mb.cumsum(x=x, axis=1, name="layer"),
        "cumsum",
        "no form of it",
    ),
    "a large constant": (
        lambda mb, x: mb.mul(x=x, y=np.float32(255.0), name="layer"),
        "mul",
        "y: values up to 255, beyond 100",
    ),
    "large weights": (
        lambda mb, x: conv(mb, x, WEIGHT * 1e3),
        "conv",
        "weight: values up to",
    ),
    "small weights": (
        lambda mb, x: conv(mb, x, WEIGHT * 1e-6),
        "conv",
        "weight: no value above",
    ),
}


@pytest.mark.parametrize("function", ALL_STAY.values(), ids=ALL_STAY.keys())
def test_plain_layers_stay(tmp_path, function):
    assert lint(tmp_path, function, IMAGE) == []


@pytest.mark.parametrize(("function", "op", "reason"), LEAVES.values(), ids=LEAVES.keys())
def test_a_layer_that_leaves_is_named(tmp_path, function, op, reason):
    (finding,) = lint(tmp_path, function, IMAGE)
    assert (finding.package, finding.op) == ("net.mlpackage", op)
    assert finding.layer.startswith("layer") and reason in finding.reason
    assert str(finding).startswith(f"net.mlpackage: {finding.layer} ({op}): ")


def test_a_recurrent_layer_is_named(tmp_path):
    sequence = random(5, 1, 3)

    def lstm(mb, x):
        state = np.zeros((1, 2), np.float32)
        return mb.lstm(
            x=x,
            initial_h=state,
            initial_c=state,
            weight_ih=small(8, 3),
            weight_hh=small(8, 2),
            name="layer",
        )[0]

    finding, single = lint(tmp_path, lstm, sequence)
    assert "float32" in single.reason  # coremltools leaves recurrent layers in it
    assert (finding.op, finding.reason) == ("lstm", "recurrent layers run on the CPU")


def test_three_dimensions_are_named(tmp_path):
    (finding,) = lint(
        tmp_path,
        lambda mb, x: mb.conv(x=x, weight=small(2, 4, 3, 3, 3), name="layer"),
        random(1, 4, 5, 5, 5),
    )
    assert "three-dimensional" in finding.reason


def test_an_axis_beyond_the_largest_is_named(tmp_path):
    (finding,) = lint(tmp_path, lambda mb, x: mb.relu(x=x, name="layer"), random(1, 1, 1, 16385))
    assert finding.reason == "an axis of 16385, 16384 at most"
    assert lint(tmp_path, lambda mb, x: mb.relu(x=x, name="layer"), random(1, 1, 1, 16384)) == []


def test_six_axes_are_named():
    # coremltools writes no such program; others may.
    wide = SimpleNamespace(
        op_type="relu", inputs={}, outputs=[SimpleNamespace(shape=(1, 1, 1, 2, 2, 2))]
    )
    assert list(reasons(wide)) == ["rank 6, 5 at most"]


def test_an_argmax_over_a_long_axis_is_named(tmp_path):
    def argmax(mb, x):
        return mb.reduce_argmax(x=x, axis=1, keep_dims=False, name="layer")

    (finding,) = lint(tmp_path, argmax, random(1, 2049))
    assert finding.reason == "over an axis of 2049, 2048 at most"
    assert lint(tmp_path, argmax, random(1, 2048)) == []


def test_a_nested_block_is_looked_into(tmp_path):
    def branches(mb, x):
        return mb.cond(
            pred=mb.greater(x=mb.reduce_sum(x=x, axes=[0], keep_dims=False), y=0.0),
            _true_fn=lambda: mb.cumsum(x=x, axis=0, name="inner"),
            _false_fn=lambda: mb.relu(x=x),
        )

    kinds = {finding.op for finding in lint(tmp_path, branches, random(6))}
    assert kinds == {"cond", "cumsum"}


def test_float32_is_one_finding_however_many_layers(tmp_path):
    def chain(mb, x):
        return mb.sigmoid(x=mb.relu6(x=x, name="first"), name="second")

    (finding,) = lint(tmp_path, chain, IMAGE, precision=ct.precision.FLOAT32)
    assert finding.layer == "first" and "as 2 operations do" in finding.reason


def test_an_epsilon_that_vanishes_is_named(tmp_path):
    def norm(mb, x):
        return mb.layer_norm(x=x, axes=[-1], epsilon=1e-9, name="layer")

    found = lint(tmp_path, norm, IMAGE, precision=ct.precision.FLOAT32)
    assert any("epsilon 1e-09 is 0" in finding.reason for finding in found)


def ranged(tmp_path, upper):
    mb = builder()
    from coremltools.converters.mil.mil import get_new_symbol

    shape = (1, 4, get_new_symbol(), 16)
    spec = mb.TensorSpec(shape=shape, dtype=mil_type("fp32"))
    with only_errors():
        program = mb.program(input_specs=[spec], opset_version=ct.target.iOS16)(
            lambda x: mb.relu(x=x, name="layer")
        )
        (name,) = program.functions["main"].inputs
        size = ct.RangeDim(8, upper, 16) if upper else None
        shapes = (
            ct.Shape((1, 4, size, 16))
            if size
            else ct.EnumeratedShapes([(1, 4, 8, 16), (1, 4, 16, 16)])
        )
        model = ct.convert(
            program,
            inputs=[ct.TensorType(name=name, shape=shapes)],
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
        )
    save_package(model, tmp_path / "net.mlpackage")
    return lint_package(tmp_path / "net.mlpackage")


def test_a_range_of_sizes_is_named_and_sizes_in_a_list_are_not(tmp_path):
    ops = [finding.op for finding in ranged(tmp_path, upper=32)]
    assert ops[0] == "input"
    assert "input" not in [finding.op for finding in ranged(tmp_path, upper=None)]


def network(tmp_path, *layers):
    """Write a neural network of (kind, what is set in it)."""
    spec = ct.proto.Model_pb2.Model(specificationVersion=4)
    for place, (kind, values) in enumerate(layers):
        layer = spec.neuralNetwork.layers.add(name=f"layer{place}", input=["x"], output=["y"])
        getattr(layer, kind).SetInParent()
        for name, value in values.items():
            getattr(getattr(layer, kind), name).extend(value)
    spec.description.SetInParent()
    path = tmp_path / "net.mlmodel"
    path.write_bytes(spec.SerializeToString())
    return lint_package(path)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("convolution", {"dilationFactor": [1, 2]}),
        ("pooling", {"kernelSize": [14, 3]}),
        ("pooling", {"kernelSize": [3, 3], "stride": [3, 3]}),
        ("upsample", {"scalingFactor": [4, 4]}),
        ("addBroadcastable", {}),
        ("concatND", {}),
        ("gatherND", {}),
        ("scatter", {}),
        ("gru", {}),
        ("custom", {}),
        ("topK", {}),
    ],
)
def test_a_layer_of_a_neural_network_is_named(tmp_path, kind, values):
    (finding,) = network(tmp_path, ("convolution", {}), (kind, values))
    assert (finding.package, finding.layer, finding.op) == ("net.mlmodel", "layer1", kind)


def test_plain_layers_of_a_neural_network_stay(tmp_path):
    stay = [
        ("convolution", {"dilationFactor": [1, 1]}),
        ("pooling", {"kernelSize": [3, 3], "stride": [2, 2]}),
        ("upsample", {"scalingFactor": [2, 2]}),
        ("add", {}),
        ("loadConstantND", {}),
    ]
    assert network(tmp_path, *stay) == []


def test_inspect_tells(tmp_path):
    package = converted(tmp_path, LEAVES["gather"][0], IMAGE)
    told = inspect(package)["lint"]
    assert [row["op"] for row in told["findings"]] == ["gather"]
    assert told["accepted"] == []


def test_a_damaged_package_is_refused_and_inspect_still_describes_it(tmp_path):
    package = converted(tmp_path, ALL_STAY["convolution"], IMAGE)
    next(package.rglob("weight.bin")).unlink()
    with pytest.raises(InputError, match=r"net\.mlpackage: weights: weight\.bin is missing"):
        lint_package(package)
    assert "weight.bin is missing" in summary(package)["refused"]


def test_the_packages_that_ship_have_no_finding(root: Path):
    packages = sorted((root / "models/coreml").glob("*.mlpackage"))
    if not packages:
        pytest.skip("models/coreml is not here: dvc checkout")
    assert {str(finding) for package in packages for finding in lint_package(package)} == set()


def test_suppression_is_a_remark_not_a_finding(root: Path):
    package = root / "models/coreml/CardDetector.mlpackage"
    if not package.exists():
        pytest.skip("models/coreml is not here: dvc checkout")
    (remark,) = accepted(package)
    assert remark.op == "nonMaximumSuppression" and "by design" in remark.reason
