"""Timing of the two CPU runtimes: structure and errors, never a speed."""

import pytest

from meishi.coreml.freeze import freeze, write_frozen_pb, write_tflite
from meishi.keras import keras
from meishi.profiling import latency, timing

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latency")
    image = keras.Input((16, 16, 3), name="image")
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    outputs = [keras.layers.Conv2D(2, 1)(x), keras.layers.Conv2D(1, 1)(x)]
    model = keras.Model(image, outputs)
    write_frozen_pb(freeze(model, ["a", "b"]), folder / "net.pb")
    write_tflite(model, ["a", "b"], folder / "net.tflite")
    return {"frozen_pb": folder / "net.pb", "tflite": folder / "net.tflite"}


def test_each_runtime_and_thread_count_is_timed(files):
    result = latency.measure({"net": files}, runs=7)
    assert result["runs"] == 10  # rounded up to whole rounds
    for runtime in ("frozen_pb", "tflite"):
        for threads in ("one_thread", "all_cores"):
            times = result["net"][runtime][threads]
            assert 0 < times["p50_ms"] <= times["p95_ms"]
            assert times["fps"] > 0 and times["cpu_s"] > 0


@pytest.mark.parametrize(
    ("runs", "spread"), [(1, (1, 1)), (3, (1, 3)), (5, (1, 5)), (7, (2, 5)), (50, (10, 5))]
)
def test_runs_are_spread_over_rounds(runs, spread):
    assert timing.rounds_for(runs) == spread


def test_the_host_is_named():
    host = timing.host()
    assert host["cores"] >= 1 and host["cpu"] and host["tensorflow"] and host["ai_edge_litert"]


def test_the_summary_is_of_the_median_run():
    # 1..100 ms: median 50.5, 95th percentile 95.05 (linear), 1000 / 50.5 = 19.8
    assert timing.summary([float(n) for n in range(1, 101)]) == {
        "p50_ms": 50.5,
        "p95_ms": 95.05,
        "fps": 19.8,
    }


def test_a_broken_model_is_named(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"net\.tflite in tflite, 1 thread"):
        latency.measure({"net": {"tflite": tmp_path / "net.tflite"}}, runs=1)


def test_an_unknown_runtime_is_refused(files):
    with pytest.raises(ValueError, match=r"'onnx'; known: frozen_pb, tflite"):
        latency.measure({"net": {"onnx": files["tflite"]}}, runs=1)


def test_no_runs_are_refused(files):
    with pytest.raises(ValueError, match="at least one run, got 0"):
        latency.measure({"net": files}, runs=0)
