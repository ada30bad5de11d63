"""What fine-tuning needs of either network: model, pictures, distance, validation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from meishi.compression.distillation import DETECTOR, SEGMENTER, Distillation
from meishi.data import samples
from meishi.data.samples import SampleSet
from meishi.keras import keras
from meishi.ssd.model import load_detector
from meishi.tunings import MODELS
from meishi.unet.model import load_segmenter, load_settings
from meishi.validation.detector import validate_detector
from meishi.validation.segmenter import validate_segmenter


@dataclass(frozen=True)
class Network:
    """A trained network, and what it is fine-tuned by.

    Attributes:
        model: trained, in float32.
        samples: pictures of its input's size.
        distillation: what is compared with it.
        validate: (model, scenes) to its figures.
    """

    model: keras.Model
    samples: SampleSet
    distillation: Distillation
    validate: Callable


def load(name: str, folder: Path, augmented: Path) -> Network:
    """Load a network of `tunings.MODELS`.

    Args:
        name: "ssd" or "unet".
        folder: of its weights.
        augmented: folder of the sample sets.

    Raises:
        InputError: if weights or samples are missing or damaged.
    """
    pictures = samples.read(augmented, MODELS[name])
    if name == "ssd":
        return Network(load_detector(folder), pictures, DETECTOR, validate_detector)
    validate = partial(validate_segmenter, params=load_settings(folder))
    return Network(load_segmenter(folder), pictures, SEGMENTER, validate)
