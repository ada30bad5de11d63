"""Time a photo on this host, and model times on Apple's chips: `evaluate.py speed_photo`.

A photo's way has the flat segmenter, which no preview runs: when that is trained anew, the times of
a preview stay.

Reads   build/prepared/test, models/tflite, models/frozen
Params  evaluate.latency_runs, capture
Writes  metrics/latency_photo.json, metrics/devices.json
Takes   some minutes, in which nothing else may use the cores
"""

from meishi import paths, reporting
from meishi.benchmark import capture_speed
from meishi.coreml.freeze import read_frozen_pb
from meishi.data.shards import ShardReader
from meishi.evaluation import device_model
from meishi.params import load_params
from meishi.profiling import cost, latency


def run() -> None:
    """Run the step."""
    params = load_params("evaluate.latency_runs", "capture")
    runs = params.evaluate.latency_runs
    frames = capture_speed.full_frames(ShardReader(paths.TEST))
    times = latency.measure(capture_speed.exported("flat"), runs)
    times["capture"] = capture_speed.measure_capture(paths.MODELS, paths.FROZEN, frames, runs)
    reporting.write_metrics(paths.METRICS / "latency_photo.json", times)
    graphs = {net: paths.FROZEN / f"{net}.pb" for net in capture_speed.NETS}
    macs = {net: cost.macs_by_kind(read_frozen_pb(graph)) for net, graph in graphs.items()}
    often = capture_speed.network_runs(params.capture)
    reporting.write_metrics(paths.METRICS / "devices.json", device_model.estimate(macs, often))
