"""Time the models that a preview runs, and a preview frame, on this host: `evaluate.py speed`.

By itself, so that qualities are measured on any host and times stay those of one.

Reads   build/prepared/test, models/tflite, models/frozen
Params  evaluate.latency_runs
Writes  metrics/latency.json
Takes   some minutes, in which nothing else may use the cores
"""

from meishi import paths, reporting
from meishi.benchmark import capture_speed
from meishi.data.shards import ShardReader
from meishi.params import load_params
from meishi.profiling import latency


def run() -> None:
    """Run the step."""
    params = load_params("evaluate.latency_runs")
    runs = params.evaluate.latency_runs
    frames = capture_speed.full_frames(ShardReader(paths.TEST))
    times = latency.measure(capture_speed.exported("ssd", "unet", "direction"), runs)
    times["live"] = capture_speed.measure_capture(paths.MODELS, paths.FROZEN, frames, runs, True)
    reporting.write_metrics(paths.METRICS / "latency.json", times)
