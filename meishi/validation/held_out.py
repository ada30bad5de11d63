"""The scenes that a network just trained is measured on."""

from pathlib import Path

from meishi.data.shards import ShardReader
from meishi.errors import InputError


def open_scenes(folder: Path) -> ShardReader:
    """Open prepared scenes to validate on; before a training, which would be lost without figures.

    Args:
        folder: of the validation split, as the stage preprocess writes it.

    Raises:
        InputError: if it cannot be read, or none of its scenes shows a card.
    """
    reader = ShardReader(folder)
    if not any(record.cards for record in reader.records):
        raise InputError(
            f"{folder}: expected scenes with cards to measure a network on, got {len(reader)} "
            "without; raise preprocess.val_fraction or add scenes with cards"
        )
    return reader
