"""Convert one variant to Core ML, prove it equal to its network, measure it: `convert.py KEY`.

Two steps go before, as nodes of their own in dvc.yaml: `convert.py freeze`, `convert.py tune KEY`.

Reads   models/${item.source}, models/tflite, metrics/float32.json, build/prepared/test, build/raw
Params  exports.${key}, convert, measure, capture, direction.sources
Writes  models/variants/${key}, metrics/convert/${key}.json, metrics/measure/${key}.json
Takes   about a minute; a variant beyond one of its gates stops it before anything is replaced
"""

import sys

from meishi import paths, variants
from meishi.coreml import examples, parity
from meishi.coreml.sources import load_source
from meishi.errors import clean_exit
from meishi.files.atomic import replace_folder
from meishi.litert.running import load_capture
from meishi.measuring import variant_capture
from meishi.measuring.outcome import THREADS, measure_some
from meishi.params import load_params
from meishi.profiling.cost import bytes_on_disk, count_parameters
from meishi.reporting import read_metrics, write_metrics
from meishi.steps.running import run_step_or

FLOAT32_BYTES = 4
STEPS = ("freeze", "tune")


def main(key: str) -> None:
    """Run the stage on the entry `key` of `exports`."""
    params = load_params("exports", "convert", "measure", "capture", "direction.sources")
    variant = variants.find(params.exports, key)
    source = load_source(variant)
    images = source.images(examples.read_scenes(paths.TEST, params.convert.parity_images))
    plain_bytes = FLOAT32_BYTES * count_parameters(source.plain)
    converted = {}
    with replace_folder(variants.FOLDER / key) as folder:
        source.export(variant, folder, params.convert, params.capture)
        found = parity.differences(
            variant, source.model, folder, images, params.capture.iou_threshold
        )
        parity.require(found, variant.tolerance, f"exports.{key}.tolerance")
        for name, difference in found.items():
            size = bytes_on_disk(folder / f"{name}{variant.suffix}")
            compression = {"bytes": size, "compression": plain_bytes / size}
            converted[name] = {**compression, "max_difference": difference}
        capture = load_capture(paths.MODELS, THREADS, flat=False)
        capture = variant_capture.with_variant(capture, variant, folder, source)
        measured = measure_some(capture, params, variant.model)
        original = read_metrics(paths.METRICS / "float32.json")
        variant_capture.require(key, original, measured, variant.loss)
    write_metrics(paths.METRICS / "convert" / f"{key}.json", converted)
    write_metrics(paths.METRICS / "measure" / f"{key}.json", measured)


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, STEPS, sys.argv[1:])
