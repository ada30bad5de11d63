"""Freeze the networks: TensorFlow graphs and LiteRT models (`stages/convert.py freeze`).

What they reach in float32 is what every variant is compared with: without the flat segmenter, which
would mend what a variant loses of the first mask, and which a preview does without.

Reads   models/ssd, models/unet, models/flat, models/direction, build/prepared/test, build/raw
Params  capture, measure, direction.sources
Writes  models/frozen, models/tflite, metrics/freeze.json, metrics/float32.json
Takes   about a minute
"""

from contextlib import ExitStack

from meishi import paths
from meishi.coreml.freeze import OUTPUTS, freeze, read_frozen_pb, write_frozen_pb, write_tflite
from meishi.direction.model import load_classifier
from meishi.files.atomic import replace_folder
from meishi.litert.running import load_capture, write_flat_settings, write_settings
from meishi.measuring.outcome import THREADS, measure_some
from meishi.params import load_params
from meishi.profiling.cost import bytes_on_disk, count_macs, count_parameters
from meishi.reporting import write_metrics
from meishi.ssd.model import load_detector
from meishi.unet.model import load_segmenter, load_settings


def run() -> None:
    """Run the step."""
    params = load_params("capture", "measure", "direction.sources")
    nets = {
        "ssd": load_detector(paths.SSD),
        "unet": load_segmenter(paths.UNET),
        "flat": load_segmenter(paths.FLAT),
        "direction": load_classifier(paths.DIRECTION),
    }
    metrics = {}
    with ExitStack() as folders:
        outs = paths.FROZEN, paths.TFLITE
        frozen, tflite = (folders.enter_context(replace_folder(out)) for out in outs)
        for name, model in nets.items():
            files = frozen / f"{name}.pb", tflite / f"{name}.tflite"
            write_frozen_pb(freeze(model, OUTPUTS[name]), files[0])
            write_tflite(model, OUTPUTS[name], files[1])
            metrics[name] = _cost(model, *files)
        write_settings(tflite, load_settings(paths.UNET).margin, params.capture)
        write_flat_settings(tflite, load_settings(paths.FLAT).margin)
    write_metrics(paths.METRICS / "freeze.json", metrics)
    reached = measure_some(load_capture(paths.MODELS, THREADS, flat=False), params)
    write_metrics(paths.METRICS / "float32.json", reached)


def _cost(model, pb, tflite) -> dict[str, int]:
    return {
        "parameters": count_parameters(model),
        "macs": count_macs(read_frozen_pb(pb)),
        "pb_bytes": bytes_on_disk(pb),
        "tflite_bytes": bytes_on_disk(tflite),
    }
