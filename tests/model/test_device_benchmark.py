"""Core ML's times, with a stand-in for what only macOS has. The real thing was never run here."""

import json
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
from coremltools.models import compute_plan
from coremltools.models.ml_program.experimental import perf_utils, remote_device
from typer.testing import CliRunner

from meishi.cli import app
from meishi.coreml.toolkit import ct
from meishi.errors import InputError
from meishi.packages import device_benchmark
from meishi.packages.device_benchmark import UNITS, benchmark, example_inputs
from tests.model.coreml_programs import random, save

pytestmark = pytest.mark.tf


class MLNeuralEngineComputeDevice:
    """Named as coremltools names it."""


class MLCPUComputeDevice:
    """The other."""


def operation(name):
    return SimpleNamespace(operator_name=f"ios15.{name}")


def program(*names):
    block = SimpleNamespace(operations=[operation(name) for name in names])
    function = SimpleNamespace(block=block)
    return SimpleNamespace(
        pipeline=None, neuralnetwork=None, program=SimpleNamespace(functions={"main": function})
    )


def plan_of(structure):
    def usage(found):
        if found.operator_name == "ios15.odd":
            return None
        on_cpu = found.operator_name == "ios15.gather"
        device = MLCPUComputeDevice() if on_cpu else MLNeuralEngineComputeDevice()
        return SimpleNamespace(preferred_compute_device=device)

    return SimpleNamespace(
        model_structure=structure, get_compute_device_usage_for_mlprogram_operation=usage
    )


@pytest.fixture
def package(tmp_path):
    return save(tmp_path / "net.mlpackage", lambda mb, x: mb.relu(x=x), [random(1, 3, 4, 4)])


