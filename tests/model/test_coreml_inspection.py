"""What `meishi inspect` counts, against counts by hand, and what it says that it leaves out."""

import numpy as np
import pytest

from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct
from meishi.errors import InputError
from meishi.packages.inspection import inspect
from meishi.packages.lint import lint_package
from tests.model.coreml_programs import random, save

pytestmark = pytest.mark.tf
ZEROS = np.zeros((1, 8), np.float32)


def small(*shape):
    return random(*shape).astype(np.float32)


def lstm(mb, x):
    weights = {"weight_ih": small(32, 4), "weight_hh": small(32, 8)}
    return mb.lstm(x=x, initial_h=ZEROS, initial_c=ZEROS, **weights, name="layer")[0]


def gru(mb, x):
    return mb.gru(
        x=x, initial_h=ZEROS, weight_ih=small(24, 4), weight_hh=small(24, 8), name="layer"
    )[0]


def loop(mb, x):
    return mb.while_loop(
        _cond=lambda i, h: mb.less(x=i, y=np.int32(5)),
        _body=lambda i, h: (mb.add(x=i, y=np.int32(1)), mb.add(x=h, y=x)),
        loop_vars=(np.int32(0), small(1, 3)),
        name="layer",
    )[1]


def listing(mb, x):
    made = mb.make_list(init_length=5, dynamic_length=False, elem_shape=(1, 3))
    filled = mb.while_loop(
        _cond=lambda i, ls: mb.less(x=i, y=np.int32(5)),
        _body=lambda i, ls: (mb.add(x=i, y=np.int32(1)), mb.list_write(ls=ls, index=i, value=x)),
        loop_vars=(np.int32(0), made),
    )[1]
    return mb.list_gather(ls=filled, indices=[1, 0])


COUNTED = {
    "a transposed convolution of an input": (
        lambda mb, x: mb.conv_transpose(x=x, weight=small(8, 4, 4, 4), strides=[2, 2]),
        [small(1, 8, 4, 4)],
        8 * 4 * 4 * 4 * 4 * 4,
    ),
    "a product of inputs": (
        lambda mb, a, b: mb.matmul(x=a, y=b),
        [small(1, 50, 32), small(1, 32, 60)],
        50 * 60 * 32,
    ),
    "a product of inputs, the second turned": (
        lambda mb, a, b: mb.matmul(x=a, y=b, transpose_y=True),
        [small(1, 50, 32), small(1, 60, 32)],
        50 * 60 * 32,
    ),
    "an LSTM": (lstm, [small(5, 1, 4)], 5 * 32 * (4 + 8)),
    "a GRU": (gru, [small(5, 1, 4)], 5 * 24 * (4 + 8)),
    "attention": (
        lambda mb, q, k: mb.scaled_dot_product_attention(query=q, key=k, value=k),
        [small(1, 2, 16, 8), small(1, 2, 10, 8)],
        2 * 16 * 10 * 8 * 2,
    ),
}


def described(tmp_path, function, values):
    return inspect(save(tmp_path / "net.mlpackage", function, values, 18))


@pytest.mark.parametrize("name", COUNTED)
def test_multiply_adds_are_those_of_a_count_by_hand(tmp_path, name):
    function, values, macs = COUNTED[name]
    (model,) = described(tmp_path, function, values)["models"]
    assert model["macs"] == macs and model["macs_unknown"] == []


def test_a_loop_that_starts_with_constants_of_several_shapes_is_read(tmp_path):
    found = described(tmp_path, loop, [small(1, 3)])
    assert len(found["models"][0]["macs_unknown"]) == 1  # its body would count once
    assert any("control flow" in finding["reason"] for finding in found["lint"]["findings"])


def test_a_list_of_tensors_is_read(tmp_path):
    (model,) = described(tmp_path, listing, [small(1, 3)])["models"]
    assert model["operations"]["list_write"] == 1 and model["refused"] is None


