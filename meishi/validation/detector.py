"""Validation figures of a detector just trained, on prepared scenes."""

from meishi.data.shards import ShardReader
from meishi.evaluation.detection import CURVE_BOXES, CURVE_SCORE, Detections, detection_metrics
from meishi.geometry import boxes, crops
from meishi.keras import keras
from meishi.pictures import images
from meishi.ssd.postprocess import select
from meishi.validation.prediction import predict

# Not capture's thresholds: choosing those must not retrain the networks.
SCORE_THRESHOLD, NMS_IOU = 0.5, 0.45


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
    coordinates, confidence = predict(detector, squares)
    limits = (CURVE_SCORE, NMS_IOU, CURVE_BOXES)
    found = [
        Detections(*select(c, s, *limits)) for c, s in zip(coordinates, confidence, strict=True)
    ]
    return detection_metrics(found, truths, SCORE_THRESHOLD)
