"""Convert the nets to Core ML packages, frozen graphs and TFLite, and prove them equal to Keras.

Reads   models/ssd, models/unet, build/prepared/test   Params  convert, capture
Writes  models/coreml, models/frozen, models/tflite, metrics/convert.json
Takes   under a minute; a package beyond convert.tolerance stops it before anything is replaced
"""

from contextlib import ExitStack

from meishi import paths
from meishi.atomic import replace_folder
from meishi.coreml import examples, export, freeze, parity
from meishi.errors import clean_exit
from meishi.evaluation.cost import bytes_on_disk, count_macs, count_parameters
from meishi.litert import write_settings
from meishi.params import load_params
from meishi.reporting import write_metrics
from meishi.ssd.model import load_detector
from meishi.unet.model import load_segmenter, load_settings


def main() -> None:
    """Run the stage."""
    params = load_params("convert", "capture")
    ssd, unet = load_detector(paths.SSD), load_segmenter(paths.UNET)
    margin = load_settings(paths.UNET).margin
    scenes = examples.read_scenes(paths.TEST, params.convert.parity_images)
    with ExitStack() as folders:
        outs = paths.COREML, paths.FROZEN, paths.TFLITE
        coreml, frozen, tflite = (folders.enter_context(replace_folder(out)) for out in outs)
        export.export_detector(ssd, coreml, params.convert, params.capture)
        export.export_segmenter(unet, coreml, params.convert, margin)
        differences = parity.package_differences(
            ssd, unet, coreml, scenes, margin, params.capture.iou_threshold
        )
        parity.require(differences, params.convert.tolerance)
        metrics: dict[str, dict] = {}
        for name, found in differences.items():
            size = bytes_on_disk(coreml / f"{name}.mlpackage")
            metrics[name] = {"bytes": size, "max_difference": found}
        nets = ("ssd", ssd, export.DETECTOR_OUTPUTS), ("unet", unet, export.SEGMENTER_OUTPUTS)
        for name, model, outputs in nets:
            files = export.export_baselines(model, outputs, name, frozen, tflite)
            metrics[name] = _cost(model, *files)
        write_settings(tflite, margin, params.capture)
    write_metrics(paths.METRICS / "convert.json", metrics)


def _cost(model, pb, tflite) -> dict[str, int]:
    return {
        "parameters": count_parameters(model),
        "macs": count_macs(freeze.read_frozen_pb(pb)),
        "pb_bytes": bytes_on_disk(pb),
        "tflite_bytes": bytes_on_disk(tflite),
    }


if __name__ == "__main__":
    with clean_exit():
        main()
