"""Validation figures of a segmenter just trained, on the crops around true boxes."""

import numpy as np

from meishi.data.shards import ShardReader
from meishi.evaluation.captures import mask_iou
from meishi.geometry import boxes, crops
from meishi.keras import keras
from meishi.params import UnetParams
from meishi.pictures import images
from meishi.validation.prediction import predict


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
    masks = predict(segmenter, squares)[0][..., 0]
    ious = [mask_iou(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    return {"mask_iou": float(np.mean(ious))}
