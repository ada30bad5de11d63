"""What a variant is converted from: the trained network, and how it sees prepared scenes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meishi import paths
from meishi.coreml import examples
from meishi.keras import keras
from meishi.ssd.model import load_detector
from meishi.unet import model as unet
from meishi.variants import Variant


@dataclass(frozen=True)
class Source:
    """A trained network.

    Attributes:
        model: image to the outputs that are exported.
        margin: of the crop it looks at, None for the whole photo.
    """

    model: keras.Model
    margin: float | None

    def images(self, scenes: Sequence[examples.Scene]) -> list[np.ndarray]:
        """Make the network's input of each scene: (S, S, 3) uint8."""
        side_px = self.model.input_shape[1]
        if self.margin is None:
            return examples.detector_images(scenes, side_px)
        return examples.segmenter_images(scenes, side_px, self.margin)


def load_source(variant: Variant) -> Source:
    """Load the network that a variant stores; InputError if it is missing or damaged."""
    if variant.model == "ssd":
        return Source(load_detector(paths.SSD), None)
    return Source(unet.load_segmenter(paths.UNET), unet.load_settings(paths.UNET).margin)
