"""Measure the exported models on the test split: quality, by what scenes show too, pictures.

And on photos without a card that the classifier was not trained on, where there are any.

Steps follow, as nodes of their own in dvc.yaml: `evaluate.py speed`, `evaluate.py speed_photo`,
`evaluate.py ship`.

Reads   build/prepared/test, build/raw, build/photos/held_out, models/tflite
Params  evaluate.overlays, capture, direction.sources
Writes  metrics/evaluate.json, metrics/slices.json, plots/precision_recall.csv,
        plots/capture_iou.csv, plots/corner_error.csv, plots/slices.csv, plots/overlays
Takes   about twelve minutes on 2 cores of 2.0 GHz
"""

import sys
from typing import Any

from meishi import paths, reporting
from meishi.data.own_quads import own_quads_of
from meishi.data.shards import ShardReader
from meishi.data.without_cards import HELD_OUT_PHOTOS
from meishi.errors import clean_exit
from meishi.files.atomic import replace_folder
from meishi.litert.running import load_capture
from meishi.measuring.outcome import THREADS, measure, write_overlays
from meishi.measuring.without_cards import false_cards
from meishi.params import load_params
from meishi.steps.running import run_step_or

STEPS = ("speed", "speed_photo", "ship")


def main() -> None:
    """Run the stage."""
    params = load_params("evaluate.overlays", "capture", "direction.sources")
    reader = ShardReader(paths.TEST)
    own_quads = own_quads_of(paths.RAW, params.direction.sources)
    capture = load_capture(paths.MODELS, THREADS)
    outcome = measure(capture, reader, own_quads)
    with replace_folder(paths.OVERLAYS) as folder:
        write_overlays(outcome, reader, folder, params.evaluate.overlays)
    reporting.write_csv(paths.PLOTS / "precision_recall.csv", outcome.precision_recall())
    for name, rows in zip(("capture_iou", "corner_error"), outcome.histograms(), strict=True):
        reporting.write_csv(paths.PLOTS / f"{name}.csv", rows)
    figures = outcome.metrics(params.capture) | {"captured_boxes": outcome.captured_boxes()}
    if found := false_cards(capture, ShardReader(HELD_OUT_PHOTOS)):
        figures["without_cards"] = found
    reporting.write_metrics(paths.METRICS / "evaluate.json", figures)
    slices = outcome.slices()
    reporting.write_metrics(paths.METRICS / "slices.json", slices)
    rows = [dict[str, Any](slice=name, **slices[name]) for name in sorted(slices)]
    reporting.write_csv(paths.PLOTS / "slices.csv", rows)


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, STEPS, sys.argv[1:])
