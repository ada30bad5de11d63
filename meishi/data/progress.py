"""A bar for the reading of a source, with its ETA, where there is something to wait for."""

from collections.abc import Sequence
from typing import TypeVar

from tqdm import tqdm

LONG = 200  # pictures: a second of scenes, minutes of photos as phones take them

Item = TypeVar("Item")


def reading(items: Sequence[Item], source: str) -> "tqdm[Item]":
    """Show how many of a source's pictures have been read.

    Args:
        items: one a picture; iterated over, or counted by `update` and `close`.
        source: its name.
    """
    return tqdm(items, unit="picture", desc=f"read {source}", disable=len(items) < LONG)
