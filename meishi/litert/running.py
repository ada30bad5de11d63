"""Loading a capture: the exported `.tflite` models, and the settings that lie beside them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from meishi.capture.flattening import FlatSegmenter
from meishi.capture.flow import CardCapture
from meishi.errors import InputError
from meishi.files import atomic
from meishi.litert.model import CLASSIFIER, DETECTOR, FLAT, MEND, SEGMENTER, LiteRtModel
from meishi.params import CaptureParams, ConfidenceParams

SETTINGS, FLAT_SETTINGS = "capture.json", "flat.json"


def write_settings(folder: Path, margin: float, params: CaptureParams) -> None:
    """Write beside the models what they need to be used: crop margin and thresholds."""
    _write(folder / SETTINGS, {"margin": margin, "capture": asdict(params)})


def write_flat_settings(folder: Path, margin: float) -> None:
    """Write beside the models the margin of a flat view.

    By itself: what measures the other networks alone does not depend on it.
    """
    _write(folder / FLAT_SETTINGS, {"margin": margin})


def _write(file: Path, content: dict) -> None:
    atomic.atomic_write_text(file, json.dumps(content, indent=1, sort_keys=True) + "\n")


def load_capture(
    models: Path, threads: int = 1, mirrored: bool = False, flat: bool = True
) -> CardCapture:
    """Load the networks and settings of a models folder.

    Args:
        models: folder that holds `tflite/`.
        threads: of each model.
        mirrored: see `CardCapture`.
        flat: whether cards are segmented once more, see `CardCapture.flat`.

    Raises:
        InputError: if a file is missing or damaged.
    """
    folder = models / "tflite"
    names = (DETECTOR, SEGMENTER, CLASSIFIER)
    detector, segmenter, classifier = (LiteRtModel(folder / name, threads) for name in names)
    with _readable(folder / SETTINGS) as content:
        margin, values = float(content["margin"]), dict(content["capture"])
        read = {
            "looks": tuple(values["looks"]),
            "confidence": ConfidenceParams(**values["confidence"]),
        }
        params = CaptureParams(**values | read)
    sides = detector.input_px, segmenter.input_px
    capture = CardCapture(detector, segmenter, *sides, margin, params)
    capture = replace(capture, classifier=classifier, view_px=classifier.input_px)
    return replace(capture, mirrored=mirrored, flat=load_flat(models, threads) if flat else None)


def load_flat(models: Path, threads: int = 1) -> FlatSegmenter:
    """Load the flat segmenter of a models folder; arguments and errors as of `load_capture`."""
    folder = models / "tflite"
    network = LiteRtModel(folder / FLAT, threads)
    with _readable(folder / FLAT_SETTINGS) as content:
        return FlatSegmenter(network, network.input_px, float(content["margin"]))


@contextmanager
def _readable(file: Path) -> Iterator[dict]:
    """Give what a file of settings holds; what fails over it is an InputError."""
    try:
        yield json.loads(file.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not the settings of our models ({error}); {MEND}") from error