def test_only_the_function_that_runs_is_linted(tmp_path):
    from coremltools.models.utils import MultiFunctionDescriptor, save_multifunction

    paths = [
        save(tmp_path / f"{name}.mlpackage", function, [small(1, 4)], 18)
        for name, function in (
            ("first", lambda mb, x: mb.relu(x=x)),
            ("second", lambda mb, x: mb.sin(x=mb.relu(x=x))),
        )
    ]
    both = MultiFunctionDescriptor()
    for path in paths:
        both.add_function(str(path), "main", path.stem)
    both.default_function_name = "first"
    save_multifunction(both, str(tmp_path / "both.mlpackage"))
    found = inspect(tmp_path / "both.mlpackage")
    assert found["function"] == "first"
    reasons = [finding["reason"] for finding in found["lint"]["findings"]]
    assert any("as 1 operations do" in reason for reason in reasons)


def respecified(path, change):
    (file,) = path.rglob("*.mlmodel")
    spec = ct.proto.Model_pb2.Model.FromString(file.read_bytes())
    change(spec)
    file.write_bytes(spec.SerializeToString())
    return path


def test_a_kind_of_numbers_that_is_unknown_is_said_so(tmp_path):
    path = save(tmp_path / "net.mlpackage", lambda mb, x: mb.relu(x=x), [small(1, 4)], 18)

    def unknown(spec):
        spec.description.input[0].type.multiArrayType.dataType = 65599

    (described,) = inspect(respecified(path, unknown))["inputs"]
    assert described["type"] == "unknown kind 65599"


def test_an_operation_that_makes_nothing_is_said_to_be_uncounted(tmp_path):
    function, values, _ = COUNTED["a product of inputs, the second turned"]
    path = save(tmp_path / "net.mlpackage", function, values, 18)

    def emptied(spec):
        (function,) = spec.mlProgram.functions.values()
        block = function.block_specializations[function.opset]
        for operation in block.operations:
            if operation.type == "matmul":
                del operation.outputs[:]

    (model,) = inspect(respecified(path, emptied))["models"]
    assert model["macs_unknown"] == ["matmul"]


def test_a_program_without_a_function_is_refused(tmp_path):
    path = save(tmp_path / "net.mlpackage", lambda mb, x: mb.relu(x=x), [small(1, 4)], 18)
    (file,) = path.rglob("*.mlmodel")
    spec = ct.proto.Model_pb2.Model.FromString(file.read_bytes())
    spec.mlProgram.functions.clear()
    file.write_bytes(spec.SerializeToString())
    with pytest.raises(InputError, match="function"):
        lint_package(path)


def test_a_loop_of_a_network_that_never_ends_on_zeros_is_walked_once(tmp_path):
    network = ct.models.neural_network.NeuralNetworkBuilder(
        [("x", ct.models.datatypes.Array(1))], [("y", None)], disable_rank5_shape_mapping=True
    )
    network.add_copy("first", "x", "value")
    loop = network.spec.neuralNetwork.layers.add(name="loop").loop
    loop.conditionVar = "go"
    for part, name, kind, made in (
        (loop.conditionNetwork, "value", "lessThan", "go"),
        (loop.bodyNetwork, "value", "multiply", "doubled"),
        (loop.bodyNetwork, "doubled", "copy", "value"),
    ):
        layer = part.layers.add(name=made, input=[name], output=[made])
        getattr(layer, kind).SetInParent()
    loop.conditionNetwork.layers[0].lessThan.alpha = 100
    loop.bodyNetwork.layers[0].multiply.alpha = 2
    network.add_copy("last", "value", "y")
    path = tmp_path / "loop.mlmodel"
    path.write_bytes(network.spec.SerializeToString())
    assert inspect(path)["models"][0]["macs_unknown"] == ["loop"]
    assert Package.load(path).predict({"x": np.float32([3])})["y"] == [192]
