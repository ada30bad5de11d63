"""Time the models on this host, and model their times on Apple's chips: `evaluate.py speed`.

By itself, so that qualities are measured on any host and times stay those of one.

Reads   build/prepared/test, models/tflite, models/frozen
Params  evaluate.latency_runs, capture
Writes  metrics/latency.json, metrics/devices.json
Takes   some minutes, in which nothing else may use the cores
"""

from meishi import paths, reporting
from meishi.benchmark import capture_speed
from meishi.coreml.freeze import read_frozen_pb
from meishi.data.shards import ShardReader
from meishi.evaluation import cost, device_model, latency
from meishi.params import load_params


def run() -> None:
    """Run the step."""
    params = load_params("evaluate.latency_runs", "capture")
    runs = params.evaluate.latency_runs
    graphs = {name: paths.FROZEN / f"{name}.pb" for name in capture_speed.NETS}
    files = {
        name: {"frozen_pb": graph, "tflite": paths.TFLITE / f"{name}.tflite"}
        for name, graph in graphs.items()
    }
    frames = capture_speed.full_frames(ShardReader(paths.TEST))
    times = latency.measure(files, runs)
    for name, live in (("capture", False), ("live", True)):
        times[name] = capture_speed.measure_capture(paths.MODELS, paths.FROZEN, frames, runs, live)
    reporting.write_metrics(paths.METRICS / "latency.json", times)
    macs = {name: cost.macs_by_kind(read_frozen_pb(graph)) for name, graph in graphs.items()}
    often = capture_speed.network_runs(params.capture)
    reporting.write_metrics(paths.METRICS / "devices.json", device_model.estimate(macs, often))
