"""What a variant is converted from: the trained network, how it sees scenes, how it is exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meishi import paths
from meishi.compression.tuned import load_tuned
from meishi.coreml import examples, export
from meishi.direction import model as direction
from meishi.keras import keras
from meishi.params import CaptureParams, ConvertParams
from meishi.ssd import model as ssd
from meishi.unet import model as unet
from meishi.variants import Variant


@dataclass(frozen=True)
class Source:
    """A trained network.

    Attributes:
        model: image to the outputs that are exported.
        kind: which of `variants.MODELS` it is.
        margin: of the crop or the flat view that a segmenter looks at, else None.
        plain: the same architecture as trained, its weights drawn: fine-tuning folds some away.
    """

    model: keras.Model
    kind: str
    margin: float | None
    plain: keras.Model

    @property
    def side_px(self) -> int:
        """Side of its input."""
        return self.model.input_shape[1]

    def images(self, scenes: Sequence[examples.Scene]) -> list[np.ndarray]:
        """Make the network's input of each scene: (S, S, 3) uint8."""
        if self.kind == "direction":
            return examples.classifier_images(scenes, self.side_px)
        if self.margin is None:
            return examples.detector_images(scenes, self.side_px)
        make = examples.flat_images if self.kind == "flat" else examples.segmenter_images
        return make(scenes, self.side_px, self.margin)

    def export(
        self, variant: Variant, folder: Path, params: ConvertParams, capture: CaptureParams
    ) -> None:
        """Write the variant's packages, named in `export.PACKAGES`, into `folder`."""
        if self.kind == "ssd":
            export.export_detector(self.model, variant, folder, params, capture)
        elif self.margin is not None:
            export.export_segmenter(self.model, variant, folder, params, self.margin)
        else:
            export.export_classifier(self.model, variant, folder, params)


def load_source(variant: Variant) -> Source:
    """Load the network that a variant stores; InputError if it is missing or damaged."""
    folder, kind = paths.MODELS / variant.source, variant.model
    build, load = BUILDERS[kind]
    model = load_tuned(folder, build) if variant.tuned else load(folder)
    margin = unet.load_settings(folder).margin if kind in ("unet", "flat") else None
    return Source(model, kind, margin, build(folder))


def _detector(folder: Path) -> keras.Model:
    settings = ssd.load_settings(folder)
    return ssd.build_detector(settings, ssd.build_trainer(settings))


def _segmenter(folder: Path) -> keras.Model:
    return unet.build_segmenter(unet.build_trainer(unet.load_settings(folder)))


def _classifier(folder: Path) -> keras.Model:
    return direction.build_classifier(direction.build_trainer(direction.load_settings(folder)))


# By kind: the network as it is built, its weights drawn, and as it was trained.
BUILDERS = {
    "ssd": (_detector, ssd.load_detector),
    "unet": (_segmenter, unet.load_segmenter),
    "flat": (_segmenter, unet.load_segmenter),
    "direction": (_classifier, direction.load_classifier),
}
