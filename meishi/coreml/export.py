"""The files of a variant: the packages an app takes, and what their metadata tells it.

CardDetector is for Vision: thresholds and suppression inside. CardDetectorRaw gives every anchor,
for apps that suppress themselves. CardSegmenter draws the mask of one card in a square crop,
CardFlatSegmenter once more in the flat view by a quad. CardDirection says at which corner of a flat
view a card begins, or that there is none.
"""

import json
from pathlib import Path

from meishi.coreml.convert import Metadata, convert_program, detector_pipeline
from meishi.coreml.freeze import CLASSIFIER_OUTPUTS, DETECTOR_OUTPUTS, SEGMENTER_OUTPUTS, freeze
from meishi.coreml.package import save_model
from meishi.keras import keras
from meishi.params import CaptureParams, ConvertParams
from meishi.variants import Variant

DETECTOR, RAW_DETECTOR, SEGMENTER = "CardDetector", "CardDetectorRaw", "CardSegmenter"
FLAT_SEGMENTER, CLASSIFIER = "CardFlatSegmenter", "CardDirection"
PACKAGES = {
    "ssd": (RAW_DETECTOR, DETECTOR),
    "unet": (SEGMENTER,),
    "flat": (FLAT_SEGMENTER,),
    "direction": (CLASSIFIER,),
}
LABELS = ["card"]
STARTS = ["top left", "top right", "bottom right", "bottom left", "none"]

# Xcode's keys (coremltools guide, "Xcode Model Preview Types"). The guide lists no detector: the
# type is what others set, and Xcode knows a detector by its suppression.
PREVIEW_TYPE = "com.apple.coreml.model.preview.type"
PREVIEW_PARAMS = "com.apple.coreml.model.preview.params"
_BOXES = "rows of centre x, centre y, width, height, relative to the image, origin at the top left"


def export_detector(
    model: keras.Model,
    variant: Variant,
    folder: Path,
    params: ConvertParams,
    capture: CaptureParams,
) -> None:
    """Write the raw detector and the detector with suppression into `folder`.

    Args:
        model: gives `coordinates` (B, A, 4) and `confidence` (B, A, 1).
        variant: how it is stored.
        folder: where the packages go; packages of the same names are replaced.
        params: author and version.
        capture: default thresholds of the suppression.
    """
    frozen = freeze(model, DETECTOR_OUTPUTS, keep_batch=False)
    side_px = model.input_shape[1]
    raw = convert_program(frozen, variant, _raw_metadata(params, capture, side_px))
    save_model(raw, folder / f"{RAW_DETECTOR}{variant.suffix}")
    thresholds = capture.score_threshold, capture.iou_threshold, capture.candidates
    pipeline = detector_pipeline(raw, LABELS, *thresholds, _detector_metadata(params, side_px))
    save_model(pipeline, folder / f"{DETECTOR}{variant.suffix}")


def export_segmenter(
    model: keras.Model, variant: Variant, folder: Path, params: ConvertParams, margin: float
) -> None:
    """Write the segmenter, or the flat one, into `folder`.

    Args:
        model: gives `mask` (B, h, w, 1).
        variant: how it is stored, and which of the two it is.
        folder: where the package goes.
        params: author and version.
        margin: around the box, of its longer side, or around the quad, of its own; told to the app
            in the metadata.
    """
    frozen = freeze(model, SEGMENTER_OUTPUTS, keep_batch=False)
    describe = _flat_metadata if variant.model == "flat" else _segmenter_metadata
    metadata = describe(params, margin, model.input_shape[1])
    program = convert_program(frozen, variant, metadata)
    (name,) = PACKAGES[variant.model]
    save_model(program, folder / f"{name}{variant.suffix}")


def export_classifier(
    model: keras.Model, variant: Variant, folder: Path, params: ConvertParams
) -> None:
    """Write the direction classifier into `folder`.

    Args:
        model: gives `start` (B, 5).
        variant: how it is stored.
        folder: where the package goes.
        params: author and version.
    """
    frozen = freeze(model, CLASSIFIER_OUTPUTS, keep_batch=False)
    program = convert_program(frozen, variant, _classifier_metadata(params, model.input_shape[1]))
    save_model(program, folder / f"{CLASSIFIER}{variant.suffix}")


def _raw_metadata(params: ConvertParams, capture: CaptureParams, side_px: int) -> Metadata:
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
            "input_contract": _contract(side_px, "the whole photo, stretched to the square"),
        },
    )


def _detector_metadata(params: ConvertParams, side_px: int) -> Metadata:
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
        user={
            "input_contract": _contract(
                side_px, "the whole photo, stretched to the square (Vision: scaleFill)"
            ),
            PREVIEW_TYPE: "objectDetector",
        },
    )


def _segmenter_metadata(params: ConvertParams, margin: float, side_px: int) -> Metadata:
    crop = f"the square around a box's centre, {1 + 2 * margin:g} times its longer side"
    return _mask_metadata(
        params,
        "Draws the mask of the business card in a square crop around its box (U-Net).",
        "A square around the box, scaled to the input's size",
        {"crop_margin": str(margin), "input_contract": _contract(side_px, crop)},
    )


def _flat_metadata(params: ConvertParams, margin: float, side_px: int) -> Metadata:
    view = (
        "what a first quad shows, flat, a longer side at the top, stretched to "
        f"{1 / (1 + 2 * margin):.4g} of the square's sides in its middle, with what lies around it"
    )
    return _mask_metadata(
        params,
        "Draws the mask of the business card in its flat view, to correct a first quad (U-Net).",
        "The flat view by a quad, with what lies around it",
        {"view_margin": str(margin), "input_contract": _contract(side_px, view)},
    )


def _mask_metadata(
    params: ConvertParams, description: str, image: str, user: dict[str, str]
) -> Metadata:
    return Metadata(
        author=params.author,
        version=params.version,
        description=description,
        inputs={"image": image},
        outputs={"mask": "Share of each pixel that is card, 0...1 (rows, columns, 1)"},
        user={
            "classes": ",".join(LABELS),
            **user,
            PREVIEW_TYPE: "imageSegmenter",
            PREVIEW_PARAMS: json.dumps({"labels": ["background", *LABELS]}),
        },
    )


def _classifier_metadata(params: ConvertParams, side_px: int) -> Metadata:
    view = "what a quad shows, flat, stretched to the square; judged again from its other corners"
    return Metadata(
        author=params.author,
        version=params.version,
        description="Says whether a quad shows a business card, and which way up that reads.",
        inputs={"image": "What the quad shows, flat, stretched to the input's size"},
        outputs={
            "start": "How likely a card's own top left corner is the image's "
            f"{', '.join(STARTS[:-1])} one, and how likely there is no card, 0...1"
        },
        user={"classes": ",".join(STARTS), "input_contract": _contract(side_px, view)},
    )


def _contract(side_px: int, content: str) -> str:
    return f"image: {side_px}x{side_px} px, RGB, 0...255, upright; {content}"
