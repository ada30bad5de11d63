"""A photo that is missing where the others of its label file lie."""

import posixpath
from dataclasses import dataclass

from meishi.data.importers.finding import parts_of, shared_end
from meishi.data.importers.folding import folded


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
