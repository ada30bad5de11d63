"""A photo that is missing where the others of its label file lie; and photos that all are."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from meishi.data.importers.finding import parts_of, shared_end, told
from meishi.data.importers.folding import folded
from meishi.data.importers.opening import Source
from meishi.pictures.images import SUFFIXES, UNREADABLE


def without_pictures(source: Source, named: Sequence[str]) -> str | None:
    """Say of a source that it holds no picture, though its labels name some; None if it does.

    Args:
        source: where. Of one with photos that are not read, such as raw ones, each is told.
        named: the pictures.
    """
    if not named or any(name.lower().endswith((*SUFFIXES, *UNREADABLE)) for name in source.names):
        return None
    first = repr(told(named[0]))
    which = f"{first} is" if len(named) == 1 else f"{len(named)} are"
    example = "" if len(named) == 1 else f" (the first: {first})"
    return (
        f"{source.path}: holds no picture at all, and {which} named{example}; export with images, "
        "or name the folder around both"
    )


@dataclass(frozen=True, eq=False)
class MissingPhoto:
    """Where a photo would lie that is missing there, and what does not stand for it.

    Attributes:
        meant: its path.
        exact: whether the path that is stated has a folder of its own.
        base: folders that it shares with the other paths, folded.
        shared: how many of these the folder in which the others lie ends in.
        within: the folder of the label file, if the photos lie below it; else "".
        repeating: folders in which names begin anew.
    """

    meant: str
    exact: bool
    base: list[str]
    shared: int
    within: str
    repeating: frozenset[str]

    def excludes(self, folder: str) -> bool:
        """Tell whether a picture of the photo's name in a folder is another photo."""
        if folded(posixpath.dirname(self.meant)) == folded(folder):
            return False
        outside = self.within and not is_below(folder, self.within)
        less = shared_end(parts_of(folder), self.base) < self.shared
        return bool(self.exact or less or outside or folder in self.repeating)


def is_below(folder: str, other: str) -> bool:
    """Tell whether a folder is another one or lies in it."""
    return not other or folder == other or folder.startswith(f"{other}/")
