"""Where the paths in label files begin, and what may therefore not stand for a missing picture.

Photos of one name lie in many folders: phones count from IMG_0001. Where the folder is known below
which most paths of a label file lie as they are stated, a path leads to one picture or to none, and
a picture of its name in another folder is another photo.
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meishi.data.importers.finding import parts_of, same_path, shared_end, spellings
from meishi.data.importers.folding import folded
from meishi.data.importers.labelled import LabelledPhoto
from meishi.data.importers.missing_photos import MissingPhoto, is_below

Key = tuple[str, str, str, str | None]  # what a label file says: where, which it is, two paths


@dataclass(frozen=True, eq=False)
class Ballot:
    """Paths of one label file, or of those in one folder that name one photo each.

    Attributes:
        near: folder of the label file.
        file: the label file, where the reader tells it and it is not one of many of a photo each.
        stated: the paths, as POSIX has them.
    """

    near: str
    file: str
    stated: dict[Key, str]


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
        self._absent: dict[Key, MissingPhoto] = {}
        self._missing: dict[Key, str] = {}
        by_near: dict[str, list[LabelledPhoto]] = {}
        for photo in photos:
            by_near.setdefault(photo.near, []).append(photo)
        self._nears = by_near.keys()
        counts = Counter(photo.listed_in for photo in photos)
        for near, own in by_near.items():
            alone = sum(counts[photo.listed_in] == 1 for photo in own)
            by_file: dict[str, dict[Key, str]] = {}
            for photo in self._settle_by_subset(own):
                one_of_many = counts[photo.listed_in] == 1 and alone > 1
                file = "" if one_of_many else photo.listed_in
                by_file.setdefault(file, {})[_key(photo)] = _stated(photo)
            for file, stated in by_file.items():
                self._settle(Ballot(near, file, stated))

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

    def _settle(self, ballot: Ballot) -> None:
        stated = list(ballot.stated.values())
        base, paths = _below_common_folder(stated, any(path.startswith("/") for path in stated))
        places = [self._places(path) for path in paths]
        if any(places):
            root = self._root_by_each(ballot, places)
            root = _likeliest(places, ballot, base) if root is None else root
        else:  # more folders are stated than the source has
            base, paths = _below_common_folder(stated)
            places = [self._places(path) for path in paths]
            root = _likeliest(places, ballot, base)
            if (
                root is not None
                and not shared_end(parts_of(root), base)
                and len(_roots(places)) > 1
            ):
                return  # of several folders, none of those that are stated
        if root is None:
            return
        repeating = frozenset(_roots(place for place in places if root in place)) - {root}
        within = ballot.near if is_below(root, ballot.near) else ""
        lack = base, shared_end(parts_of(root), base), within, repeating
        for key, path, place in zip(ballot.stated, paths, places, strict=True):
            if key in self._found:
                continue
            if root in place:
                self._found[key] = place[root]
            else:
                meant = posixpath.normpath(posixpath.join(root, path))
                exact = path.find("/") > 0
                self._absent[key] = MissingPhoto(meant, exact, *lack)

    def _root_by_each(self, ballot: Ballot, places: list[dict[str, str]]) -> str | None:
        """Settle photos that lie just where the path leads from their own label file, one each.

        Returns:
            The folder below which most of these lie; None without any.
        """
        roots: Counter[str] = Counter()
        for key, place in zip(ballot.stated, places, strict=True):
            exact = posixpath.normpath(posixpath.join(ballot.near, _posix(key[2])))
            root = next((root for root, name in place.items() if name == exact), None)
            if root is not None and not ballot.file:
                self._found[key] = exact
                roots[root] += 1
        return roots.most_common(1)[0][0] if roots else None

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
        absent, missing = self._absent.get(_key(photo)), self._missing.get(_key(photo))
        meant = absent.meant if absent and absent.excludes(folder) else None
        if missing and not same_path(posixpath.dirname(missing), folder):
            meant = missing
        if meant:
            return (
                f"no picture {meant!r}: {file} has its name, but lies in another folder; add the "
                "picture, or remove its labels"
            )
        own = is_below(folder, photo.near)
        if "/" not in stated and not own and folder in self._nears:
            return (
                f"no picture {stated!r} beside it: {file} has its name, but lies beside other "
                "label files; add the picture, or remove its labels"
            )
        return None


def _key(photo: LabelledPhoto) -> Key:
    return photo.near, photo.listed_in, photo.reference, photo.or_else


def _stated(photo: LabelledPhoto) -> str:
    """Give the path that leads to a picture, as POSIX has it; absolute if it was."""
    path = _posix(photo.or_else or photo.reference)
    return path if path.startswith("/") else posixpath.normpath(path).removeprefix("../")


def _posix(reference: str) -> str:
    return next(iter(spellings(reference)), reference)


def _roots(places: Iterable[dict[str, str]]) -> set[str]:
    return {root for place in places for root in place}


def _likeliest(places: list[dict[str, str]], ballot: Ballot, base: list[str]) -> str | None:
    """Choose the folder below which a label file's pictures lie; None if two serve as well.

    Half of the paths must lead to pictures there. Of several folders the one is meant that the
    paths themselves name; or that is nearer to the label file; or is its own; or is called as it,
    or as its folder; or that more paths lead to.

    Args:
        places: of each path, the folders below which it leads to a picture.
        ballot: of the label file.
        base: the stated folders, folded, that the paths had in common and are without.
    """
    votes = Counter(root for place in places for root in place)
    own = parts_of(ballot.near)
    stem = folded(posixpath.splitext(posixpath.basename(ballot.file))[0])

    def rank(root: str) -> tuple[int, int, bool, int, int]:
        parts = parts_of(root)
        common = len(posixpath.commonprefix([own, parts]))
        up = len(own) - common
        called = max(shared_end(parts, own) if up else 0, int(stem in parts[common:]))
        return shared_end(parts, base), -up, root == ballot.near, called, votes[root]

    fit = [root for root in votes if 2 * votes[root] >= len(places)]
    ranks = sorted(map(rank, fit), reverse=True)
    return max(fit, key=rank) if fit and ranks[:1] != ranks[1:2] else None


def _below_common_folder(paths: list[str], strip: bool = True) -> tuple[list[str], list[str]]:
    """Take away what paths of another machine have in common; give that, folded, and the rest."""
    folders = [path.split("/")[:-1] for path in paths]
    common = len(posixpath.commonprefix(folders)) if strip else 0
    return parts_of("/".join(folders[0][:common])), ["/".join(p.split("/")[common:]) for p in paths]
