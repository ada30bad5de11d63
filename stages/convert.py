"""Convert one variant to Core ML, and prove it equal to its network: `convert.py KEY`.

Two steps go before, as nodes of their own in dvc.yaml: `convert.py freeze`, `convert.py tune KEY`.

Reads   models/${item.source}, build/prepared/test   Params  exports.${key}, convert,
        capture.score_threshold, capture.iou_threshold, capture.candidates
Writes  models/variants/${key}, metrics/convert/${key}.json
Takes   up to half a minute; a variant beyond its tolerance stops it before anything is replaced
"""

import sys

from meishi import paths, variants
from meishi.atomic import replace_folder
from meishi.coreml import examples, parity
from meishi.coreml.sources import load_source
from meishi.errors import clean_exit
from meishi.evaluation.cost import bytes_on_disk, count_parameters
from meishi.params import load_params
from meishi.reporting import write_metrics
from meishi.steps.running import run_step_or

FLOAT32_BYTES = 4
STEPS = ("freeze", "tune")


def main(key: str) -> None:
    """Run the stage on the entry `key` of `exports`."""
    params = load_params(
        "exports",
        "convert",
        "capture.score_threshold",
        "capture.iou_threshold",
        "capture.candidates",
    )
    variant = variants.find(params.exports, key)
    source = load_source(variant)
    images = source.images(examples.read_scenes(paths.TEST, params.convert.parity_images))
    plain_bytes = FLOAT32_BYTES * count_parameters(source.plain)
    metrics = {}
    with replace_folder(variants.FOLDER / key) as folder:
        source.export(variant, folder, params.convert, params.capture)
        found = parity.differences(
            variant, source.model, folder, images, params.capture.iou_threshold
        )
        parity.require(found, variant.tolerance, f"exports.{key}.tolerance")
        for name, difference in found.items():
            size = bytes_on_disk(folder / f"{name}{variant.suffix}")
            compression = {"bytes": size, "compression": plain_bytes / size}
            metrics[name] = {**compression, "max_difference": difference}
    write_metrics(paths.METRICS / "convert" / f"{key}.json", metrics)


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, STEPS, sys.argv[1:])
