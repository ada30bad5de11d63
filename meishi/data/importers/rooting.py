"""Where the paths in label files begin, and what may therefore not stand for a missing picture.

Photos of one name lie in many folders: phones count from IMG_0001. Where the folder is known below
which most paths of a label file lie as they are stated, a path leads to one picture or to none, and
a picture of its name in another folder is another photo.
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence

from meishi.data.importers.finding import same_path, shared_end, spellings
from meishi.data.importers.folding import folded
from meishi.data.importers.labelled import LabelledPhoto

Key = tuple[str, str, str | None]  # what a label file says of a photo: its own folder, two paths


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
        self._found: dict[Key, str] = {}
        self._meant: dict[Key, str] = {}
        self._missing: dict[Key, str] = {}
        by_near: dict[str, list[LabelledPhoto]] = {}
        for photo in photos:
            by_near.setdefault(photo.near, []).append(photo)
        self._nears = by_near.keys()
        for own in by_near.values():
            rest = self._settle_by_subset(own)
            self._settle({_key(photo): _stated(photo) for photo in rest})

    def _settle_by_subset(self, photos: list[LabelledPhoto]) -> list[LabelledPhoto]:
        """Settle photos that state two paths, if the longer ones lead to pictures; give the rest.

        The longer path has the folder of a subset, or of a clip, in which names begin anew.
        """
        led = {_key(photo): self._led(photo) for photo in photos}
        only = {key: found[0] for key, found in led.items() if found and len(found) == 1}
        self._found |= only
        missing = [photo for photo in photos if only and led[_key(photo)] == []]
        for photo in missing:
            self._missing[_key(photo)] = max(photo.reference, photo.or_else or "", key=len)
        return [p for p in photos if _key(p) not in only and _key(p) not in self._missing]

    def _led(self, photo: LabelledPhoto) -> list[str] | None:
        """List pictures that share more with the longer of two paths than there is of the other.

        None if there are no two of which one is the end of the other.
        """
        if photo.or_else is None:
            return None
        paths = (next(iter(spellings(path)), path) for path in (photo.reference, photo.or_else))
        shorter, longer = sorted((folded(path).split("/") for path in paths), key=len)
        if shorter == longer or longer[-len(shorter) :] != shorter or ".." in longer:
            return None
        names = self._by_base.get(longer[-1], [])
        shared = {name: shared_end(folded(name).split("/"), longer) for name in names}
        most = max(shared.values(), default=0)
        return [name for name in names if shared[name] == most] if most > len(shorter) else []

    def _settle(self, stated: dict[Key, str]) -> None:
        paths = _below_common_folder(list(stated.values()))
        places = [self._places(path) for path in paths]
        votes = Counter(root for place in places for root in place).most_common(2)
        shared = len(votes) == 2 and votes[0][1] == votes[1][1]
        if not votes or shared or 2 * votes[0][1] < len(stated):
            return  # two folders serve as well, or few paths agree
        root = votes[0][0]
        for key, path, place in zip(stated, paths, places, strict=True):
            if root in place:
                self._found[key] = place[root]
            elif "/" in path:
                self._meant[key] = posixpath.normpath(posixpath.join(root, path))

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
        return self._found.get(_key(photo))

    def why_not(self, photo: LabelledPhoto, file: str) -> str | None:
        """Say why a file is another photo of the same name; None if it may be the one."""
        folder, stated = posixpath.dirname(file), _stated(photo)
        meant, missing = self._meant.get(_key(photo)), self._missing.get(_key(photo))
        elsewhere = meant and folded(posixpath.dirname(meant)) != folded(folder)
        if missing and not same_path(posixpath.dirname(missing), folder):
            elsewhere, meant = True, missing
        if elsewhere:
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


def _key(photo: LabelledPhoto) -> Key:
    return photo.near, photo.reference, photo.or_else


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
