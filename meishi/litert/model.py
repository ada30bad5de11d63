"""Running an exported `.tflite` model through LiteRT and XNNPACK, without TensorFlow."""

from pathlib import Path

import numpy as np

from meishi.errors import InputError
from meishi.processes.quiet import without_startup_notes

DETECTOR, SEGMENTER, CLASSIFIER = "ssd.tflite", "unet.tflite", "direction.tflite"
FLAT = "flat.tflite"
OUTPUTS = {
    DETECTOR: {"coordinates", "confidence"},
    SEGMENTER: {"mask"},
    CLASSIFIER: {"start"},
    FLAT: {"mask"},
}
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
            InputError: if the file is missing, no model, or makes other outputs than its name says.
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
                made = set(self._run.get_output_details())
                if made != OUTPUTS.get(path.name, made):
                    raise ValueError(f"makes {sorted(made)}, not {sorted(OUTPUTS[path.name])}")
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
