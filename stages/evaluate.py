"""Measure the exported models on the test split: quality, pictures, speed on this host.

Reads   build/prepared/test, models/tflite, models/frozen       Params  evaluate, capture
Writes  metrics/evaluate.json, metrics/slices.json, metrics/latency.json,
        plots/precision_recall.csv, plots/capture_iou.csv, plots/corner_error.csv, plots/overlays
Takes   about a minute on 2 cores
"""

from meishi import paths, reporting
from meishi.atomic import replace_folder
from meishi.data.shards import ShardReader
from meishi.errors import clean_exit
from meishi.evaluation import latency
from meishi.litert import load_capture
from meishi.measuring import measure, write_overlays
from meishi.params import load_params


def main() -> None:
    """Run the stage."""
    params = load_params("evaluate", "capture")
    reader = ShardReader(paths.TEST)
    outcome = measure(load_capture(paths.MODELS), reader)
    with replace_folder(paths.OVERLAYS) as folder:
        write_overlays(outcome, reader, folder, params.evaluate.overlays)
    reporting.write_csv(paths.PLOTS / "precision_recall.csv", outcome.precision_recall())
    for name, rows in zip(("capture_iou", "corner_error"), outcome.histograms(), strict=True):
        reporting.write_csv(paths.PLOTS / f"{name}.csv", rows)
    reporting.write_metrics(
        paths.METRICS / "evaluate.json", outcome.metrics(params.capture.score_threshold)
    )
    reporting.write_metrics(paths.METRICS / "slices.json", outcome.slices())
    files = {
        name: {"frozen_pb": paths.FROZEN / f"{name}.pb", "tflite": paths.TFLITE / f"{name}.tflite"}
        for name in ("ssd", "unet")
    }
    times = latency.measure(files, params.evaluate.latency_runs)
    reporting.write_metrics(paths.METRICS / "latency.json", times)


if __name__ == "__main__":
    with clean_exit():
        main()
