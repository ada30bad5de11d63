"""Running the exported `.tflite` models through LiteRT and XNNPACK, without TensorFlow."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from meishi.capture.flow import CardCapture
from meishi.errors import InputError
from meishi.files import atomic
from meishi.params import CaptureParams
from meishi.processes.quiet import without_startup_notes

DETECTOR, SEGMENTER, CLASSIFIER = "ssd.tflite", "unet.tflite", "direction.tflite"
SETTINGS = "capture.json"
# Not `dvc pull` alone: it ends with an error, as build/ is in no store.
MEND = (
    "`dvc pull freeze` in the clone restores it, `dvc repro` makes it; elsewhere: "
    "--models CLONE/models"
)


class LiteRtModel:
    """A model of one image in, named arrays out."""

    def __init__(self, path: Path, threads: int = 1):
        """Load a model.

        Raises:
            InputError: if the file is missing or no model.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such model; {MEND}")
        with without_startup_notes():
            from ai_edge_litert.interpreter import Interpreter

            try:
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
                self.input_px = int(self._run.get_input_details()["image"]["shape"][1])
            except (ValueError, RuntimeError, KeyError) as error:
                raise InputError(
                    f"{path}: not one of our LiteRT models ({error}); {MEND}"
                ) from error

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Run one image.

        Args:
            image: (S, S, 3) RGB uint8.

        Returns:
            The outputs by name, without the batch axis.
        """
        outputs = self._run(image=image[None].astype(np.float32))
        return {name: value[0] for name, value in outputs.items()}


def write_settings(folder: Path, margin: float, params: CaptureParams) -> None:
    """Write beside the models what they need to be used: crop margin and thresholds."""
    content = {"margin": margin, "capture": asdict(params)}
    atomic.atomic_write_text(
        folder / SETTINGS, json.dumps(content, indent=1, sort_keys=True) + "\n"
    )


def load_capture(models: Path, threads: int = 1, mirrored: bool = False) -> CardCapture:
    """Load the networks and settings of a models folder.

    Args:
        models: folder that holds `tflite/`.
        threads: of each model.
        mirrored: see `CardCapture`.

    Raises:
        InputError: if a file is missing or damaged.
    """
    folder = models / "tflite"
    names = (DETECTOR, SEGMENTER, CLASSIFIER)
    detector, segmenter, classifier = (LiteRtModel(folder / name, threads) for name in names)
    try:
        content = json.loads((folder / SETTINGS).read_text())
        margin, values = float(content["margin"]), dict(content["capture"])
        params = CaptureParams(**values | {"looks": tuple(values["looks"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / SETTINGS}: not the settings of our models ({error}); {MEND}"
        ) from error
    sides = detector.input_px, segmenter.input_px
    capture = CardCapture(detector, segmenter, *sides, margin, params)
    return replace(capture, classifier=classifier, view_px=classifier.input_px, mirrored=mirrored)
