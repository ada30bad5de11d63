"""The card detector: an SSD with in-graph preprocessing and decoding.

Backbone at stride 16, three further levels by strided convolutions, one small head per level. A
single class needs one logit an anchor: the score is its sigmoid. `build_trainer` ends in raw
offsets and logits, `build_detector` decodes them with the same anchors and box coder; both share
weights.
"""

from pathlib import Path

import numpy as np

from meishi.backbone.efficientnet import convolution, features, normalise
from meishi.errors import InputError
from meishi.files.saved import load_weights, read_settings
from meishi.keras import keras, tf
from meishi.params import SsdParams
from meishi.ssd.anchors import anchors_per_cell, make_anchors
from meishi.ssd.box_coder import BoxCoder

PRIOR_SCORE = 0.01  # RetinaNet sec. 4.1: start out nearly silent


class DecodeBoxes(keras.layers.Layer):
    """Applies offsets to anchors: (B, A, 4) offsets to (B, A, 4) boxes, cxcywh relative."""

    def __init__(self, anchors_cxcywh: np.ndarray, box_coder: BoxCoder, **kwargs):
        """Keep (A, 4) anchors and the box coder that training used."""
        super().__init__(**kwargs)
        self.anchors_cxcywh, self.box_coder = anchors_cxcywh, box_coder

    def call(self, offsets):
        """Decode in the graph."""
        return self.box_coder.decode(offsets, tf.constant(self.anchors_cxcywh), tf.exp, tf.concat)


def detector_anchors(params: SsdParams) -> np.ndarray:
    """Make the anchors of a detector with these parameters: (A, 4) cxcywh."""
    return make_anchors(params.levels, params.scales, params.aspects)


def build_trainer(params: SsdParams) -> keras.Model:
    """Build the network that training sees.

    Args:
        params: the detector's shape.

    Returns:
        Functional model: `image` (B, S, S, 3) float32 RGB in [0, 255] to `offsets` (B, A, 4) and
        `logits` (B, A, 1), rows in anchor order.

    Raises:
        InputError: if the feature maps do not have the sides that `levels` states.
    """
    image = keras.Input((params.input_px, params.input_px, 3), name="image")
    width = params.head_channels
    backbone = features(normalise(image), last_expansion=params.last_expansion)
    maps = [convolution(backbone[-1], width, 1, "lateral")]
    for number in range(1, len(params.levels)):
        maps.append(convolution(maps[-1], width, 3, f"extra{number}", stride=2))
    sides = [feature_map.shape[1] for feature_map in maps]
    if sides != list(params.levels):
        raise InputError(
            f"ssd.levels: a {params.input_px} px input has {sides}, got {list(params.levels)}"
        )
    offsets, logits = [], []
    for number, (feature_map, scales) in enumerate(zip(maps, params.scales, strict=True)):
        count = anchors_per_cell(scales, params.aspects)
        x = convolution(feature_map, width, 3, f"head{number}")
        offsets.append(_rows(x, count, 4, f"offsets{number}", 0.0))
        logits.append(_rows(x, count, 1, f"logits{number}", -np.log(1 / PRIOR_SCORE - 1)))
    join = keras.layers.Concatenate
    outputs = [join(axis=1, name="offsets")(offsets), join(axis=1, name="logits")(logits)]
    return keras.Model(image, outputs, name="ssd")


def _rows(x, count: int, size: int, name: str, bias: float):
    """Predict `size` numbers for each of `count` anchors a cell: (B, cells * count, size)."""
    x = keras.layers.Conv2D(
        count * size, 1, bias_initializer=keras.initializers.Constant(bias), name=name
    )(x)
    return keras.layers.Reshape((-1, size), name=f"{name}_rows")(x)


def build_detector(params: SsdParams, trainer: keras.Model) -> keras.Model:
    """End a trainer in boxes and scores.

    Returns:
        Functional model: `image` to `coordinates` (B, A, 4) cxcywh relative to the frame and
        `confidence` (B, A, 1) in [0, 1].
    """
    offsets, logits = trainer.outputs
    decode = DecodeBoxes(detector_anchors(params), BoxCoder(params.variances), name="coordinates")
    scores = keras.layers.Activation("sigmoid", name="confidence")(logits)
    return keras.Model(trainer.inputs, [decode(offsets), scores], name="card_detector")


def load_settings(folder: Path) -> SsdParams:
    """Read the shape a saved detector was trained with; InputError if it is not there."""
    return read_settings(SsdParams, folder)


def load_detector(folder: Path) -> keras.Model:
    """Load a saved detector as `build_detector` makes it; InputError if it is damaged."""
    params = load_settings(folder)
    trainer = build_trainer(params)
    load_weights(trainer, folder)
    return build_detector(params, trainer)
