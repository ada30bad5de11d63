"""Untrained networks of a few thousand weights, exported as `meishi capture` loads them."""

from pathlib import Path

import numpy as np

from meishi.backbone import efficientnet
from meishi.coreml.freeze import (
    CLASSIFIER_OUTPUTS,
    DETECTOR_OUTPUTS,
    SEGMENTER_OUTPUTS,
    write_tflite,
)
from meishi.direction import model as direction_model
from meishi.keras import keras
from meishi.litert import running as litert
from meishi.params import CaptureParams, DirectionParams, SsdParams, UnetParams
from meishi.ssd import model as ssd_model
from meishi.unet import model as unet_model

SSD = SsdParams(64, (4, 2), ((0.25,), (0.5, 0.8)), (0.7, 1.4), (0.1, 0.2), 48, 16)
UNET = UnetParams(64, 0.2, 4, 16)
DIRECTION = DirectionParams(("drawn",), 32, 0.0, 1, 0.0, 0.0, 90)


def small_networks() -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build detector, segmenter and classifier, the same ones every time."""
    keras.utils.set_random_seed(8)
    return (
        ssd_model.build_detector(SSD, ssd_model.build_trainer(SSD)),
        unet_model.build_segmenter(unet_model.build_trainer(UNET)),
        direction_model.build_classifier(direction_model.build_trainer(DIRECTION)),
    )


def backbone_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Take the backbone's weights out of a network, as the file of ImageNet's names them."""
    return {
        f"{layer.name}/{name}": value
        for layer in model.layers
        if layer.name.startswith(("stem", "block")) and layer.weights
        for name, value in zip(
            efficientnet.BN_WEIGHTS if layer.name.endswith("_bn") else ("kernel",),
            layer.get_weights(),
            strict=True,
        )
    }


def write_small_models(networks: tuple, models: Path, capture: CaptureParams) -> None:
    """Write `models/tflite`, whole: every file that `litert.running.load_capture` reads."""
    folder = models / "tflite"
    folder.mkdir(parents=True)
    detector, segmenter, classifier = networks
    write_tflite(detector, DETECTOR_OUTPUTS, folder / litert.DETECTOR)
    for name in (litert.SEGMENTER, litert.FLAT):
        write_tflite(segmenter, SEGMENTER_OUTPUTS, folder / name)
    write_tflite(classifier, CLASSIFIER_OUTPUTS, folder / litert.CLASSIFIER)
    litert.write_settings(folder, UNET.margin, capture)
    litert.write_flat_settings(folder, 0.25)
