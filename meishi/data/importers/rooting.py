"""Where the paths in label files begin, and what may therefore not stand for a missing picture.

Photos of one name lie in many folders: phones count from IMG_0001. Where the folder is known below
which most paths of a label file lie as they are stated, a path leads to one picture or to none, and
a picture of its name in another folder is another photo.
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence

from meishi.data.importers.finding import folded, spellings
from meishi.data.importers.labelled import LabelledPhoto


class Roots:
    """Where the pictures of some label files lie, as far as their paths agree on it."""

    def __init__(self, photos: Sequence[LabelledPhoto], names: Iterable[str]) -> None:
        """Compare what label files state with what there is.

        Args:
            photos: as label files state them.
            names: pictures of the source, relative POSIX paths.
        """
        self._by_base: dict[str, list[str]] = {}
        for name in names:
            self._by_base.setdefault(posixpath.basename(folded(name)), []).append(name)
        self._found: dict[tuple[str, str], str] = {}
        self._meant: dict[tuple[str, str], str] = {}
        stated: dict[str, list[str]] = {}
        for photo in photos:
            stated.setdefault(photo.near, []).append(_stated(photo))
        self._nears = stated.keys()
        for near, paths in stated.items():
            self._settle(near, paths)

    def _settle(self, near: str, stated: list[str]) -> None:
        paths = _below_common_folder(stated)
        places = [self._places(path) for path in paths]
        votes = Counter(root for place in places for root in place).most_common(2)
        shared = len(votes) == 2 and votes[0][1] == votes[1][1]
        if not votes or shared or 2 * votes[0][1] < len(stated):
            return  # two folders serve as well, or few paths agree
        root = votes[0][0]
        for own, path, place in zip(stated, paths, places, strict=True):
            if root in place:
                self._found[near, own] = place[root]
            elif "/" in path:
                self._meant[near, own] = posixpath.normpath(posixpath.join(root, path))

    def _places(self, path: str) -> dict[str, str]:
        """List the folders below which a path leads to a picture, and the pictures."""
        last = folded(path).split("/")
        alike: dict[str, list[str]] = {}
        for name in self._by_base.get(last[-1], []):
            parts, own = name.split("/"), folded(name).split("/")
            if own[len(own) - len(last) :] == last:
                alike.setdefault("/".join(parts[: len(parts) - len(last)]), []).append(name)
        # Of names that differ in case alone the literal one is meant, if there is one.
        literal = {
            root: [name for name in same if name.endswith(path)] for root, same in alike.items()
        }
        only = {root: literal[root] or same for root, same in alike.items()}
        return {root: same[0] for root, same in only.items() if len(same) == 1}

    def find(self, photo: LabelledPhoto) -> str | None:
        """Name the picture of a photo; None if its path leads to none, or nothing is known."""
        return self._found.get((photo.near, _stated(photo)))

    def why_not(self, photo: LabelledPhoto, file: str) -> str | None:
        """Say why a file is another photo of the same name; None if it may be the one."""
        folder, stated = posixpath.dirname(file), _stated(photo)
        meant = self._meant.get((photo.near, stated))
        if meant and folded(posixpath.dirname(meant)) != folded(folder):
            return (
                f"no picture {meant!r}: {file} has its name, but lies in another folder; add the "
                "picture, or remove its labels"
            )
        own = not photo.near or folder == photo.near or folder.startswith(f"{photo.near}/")
        if "/" not in stated and not own and folder in self._nears:
            return (
                f"no picture {stated!r} beside it: {file} has its name, but lies beside other "
                "label files; add the picture, or remove its labels"
            )
        return None


def _stated(photo: LabelledPhoto) -> str:
    """Give the path that leads to a picture, as POSIX has it; absolute if it was."""
    reference = photo.or_else or photo.reference
    path = next(iter(spellings(reference)), reference)
    return path if path.startswith("/") else posixpath.normpath(path).removeprefix("../")


def _below_common_folder(paths: list[str]) -> list[str]:
    """Take away what paths of another machine have in common."""
    if not any(path.startswith("/") for path in paths):
        return paths
    folders = [posixpath.dirname(path).split("/") for path in paths]
    common = len(posixpath.commonprefix(folders))
    return ["/".join(path.split("/")[common:]) for path in paths]
