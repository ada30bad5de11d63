"""Measure one variant as the package that it is (`stages/evaluate.py measure KEY`).

Reads   models/variants/${key}, models/tflite, build/prepared/test, build/raw,
        metrics/float32.json
Params  exports.${key}, measure, capture, direction.sources
Writes  metrics/measure/${key}.json
Takes   up to a minute on 2 cores; a variant that lost more than its entry allows stops it
"""

import json

from meishi import paths, reporting, variant_capture, variants
from meishi.data.own_quads import own_quads_of
from meishi.data.shards import ShardReader
from meishi.litert import load_capture
from meishi.measuring import measure
from meishi.params import load_params


def run(key: str) -> None:
    """Run the step on the entry `key` of `exports`."""
    params = load_params("exports", "measure", "capture", "direction.sources")
    variant = variants.find(params.exports, key)
    original = json.loads((paths.METRICS / "float32.json").read_text(encoding="utf-8"))
    folder = variants.FOLDER / key
    capture = variant_capture.with_variant(load_capture(paths.MODELS), variant, folder)
    own_quads = own_quads_of(paths.RAW, params.direction.sources)
    outcome = measure(
        capture, ShardReader(paths.TEST), own_quads, variant.model, params.measure.scenes
    )
    metrics = outcome.metrics(params.capture)
    variant_capture.require(key, original, metrics, variant.loss)
    reporting.write_metrics(paths.METRICS / "measure" / f"{key}.json", metrics)
