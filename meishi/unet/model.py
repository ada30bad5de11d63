"""The card segmenter: a light U-Net (Ronneberger et al. 2015) on a square crop.

What makes it light: no convolution runs at the input's resolution. The stem halves it, and the
mask comes out at that half: the quad is fitted to the soft mask's sub-pixel contour, which a
bilinear enlargement in the network would not sharpen. The encoder is the first blocks of the
detector's backbone, with the same ImageNet weights. Skips are added, not concatenated, so that each
decoder level costs one plain 3x3 convolution of the skip's width. ReLU6 and 2x bilinear upsampling:
what CPUs and the Neural Engine do best.
"""

from pathlib import Path

from meishi.backbone.efficientnet import convolution, features, normalise
from meishi.errors import InputError
from meishi.files.saved import load_weights, read_settings
from meishi.keras import keras
from meishi.params import UnetParams


def build_trainer(params: UnetParams) -> keras.Model:
    """Build the network that training sees.

    Args:
        params: input side, blocks of the encoder, channels at the bottom.

    Returns:
        Functional model: `image` (B, S, S, 3) float32 RGB in [0, 255] to `mask_logits`
        (B, S / 2, S / 2, 1).

    Raises:
        InputError: if the input cannot be halved once per level.
    """
    image = keras.Input((params.input_px, params.input_px, 3), name="image")
    skips = features(normalise(image), params.blocks)
    deepest = 2 ** (len(skips) + 1)
    if params.input_px % deepest:
        raise InputError(
            f"unet.input_px: expected a multiple of {deepest} for {params.blocks} blocks, "
            f"got {params.input_px}"
        )
    x = convolution(skips[-1], params.bottom_channels, 3, "bottom_a", stride=2)
    x = convolution(x, params.bottom_channels, 3, "bottom_b")
    for level, skip in reversed(list(enumerate(skips))):
        width = skip.shape[-1]
        x = convolution(x, width, 1, f"up{level}_narrow")
        x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"up{level}")(x)
        x = keras.layers.Add(name=f"up{level}_skip")([x, skip])
        x = convolution(x, width, 3, f"up{level}_mix")
    logits = keras.layers.Conv2D(1, 1, name="mask_logits")(x)
    return keras.Model(image, logits, name="unet")


def build_segmenter(trainer: keras.Model) -> keras.Model:
    """End a trainer in a soft mask.

    Returns:
        Functional model: `image` to `mask` (B, S / 2, S / 2, 1) in [0, 1].
    """
    mask = keras.layers.Activation("sigmoid", name="mask")(trainer.output)
    return keras.Model(trainer.inputs, mask, name="card_segmenter")


def load_settings(folder: Path) -> UnetParams:
    """Read the shape a saved segmenter was trained with; InputError if it is not there."""
    return read_settings(UnetParams, folder)


def load_segmenter(folder: Path) -> keras.Model:
    """Load a saved segmenter as `build_segmenter` makes it; InputError if it is damaged."""
    trainer = build_trainer(load_settings(folder))
    load_weights(trainer, folder)
    return build_segmenter(trainer)
