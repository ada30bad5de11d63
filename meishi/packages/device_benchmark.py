"""Core ML's own times and placements of a package, on a Mac and on iPhones plugged into it.

**Never run by its authors, who have no Mac**: written against coremltools 9, and tested with a
stand-in that has its signatures. For each set of compute units the package is loaded and timed
here; `MLModelBenchmarker` times load and prediction inside Core ML; `MLComputePlan` tells which
unit each operation prefers. `MLModelBenchmarker` makes up its own inputs, but no pictures (it
compares the wrong variable in coremltools 9): inputs are made here. What coremltools' app on a
phone makes of a picture is not known: a row that says "failed" then holds its reason.
"""

import asyncio
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from meishi.coreml.checks import description
from meishi.coreml.features import Feature
from meishi.coreml.package import read_spec
from meishi.coreml.toolkit import ct
from meishi.errors import InputError
from meishi.profiling.timing import summary

KIND = "measured by Core ML"
UNITS = ("CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE", "ALL")
WARM_UP_RUNS = 5


def benchmark(path: Path | str, runs: int) -> dict[str, Any]:
    """Time a package on every set of compute units of this Mac, and on connected iPhones.

    Args:
        path: an `.mlpackage` folder.
        runs: timed predictions of each.

    Returns:
        {"kind", "package", "device", "runs", "units": {name: row}, "phones": {name: row}}. A row
        holds "times" as `timing.summary` gives them with "cpu_s" (the mean), "load_ms", "core_ml"
        (Core ML's own clock) and "placement" (operations by the unit they prefer); or "failed".

    Raises:
        InputError: off macOS, for a damaged package, or if no set of units works.
    """
    if platform.system() != "Darwin":
        raise InputError(
            f"{path}: Core ML runs on macOS only, this is {platform.system()}: take the file that "
            "the macOS workflow uploads; `meishi predict` runs packages here, but not at a phone's "
            "speed"
        )
    if runs < 1:
        raise InputError(f"{path}: expected at least one run, got {runs}")
    path = Path(path)
    spec, _ = read_spec(path)
    inputs = example_inputs(spec)
    units = {unit: _tried(_on_this_mac, path, unit, inputs, runs) for unit in UNITS}
    if all("failed" in row for row in units.values()):
        raise InputError(f"{path}: no compute unit runs it: {units['ALL']['failed']}")
    return {
        "kind": KIND,
        "package": path.name,
        "device": _this_mac(),
        "runs": runs,
        "units": units,
        "phones": _on_phones(path, inputs, runs),
    }


def example_inputs(spec) -> dict[str, Any]:
    """Make up inputs: noise of the default shapes; what may be left out is."""
    random = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for part in description(spec).input:
        feature = Feature.from_spec(part)
        if feature.optional:
            continue
        if feature.kind == "image":
            shape = feature.shape if feature.is_grey else (*feature.shape, 3)
            made[feature.name] = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8))
        elif feature.kind == "array":
            made[feature.name] = random.random(feature.shape).astype(np.float32)
        else:
            raise InputError(f"{feature.name}: cannot make up an input of kind {feature.kind}")
    return made


def _tried(measure: Callable[..., dict], *args) -> dict[str, Any]:
    """Measure, or say why not: a runner without a GPU still tells of the other units."""
    try:
        return measure(*args)
    except Exception as error:  # Core ML raises whatever; the row holds the reason
        return {"failed": f"{type(error).__name__}: {error}"}


def _on_this_mac(path: Path, unit: str, inputs: dict, runs: int) -> dict[str, Any]:
    units = ct.ComputeUnit[unit]
    start = time.perf_counter()
    model = ct.models.MLModel(str(path), compute_units=units)
    load_ms = (time.perf_counter() - start) * 1000.0
    for _ in range(WARM_UP_RUNS):
        model.predict(inputs)
    wall, processor = zip(*(_timed(model, inputs) for _ in range(runs)), strict=True)
    return {
        "times": summary(list(wall)) | {"cpu_s": round(float(np.mean(processor)), 5)},
        "load_ms": round(load_ms, 1),
        "core_ml": _tried(_benchmarked, model, inputs, runs),
        "placement": _tried(_placement, model.get_compiled_model_path(), units),
    }


def _timed(model, inputs: dict) -> tuple[float, float]:
    start, processor = time.perf_counter(), time.process_time()
    model.predict(inputs)
    return (time.perf_counter() - start) * 1000.0, time.process_time() - processor


def _benchmarked(model, inputs: dict, runs: int, device=None) -> dict[str, Any]:
    from coremltools.models.ml_program.experimental.perf_utils import MLModelBenchmarker

    async def both():
        prepared = None if device is None else await device.prepare_for_model_debugging()
        benchmarker = MLModelBenchmarker(model, prepared)
        load = await benchmarker.benchmark_load(iterations=1)
        predict = await benchmarker.benchmark_predict(inputs, iterations=runs, warmup=True)
        return load.samples, predict.samples

    load, predict = asyncio.run(both())
    return {"load_ms": round(load[0], 1), "times": summary(predict)}


def _placement(compiled: str, units) -> dict[str, int]:
    """Count the operations of a plan by the unit that Core ML prefers for them."""
    from coremltools.models.compute_plan import MLComputePlan

    plan = MLComputePlan.load_from_path(compiled, compute_units=units)
    names: Counter[str] = Counter()
    for usage in _usages(plan, plan.model_structure):
        device = usage.preferred_compute_device if usage else None
        names[type(device).__name__.removeprefix("ML").removesuffix("ComputeDevice")] += 1
    return {name.replace("NoneType", "not told"): count for name, count in sorted(names.items())}


def _usages(plan, structure) -> Iterator:
    if structure.pipeline is not None:
        for _, part in structure.pipeline.sub_models:
            yield from _usages(plan, part)
    elif structure.program is not None:
        for function in structure.program.functions.values():
            for operation in function.block.operations:
                if operation.operator_name.rsplit(".", 1)[-1] != "const":
                    yield plan.get_compute_device_usage_for_mlprogram_operation(operation)
    elif structure.neuralnetwork is not None:
        for layer in structure.neuralnetwork.layers:
            yield plan.get_compute_device_usage_for_neuralnetwork_layer(layer)


def _on_phones(path: Path, inputs: dict, runs: int) -> dict[str, Any]:
    """Time the package on connected iPhones; coremltools puts its own app on them to do so."""
    from coremltools.models.ml_program.experimental.remote_device import Device, DeviceType

    try:
        devices = Device.get_connected_devices(DeviceType.IPHONE)
    except Exception as error:  # no Xcode, no devicectl: no phone
        return {"none": {"failed": f"{type(error).__name__}: {error}"}}
    return {
        f"{device.name}, iOS {device.os_version}": _tried(_on_phone, device, path, inputs, runs)
        for device in devices
    }


def _on_phone(device, path: Path, inputs: dict, runs: int) -> dict[str, Any]:
    model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.ALL)
    return {"core_ml": _benchmarked(model, inputs, runs, device)}


def _this_mac() -> dict[str, str]:
    return {
        "chip": _asked("sysctl", "-n", "machdep.cpu.brand_string"),
        "model": _asked("sysctl", "-n", "hw.model"),
        "system": f"macOS {platform.mac_ver()[0]}",
        "coremltools": version("coremltools"),
    }


def _asked(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
