"""Validation figures of a network just trained, on prepared scenes, by the code that evaluates."""

from collections.abc import Callable

import numpy as np

from meishi import images
from meishi.data.shards import ShardReader
from meishi.evaluation.captures import mask_iou
from meishi.evaluation.detection import CURVE_BOXES, CURVE_SCORE, Detections, detection_metrics
from meishi.geometry import boxes, crops
from meishi.keras import keras
from meishi.params import UnetParams
from meishi.ssd.postprocess import select

# Not capture's thresholds: choosing those must not retrain the networks.
SCORE_THRESHOLD, NMS_IOU = 0.5, 0.45
BATCH = 16


def validate_detector(detector: keras.Model, reader: ShardReader) -> dict[str, float]:
    """Measure detection on scenes.

    Args:
        detector: `image` to coordinates and confidence.
        reader: prepared scenes.

    Returns:
        See `evaluation.detection.detection_metrics`.
    """
    side = detector.input_shape[1]
    squares, truths = [], []
    for record, content in reader:
        image = images.decode(content, record.id)
        squares.append(crops.warp(image, crops.stretch(record.size_px, side), (side, side)))
        truths.append(boxes.from_quads(record.quads))
    coordinates, confidence = _predict(detector, squares)
    limits = (CURVE_SCORE, NMS_IOU, CURVE_BOXES)
    found = [
        Detections(*select(c, s, *limits)) for c, s in zip(coordinates, confidence, strict=True)
    ]
    return detection_metrics(found, truths, SCORE_THRESHOLD)


def validate_segmenter(
    segmenter: keras.Model, reader: ShardReader, params: UnetParams
) -> dict[str, float]:
    """Measure mask IoU on the crops around the true boxes of scenes.

    Returns:
        mask_iou: mean over cards.
    """
    squares, truths = [], []
    mask_px = segmenter.output_shape[1]
    for record, content in reader:
        image = images.decode(content, record.id)
        for quad, box_xyxy in zip(record.quads, boxes.from_quads(record.quads), strict=True):
            matrix = crops.crop_from_image(box_xyxy, record.size_px, params.input_px, params.margin)
            squares.append(crops.warp(image, matrix, (params.input_px, params.input_px)))
            truth = crops.true_mask(quad, record.size_px, matrix, params.input_px, mask_px)
            truths.append(truth)
    masks = _predict(segmenter, squares)[0][..., 0]
    ious = [mask_iou(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    return {"mask_iou": float(np.mean(ious))}


def _predict(model: Callable, squares: list[np.ndarray]) -> list[np.ndarray]:
    """Run a model on uint8 squares, batch by batch; one array per output."""
    parts = []
    for start in range(0, len(squares), BATCH):
        outputs = model(np.asarray(squares[start : start + BATCH], np.float32), training=False)
        parts.append(
            [np.asarray(o) for o in (outputs if isinstance(outputs, list | tuple) else [outputs])]
        )
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
