"""A trained network in a folder of its own: its weights, and the settings that it is built by."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from meishi.errors import InputError
from meishi.files import atomic
from meishi.schema import Fault, build

T = TypeVar("T")

WEIGHTS, SETTINGS = "weights.h5", "settings.json"


def save_network(network: Any, settings: Any, folder: Path) -> None:
    """Write a network into a folder, replacing it whole.

    Args:
        network: a Keras model, as it is trained.
        settings: the section of params.yaml that it was built by, a dataclass.
        folder: where to.
    """
    with atomic.replace_folder(folder) as partial:
        network.save_weights(partial / WEIGHTS)
        text = json.dumps(asdict(settings), indent=1, sort_keys=True) + "\n"
        (partial / SETTINGS).write_text(text, encoding="utf-8")


def read_settings(kind: type[T], folder: Path) -> T:
    """Read the settings of a saved network.

    Args:
        kind: their dataclass.
        folder: of `save_network`.

    Raises:
        InputError: if they are missing or damaged, or another version's; names the stage to run.
    """
    faults: list[Fault] = []
    try:
        settings = build(kind, json.loads((folder / SETTINGS).read_text(encoding="utf-8")), faults)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / SETTINGS}: {error}; run the stage {_stage(folder)}") from error
    if faults:
        each = "; ".join(f"{fault.where}: {fault.what}".removeprefix(": ") for fault in faults)
        raise InputError(f"{folder / SETTINGS}: {each}; run the stage {_stage(folder)}")
    return settings


def load_weights(network: Any, folder: Path) -> None:
    """Load the weights of a saved network into one of its shape.

    Raises:
        InputError: if they are missing or damaged; names the stage to run.
    """
    try:
        network.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder / WEIGHTS}: {error}; run the stage {_stage(folder)}") from error


def _stage(folder: Path) -> str:
    """Name the stage that makes a folder of models/."""
    return f"{'tune@' if folder.parent.name == 'tuned' else 'train_'}{folder.name}"