@pytest.fixture
def mac(monkeypatch):
    """A Mac without a GPU and with one iPhone; its calls have coremltools' signatures."""
    seen = SimpleNamespace(predictions=[], plans=[], devices=[], iterations=[])
    real = ct.models.MLModel

    def load(model, **options):
        units = options["compute_units"]
        if units == ct.ComputeUnit.CPU_AND_GPU:
            raise RuntimeError("no GPU")
        fake = create_autospec(real, instance=True)
        fake.predict.side_effect = lambda inputs, **_: seen.predictions.append((units, inputs))
        fake.get_compiled_model_path.return_value = "/compiled"
        return fake

    class Benchmarker:
        def __init__(self, model, device=None):
            seen.devices.append(device)

        async def benchmark_load(self, iterations=1):
            return SimpleNamespace(samples=[12.0])

        async def benchmark_predict(self, inputs=None, iterations=1, warmup=False):
            assert inputs and warmup
            seen.iterations.append(iterations)
            return SimpleNamespace(samples=[2.0] * iterations)

    class Phone(SimpleNamespace):
        async def prepare_for_model_debugging(self):
            return "prepared"

    def planned(path, compute_units):
        seen.plans.append((path, compute_units))
        return plan_of(program("const", "conv", "relu", "gather", "odd"))

    monkeypatch.setattr(device_benchmark.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(device_benchmark, "_asked", lambda *_: "Apple M9")
    monkeypatch.setattr(ct.models, "MLModel", load)
    monkeypatch.setattr(perf_utils, "MLModelBenchmarker", Benchmarker)
    loading = create_autospec(compute_plan.MLComputePlan.load_from_path, side_effect=planned)
    monkeypatch.setattr(compute_plan.MLComputePlan, "load_from_path", loading)
    phones = [Phone(name="Desk phone", os_version="19.1")]
    finding = create_autospec(remote_device.Device.get_connected_devices, return_value=phones)
    monkeypatch.setattr(remote_device.Device, "get_connected_devices", finding)
    return seen


def test_each_set_of_units_is_timed_placed_and_labelled(package, mac):
    found = benchmark(package, runs=3)
    assert (found["kind"], found["package"]) == ("measured by Core ML", "net.mlpackage")
    assert found["device"]["chip"] == "Apple M9"
    assert tuple(found["units"]) == UNITS
    for unit in ("CPU_ONLY", "CPU_AND_NE", "ALL"):
        row = found["units"][unit]
        assert set(row["times"]) == {"p50_ms", "p95_ms", "fps", "cpu_s"}
        assert row["core_ml"]["times"] == {"p50_ms": 2.0, "p95_ms": 2.0, "fps": 500.0}
        assert row["placement"] == {"CPU": 1, "NeuralEngine": 2, "not told": 1}
        timed = [units for units, _ in mac.predictions if units == ct.ComputeUnit[unit]]
        assert len(timed) == 3 + device_benchmark.WARM_UP_RUNS
    assert {path for path, _ in mac.plans} == {"/compiled"}
    json.dumps(found)


def test_units_that_do_not_work_say_why_and_the_others_are_measured(package, mac):
    assert benchmark(package, 1)["units"]["CPU_AND_GPU"] == {"failed": "RuntimeError: no GPU"}


def test_a_plugged_phone_is_named_and_timed_by_core_ml(package, mac):
    phones = benchmark(package, 4)["phones"]
    (row,) = phones.values()
    assert list(phones) == ["Desk phone, iOS 19.1"]
    assert row["core_ml"]["times"]["fps"] == 500.0
    assert mac.devices[-1] == "prepared" and mac.iterations[-1] == 4


def test_without_xcode_there_is_no_phone_but_a_reason(package, mac, monkeypatch):
    def broken(_):
        raise FileNotFoundError("devicectl")

    monkeypatch.setattr(remote_device.Device, "get_connected_devices", broken)
    assert benchmark(package, 1)["phones"] == {"none": {"failed": "FileNotFoundError: devicectl"}}


def test_a_package_that_nothing_runs_is_refused(package, mac, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("will not compile")

    monkeypatch.setattr(ct.models, "MLModel", broken)
    with pytest.raises(InputError, match="no compute unit runs it: RuntimeError: will not compile"):
        benchmark(package, 1)


def test_a_pipeline_is_placed_part_by_part():
    parts = [("a", program("conv")), ("b", program("gather", "const"))]
    both = SimpleNamespace(pipeline=SimpleNamespace(sub_models=parts), program=None)
    plan = plan_of(both)
    kinds = [
        type(usage.preferred_compute_device).__name__
        for usage in device_benchmark._usages(plan, both)
    ]
    assert kinds == ["MLNeuralEngineComputeDevice", "MLCPUComputeDevice"]


def test_inputs_are_made_up_and_optional_ones_left_out():
    spec = ct.proto.Model_pb2.Model()
    image = spec.description.input.add(name="image").type.imageType
    image.width, image.height = 6, 4
    image.colorSpace = ct.proto.FeatureTypes_pb2.ImageFeatureType.RGB
    array = spec.description.input.add(name="array").type.multiArrayType
    array.shape.extend([1, 2])
    array.dataType = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    threshold = spec.description.input.add(name="iouThreshold")
    threshold.type.doubleType.SetInParent()
    threshold.type.isOptional = True
    made = example_inputs(spec)
    assert set(made) == {"image", "array"}
    assert made["image"].size == (6, 4) and made["array"].shape == (1, 2)


def test_off_macos_it_is_refused_with_the_reason(package):
    with pytest.raises(InputError, match="Core ML runs on macOS only, this is Linux"):
        benchmark(package, 1)


def test_the_command_writes_what_was_measured(package, mac, tmp_path):
    out = tmp_path / "times.json"
    result = CliRunner().invoke(
        app, ["bench-coreml", str(package), "--out", str(out), "--runs", "2"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())[str(package)]["kind"] == "measured by Core ML"


def test_the_benchmarker_of_coremltools_cannot_make_up_pictures():
    """The reason for `example_inputs`; when this fails, it may go."""
    spec = ct.proto.Model_pb2.Model()
    spec.description.input.add(name="image").type.imageType.width = 4
    with pytest.raises(ValueError, match="Unsupported feature type"):
        perf_utils._gen_random_inputs(spec.description)
