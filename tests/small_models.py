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
from meishi.train_params import TrainParams, TrainSsdParams, TrainUnetParams
from meishi.unet import model as unet_model

SSD = SsdParams(64, (4, 2), ((0.25,), (0.5, 0.8)), (0.7, 1.4), (0.1, 0.2), 48, 16)
UNET = UnetParams(64, 0.2, 4, 16)
DIRECTION = DirectionParams(("drawn",), 32, 0.0, 1, 0.0, 0.0, 90)
# Short trainings, anew; tests replace what they are about.
TRAIN = TrainParams(
    frozen_blocks=0,
    epochs=1,
    batch=4,
    learning_rate=0.01,
    weight_decay=0.0001,
    warmup_steps=3,
    checkpoint_steps=25,
    strategy="auto",
)
ANEW = {"pretrained": False, "continued": False, "trained_share": 1.0, "runs": 1}
TRAIN_UNET = TrainUnetParams(**vars(TRAIN), **ANEW, dice_weight=0.5)
TRAIN_SSD = TrainSsdParams(
    **vars(TRAIN),
    **ANEW,
    match_iou=0.5,
    ignore_iou=0.4,
    focal_alpha=0.25,
    focal_gamma=2.0,
    score_target="card",
    offset_weight=0.5,
    offset_beta=0.1,
    overlap_weight=2.0,
)


def small_networks() -> tuple[keras.Model, keras.Model, keras.Model, keras.Model]:
    """Build detector, segmenter, classifier and flat segmenter, the same ones every time."""
    keras.utils.set_random_seed(8)
    return (
        ssd_model.build_detector(SSD, ssd_model.build_trainer(SSD)),
        unet_model.build_segmenter(unet_model.build_trainer(UNET)),
        direction_model.build_classifier(direction_model.build_trainer(DIRECTION)),
        unet_model.build_segmenter(unet_model.build_trainer(UNET)),
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
    detector, segmenter, classifier, flat_segmenter = networks
    write_tflite(detector, DETECTOR_OUTPUTS, folder / litert.DETECTOR)
    write_tflite(segmenter, SEGMENTER_OUTPUTS, folder / litert.SEGMENTER)
    write_tflite(flat_segmenter, SEGMENTER_OUTPUTS, folder / litert.FLAT)
    write_tflite(classifier, CLASSIFIER_OUTPUTS, folder / litert.CLASSIFIER)
    litert.write_settings(folder, UNET.margin, capture)
    litert.write_flat_settings(folder, 0.25)
