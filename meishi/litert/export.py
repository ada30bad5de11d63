"""Trained networks as LiteRT models, for the stages that run them between two trainings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from meishi.coreml.freeze import DETECTOR_OUTPUTS, SEGMENTER_OUTPUTS, write_tflite
from meishi.litert.model import DETECTOR, SEGMENTER
from meishi.processes import workers
from meishi.ssd.model import load_detector
from meishi.unet.model import load_segmenter, load_settings


@contextmanager
def exported(ssd: Path, unet: Path) -> Iterator[tuple[Path, float]]:
    """Write trained networks as LiteRT models, in a folder that is removed afterwards.

    A process of its own does it: TensorFlow, once it has started, takes no settings, and training
    has some to make (the seed's, a cluster's).

    Args:
        ssd: folder of the trained detector.
        unet: folder of the trained segmenter.

    Yields:
        The folder, and the margin of the segmenter's crops.

    Raises:
        InputError: if a network is missing or damaged.
    """
    with TemporaryDirectory() as name:
        with workers.start(1) as run:
            (margin,) = run.map(_export, [(ssd, unet, Path(name))], _network_names)
        yield Path(name), margin


def _network_names(task: tuple[Path, Path, Path]) -> str:
    return f"{task[0]} and {task[1]}"


def _export(task: tuple[Path, Path, Path]) -> float:
    ssd, unet, folder = task
    write_tflite(load_detector(ssd), DETECTOR_OUTPUTS, folder / DETECTOR)
    write_tflite(load_segmenter(unet), SEGMENTER_OUTPUTS, folder / SEGMENTER)
    return load_settings(unet).margin
