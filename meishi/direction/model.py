"""The direction classifier: at which corner of a flat view a card begins, if there is one.

PP-LCNet, which starts from weights that were trained on photos of text, and a dense layer over the
mean of the plane: letters say which way is up wherever they stand. Designs that a program has drawn
have their layout in common, and what is learned from them alone fails on photos
(docs/reading-direction.md).
"""

from pathlib import Path

from meishi.direction.dropout import KeptDropout
from meishi.direction.pp_lcnet import features
from meishi.errors import InputError
from meishi.files.saved import load_weights, read_settings
from meishi.geometry.directions import ANSWERS
from meishi.keras import keras
from meishi.params import DirectionParams


def build_trainer(params: DirectionParams, seed: int = 0) -> keras.Model:
    """Build the network that training sees.

    Args:
        params: side of the view, dropout.
        seed: of what is dropped in training.

    Returns:
        Functional model: `image` (B, S, S, 3) float32 RGB in [0, 255] to `start_logits` (B, 5),
        one a corner of the view, TL, TR, BR, BL, and one for no card.

    Raises:
        InputError: if the side cannot be halved five times.
    """
    if params.view_px % 32:
        raise InputError(f"direction.view_px: expected a multiple of 32, got {params.view_px}")
    image = keras.Input((params.view_px, params.view_px, 3), name="image")
    x = KeptDropout(params.dropout, seed, name="dropout")(features(image))
    return keras.Model(image, keras.layers.Dense(ANSWERS, name="start_logits")(x), name="direction")


def build_classifier(trainer: keras.Model) -> keras.Model:
    """End a trainer in shares.

    Returns:
        Functional model: `image` to `start` (B, 5) in [0, 1], of sum 1.
    """
    start = keras.layers.Activation("softmax", name="start")(trainer.output)
    return keras.Model(trainer.inputs, start, name="card_direction")


def load_settings(folder: Path) -> DirectionParams:
    """Read the shape a saved classifier was trained with; InputError if it is not there."""
    return read_settings(DirectionParams, folder)


def load_classifier(folder: Path) -> keras.Model:
    """Load a saved classifier as `build_classifier` makes it; InputError if it is damaged."""
    trainer = build_trainer(load_settings(folder))
    load_weights(trainer, folder)
    return build_classifier(trainer)
