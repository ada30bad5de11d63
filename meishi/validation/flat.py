"""Validation figures of a flat segmenter just trained, on views by wrong quads."""

import numpy as np

from meishi.data.samples import SampleSet
from meishi.evaluation.captures import mask_iou
from meishi.geometry import crops
from meishi.keras import keras
from meishi.pictures import images
from meishi.validation.prediction import predict


def validate_flat(segmenter: keras.Model, views: SampleSet) -> dict[str, float]:
    """Measure mask IoU on flat views.

    Args:
        segmenter: see `unet.model.build_segmenter`.
        views: with the quad of one card each, relative.

    Returns:
        mask_iou: mean over the views.
    """
    squares = [images.decode(jpeg, "view") for jpeg in views.jpegs]
    masks = predict(segmenter, squares)[0][..., 0]
    truths = (crops.soft_mask(quad[0], masks.shape[1]) for quad in views.quads)
    ious = [mask_iou(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    return {"mask_iou": float(np.mean(ious))}
