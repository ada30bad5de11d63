"""Tuned networks on disk: weights of the folded network, and the settings it was built by."""

import shutil
from collections.abc import Callable
from pathlib import Path

from meishi.compression.folding import fold_batch_norms
from meishi.files import atomic
from meishi.files.saved import SETTINGS, WEIGHTS, load_weights
from meishi.keras import keras


def save_tuned(model: keras.Model, source: Path, folder: Path) -> None:
    """Write a tuned network into `folder`, replacing it whole.

    Args:
        model: of `tuning.tune`.
        source: the float network's folder, whose settings are copied.
        folder: where to.
    """
    with atomic.replace_folder(folder) as partial:
        model.save_weights(partial / WEIGHTS)
        shutil.copyfile(source / SETTINGS, partial / SETTINGS)


def load_tuned(folder: Path, build: Callable[[Path], keras.Model]) -> keras.Model:
    """Load a tuned network.

    Args:
        folder: as `save_tuned` wrote it.
        build: makes the float network, without its weights, of the settings in a folder.

    Raises:
        InputError: if it is missing or damaged.
    """
    model = fold_batch_norms(build(folder))
    load_weights(model, folder)
    return model
