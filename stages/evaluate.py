"""Measure the exported models on the test split: quality, pictures, speed on this host.

A step follows, as a node of its own in dvc.yaml: `evaluate.py ship`.

Reads   build/prepared/test, build/raw, models/tflite, models/frozen
Params  evaluate, capture, direction.sources
Writes  metrics/evaluate.json, metrics/slices.json, metrics/latency.json, metrics/devices.json,
        plots/precision_recall.csv, plots/capture_iou.csv, plots/corner_error.csv,
        plots/slices.csv, plots/overlays
Takes   about three minutes on 2 cores
"""

import sys
from typing import Any

from meishi import capture_speed, paths, reporting
from meishi.atomic import replace_folder
from meishi.coreml.freeze import read_frozen_pb
from meishi.data.own_quads import own_quads_of
from meishi.data.shards import ShardReader
from meishi.errors import clean_exit
from meishi.evaluation import cost, device_model, latency
from meishi.litert import load_capture
from meishi.measuring import measure, write_overlays
from meishi.params import CaptureParams, load_params
from meishi.steps.running import run_step_or

STEPS = ("ship",)


def main() -> None:
    """Run the stage."""
    params = load_params("evaluate", "capture", "direction.sources")
    reader = ShardReader(paths.TEST)
    own_quads = own_quads_of(paths.RAW, params.direction.sources)
    outcome = measure(load_capture(paths.MODELS), reader, own_quads)
    with replace_folder(paths.OVERLAYS) as folder:
        write_overlays(outcome, reader, folder, params.evaluate.overlays)
    reporting.write_csv(paths.PLOTS / "precision_recall.csv", outcome.precision_recall())
    for name, rows in zip(("capture_iou", "corner_error"), outcome.histograms(), strict=True):
        reporting.write_csv(paths.PLOTS / f"{name}.csv", rows)
    reporting.write_metrics(paths.METRICS / "evaluate.json", outcome.metrics(params.capture))
    slices = outcome.slices()
    reporting.write_metrics(paths.METRICS / "slices.json", slices)
    rows = [dict[str, Any](slice=name, **slices[name]) for name in sorted(slices)]
    reporting.write_csv(paths.PLOTS / "slices.csv", rows)
    write_speed(reader, params.evaluate.latency_runs, params.capture)


def write_speed(reader: ShardReader, runs: int, capture: CaptureParams) -> None:
    """Time networks and captures on this host, and write what a model says of Apple's chips."""
    graphs = {name: paths.FROZEN / f"{name}.pb" for name in capture_speed.NETS}
    files = {
        name: {"frozen_pb": graph, "tflite": paths.TFLITE / f"{name}.tflite"}
        for name, graph in graphs.items()
    }
    frames = capture_speed.full_frames(reader)
    times = latency.measure(files, runs)
    for name, live in (("capture", False), ("live", True)):
        times[name] = capture_speed.measure_capture(paths.MODELS, paths.FROZEN, frames, runs, live)
    reporting.write_metrics(paths.METRICS / "latency.json", times)
    macs = {name: cost.macs_by_kind(read_frozen_pb(graph)) for name, graph in graphs.items()}
    often = capture_speed.network_runs(capture)
    reporting.write_metrics(paths.METRICS / "devices.json", device_model.estimate(macs, often))


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, STEPS, sys.argv[1:])
