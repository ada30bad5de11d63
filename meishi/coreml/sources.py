"""What a variant is converted from: the trained network, and how it sees prepared scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meishi import paths
from meishi.compression.tuned import load_tuned
from meishi.coreml import examples
from meishi.keras import keras
from meishi.ssd import model as ssd
from meishi.unet import model as unet
from meishi.variants import Variant


@dataclass(frozen=True)
class Source:
    """A trained network.

    Attributes:
        model: image to the outputs that are exported.
        margin: of the crop it looks at, None for the whole photo.
        plain: the same architecture as trained, its weights drawn: fine-tuning folds some away.
    """

    model: keras.Model
    margin: float | None
    plain: keras.Model

    def images(self, scenes: Sequence[examples.Scene]) -> list[np.ndarray]:
        """Make the network's input of each scene: (S, S, 3) uint8."""
        side_px = self.model.input_shape[1]
        if self.margin is None:
            return examples.detector_images(scenes, side_px)
        return examples.segmenter_images(scenes, side_px, self.margin)


def load_source(variant: Variant) -> Source:
    """Load the network that a variant stores; InputError if it is missing or damaged."""
    folder = paths.MODELS / variant.source
    if variant.model == "ssd":
        plain, margin = _detector(folder), None
        model = load_tuned(folder, _detector) if variant.tuned else ssd.load_detector(folder)
    else:
        plain, margin = _segmenter(folder), unet.load_settings(folder).margin
        model = load_tuned(folder, _segmenter) if variant.tuned else unet.load_segmenter(folder)
    return Source(model, margin, plain)


def _detector(folder: Path) -> keras.Model:
    settings = ssd.load_settings(folder)
    return ssd.build_detector(settings, ssd.build_trainer(settings))


def _segmenter(folder: Path) -> keras.Model:
    return unet.build_segmenter(unet.build_trainer(unet.load_settings(folder)))
