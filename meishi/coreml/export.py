"""The files an app takes: three Core ML packages, and the two nets as `.pb` and `.tflite`.

CardDetector is for Vision: thresholds and suppression inside. CardDetectorRaw gives every anchor,
for apps that suppress themselves. CardSegmenter draws the mask of one card in a square crop.
"""

from pathlib import Path

from meishi.coreml.convert import Metadata, convert_program, detector_pipeline
from meishi.coreml.freeze import freeze, write_frozen_pb, write_tflite
from meishi.coreml.package import save_package
from meishi.keras import keras
from meishi.params import CaptureParams, ConvertParams

DETECTOR, RAW_DETECTOR, SEGMENTER = "CardDetector", "CardDetectorRaw", "CardSegmenter"
DETECTOR_OUTPUTS = ["coordinates", "confidence"]
SEGMENTER_OUTPUTS = ["mask"]
LABELS = ["card"]

_BOXES = "rows of centre x, centre y, width, height, relative to the image, origin at the top left"


def export_detector(
    model: keras.Model, folder: Path, params: ConvertParams, capture: CaptureParams
) -> None:
    """Write the raw detector and the detector with suppression into `folder`.

    Args:
        model: gives `coordinates` (B, A, 4) and `confidence` (B, A, 1).
        folder: where the packages go; packages of the same names are replaced.
        params: target and metadata.
        capture: default thresholds of the suppression.
    """
    frozen = freeze(model, DETECTOR_OUTPUTS, keep_batch=False)
    raw = convert_program(frozen, params.deployment_target, _raw_metadata(params, capture))
    save_package(raw, folder / f"{RAW_DETECTOR}.mlpackage")
    thresholds = capture.score_threshold, capture.iou_threshold, capture.candidates
    pipeline = detector_pipeline(raw, LABELS, *thresholds, _detector_metadata(params))
    save_package(pipeline, folder / f"{DETECTOR}.mlpackage")


def export_segmenter(
    model: keras.Model, folder: Path, params: ConvertParams, margin: float
) -> None:
    """Write the segmenter into `folder`.

    Args:
        model: gives `mask` (B, h, w, 1).
        folder: where the package goes.
        params: target and metadata.
        margin: around the box, of its longer side; told to the app in the metadata.
    """
    frozen = freeze(model, SEGMENTER_OUTPUTS, keep_batch=False)
    metadata = _segmenter_metadata(params, margin)
    program = convert_program(frozen, params.deployment_target, metadata)
    save_package(program, folder / f"{SEGMENTER}.mlpackage")


def export_baselines(
    model: keras.Model, names: list[str], stem: str, frozen: Path, tflite: Path
) -> tuple[Path, Path]:
    """Write a model's frozen graph and its TFLite file into two folders, and return their paths."""
    files = frozen / f"{stem}.pb", tflite / f"{stem}.tflite"
    write_frozen_pb(freeze(model, names), files[0])
    write_tflite(model, names, files[1])
    return files


def _raw_metadata(params: ConvertParams, capture: CaptureParams) -> Metadata:
    return Metadata(
        author=params.author,
        version=params.version,
        description="Finds business cards: a score and a box for every anchor, not suppressed.",
        inputs={"image": "The photo, stretched to the input's size"},
        outputs={
            "coordinates": f"Every anchor's box: {_BOXES}",
            "confidence": "Every anchor's score in 0...1",
        },
        user={
            "classes": ",".join(LABELS),
            "confidence_threshold": str(capture.score_threshold),
            "iou_threshold": str(capture.iou_threshold),
            "max_boxes": str(capture.candidates),
        },
    )


def _detector_metadata(params: ConvertParams) -> Metadata:
    return Metadata(
        author=params.author,
        version=params.version,
        description="Finds the boxes of business cards in a photo (SSD with suppression).",
        inputs={
            "image": "The photo, stretched to the input's size",
            "iouThreshold": "Boxes that overlap a better one by more than this are dropped",
            "confidenceThreshold": "Boxes of a lower score are dropped",
        },
        outputs={
            "confidence": "Each kept box's score, a column for each label",
            "coordinates": f"The kept boxes: {_BOXES}",
        },
    )


def _segmenter_metadata(params: ConvertParams, margin: float) -> Metadata:
    return Metadata(
        author=params.author,
        version=params.version,
        description="Draws the mask of the business card in a square crop around its box (U-Net).",
        inputs={"image": "A square around the box, scaled to the input's size"},
        outputs={"mask": "Share of each pixel that is card, 0...1 (rows, columns, 1)"},
        user={"classes": ",".join(LABELS), "crop_margin": str(margin)},
    )
