"""Which file on the disk a label file means.

Label files carry the paths of the machine they were made on: absolute, Windows, URLs, with the
prefixes that Label Studio adds, in another case or Unicode form. A file is taken when the path
leads to it, or else when it alone shares the longest end with the path. When several files do so
equally, the one is taken that alone lies in the label file's own folder, or in the nearest folder
around it that holds any of them, or else none. Where no file has the name, spaces that are wider,
doubled or at an end do not count, nor, where that leads to none, does its suffix: a.jpeg for a.jpg,
frame_000001 for frame_000001.PNG, a photo that was converted. A file in a folder of masks or labels
is none: masks/a.png was drawn for a.jpg.
"""

import base64
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from urllib.parse import parse_qs, unquote, unquote_plus

from meishi.data.importers.folding import folded
from meishi.data.importers.mask_folders import holds_masks
from meishi.errors import InputError
from meishi.pictures.images import SUFFIXES, UNREADABLE

SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
SERVED = ("/data/", "/tasks/", "/api/")  # of Label Studio
DRIVE = re.compile(r"^/?[A-Za-z]:(?=/)")
# Label Studio stores an upload as 8 hexadecimal digits, "-", and the name it had, its spaces "_"
# and what is no letter, digit, "_", "-" or "." left away. What its converters fetch has 8 (once 6)
# such digits and "__" before that. A day, 20240315-1.jpg, is what a camera or a person writes.
DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-"
UPLOAD = re.compile(rf"^(?!{DAY})[0-9a-f]{{8}}-(?=.)")
FETCHED = re.compile(r"^[0-9a-f]{6}(?:[0-9a-f]{2})?__(?=.)")


class NotFoundError(InputError):
    """No file, or no single file, is meant; the message completes "FILE: ..."."""


class AmbiguousError(NotFoundError):
    """Several files are meant equally."""


class Finder:
    """Finds files of a source by the paths that label files state."""

    def __init__(self, names: Iterable[str]) -> None:
        """List the candidates: relative POSIX paths."""
        self._folded: dict[str, list[str]] = {}
        self._by_base: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._masks: dict[str, str] = {}
        self._by_stored: dict[str, list[str]] = {}
        self._by_spaced: dict[str, list[str]] = {}
        self._names = set(names)
        for name in sorted(self._names):
            self._folded.setdefault(folded(name), []).append(name)
            self._by_base.setdefault(posixpath.basename(folded(name)), []).append(name)
            stem = posixpath.basename(_stem(name))
            if holds_masks(name):
                self._masks.setdefault(stem, name)
            else:
                self._by_stem.setdefault(stem, []).append(name)
            self._by_stored.setdefault(posixpath.basename(stored(name)), []).append(name)
            self._by_spaced.setdefault(posixpath.basename(_spaced(name)), []).append(name)

    def find(self, reference: str, near: str = "") -> str:
        """Name the file that a path means.

        Args:
            reference: the path, as a label file states it.
            near: folder of the label file, inside the source.

        Raises:
            NotFoundError: if there is none, or several are meant equally.
        """
        candidates = spellings(reference)
        direct = list(direct_paths(reference, near))
        for path in direct:
            if path in self._names:
                return path
        for path in direct:
            if alike := self._folded.get(folded(path)):
                return self._only(alike, reference, near)
        uploads = [own for path in candidates for own in without_prefixes(path)]
        for path in candidates:
            if alike := _nearest(path, self._by_base, folded):
                return self._only(alike, reference, near)
        for path in uploads:
            if alike := _nearest(path, self._by_stored, stored):
                return self._only(alike, reference, near)
        for path in candidates:
            if alike := _nearest(path, self._by_spaced, _spaced):
                return self._only(alike, reference, near)
        for path in [*candidates, *uploads]:
            if alike := _nearest(path, self._by_stem, _stem):
                return self._only(alike, reference, near)
        suffix = posixpath.splitext(reference)[1].lower()
        hint = f"; {suffix} is not read, export JPEG" if suffix in UNREADABLE else ""
        stems = [posixpath.basename(_stem(path)) for path in candidates]
        if drawn := next((self._masks[stem] for stem in stems if stem in self._masks), None):
            hint += f"; {drawn}, in a folder of masks or labels, does not stand for it"
        raise NotFoundError(f"no picture {told(reference)!r} in the source{hint}")

    def first(self, *references: str | None, near: str = "") -> str | None:
        """Name the file that the first of several paths that means one means; None if none does."""
        for reference in filter(None, references):
            try:
                return self.find(reference, near)
            except NotFoundError:
                continue
        return None

    def _only(self, alike: list[str], reference: str, near: str) -> str:
        # Exports side by side, each with its own pictures: train/labels.json, train/data/a.jpg;
        # train/json/a.json, train/img/a.jpg.
        for folder in _upwards(near):
            inside = [name for name in alike if name.startswith(f"{folder}/")]
            if len(inside) == 1:
                return inside[0]
            if inside:
                break
        if len(alike) > 1:
            raise AmbiguousError(
                f"the picture {reference!r} may be {alike[0]!r} or {alike[1]!r}"
                + (f" or one of {len(alike) - 2} more" if len(alike) > 2 else "")
            )
        return alike[0]


def direct_paths(reference: str, near: str) -> Iterator[str]:
    """List where a stated path leads from the folder of its label file, and from the source's."""
    for path in spellings(reference):
        for base in dict.fromkeys((near, "")):
            yield posixpath.normpath(posixpath.join(base, path.lstrip("/")))


def has_other_suffix(reference: str, name: str) -> bool:
    """Tell whether a file was found under another suffix than the one that is stated, or none."""
    suffixes = {posixpath.splitext(path)[1].lower() for path in spellings(reference)}
    return posixpath.splitext(name)[1].lower() not in suffixes


def _upwards(folder: str) -> Iterator[str]:
    """List a folder and those around it, the root left out."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _nearest(path: str, by_last: dict[str, list[str]], reduced: Callable[[str], str]) -> list[str]:
    """List the names that share the longest end with a path."""
    parts = reduced(path).split("/")
    alike = by_last.get(parts[-1], [])
    lengths = [shared_end(reduced(name).split("/"), parts) for name in alike]
    return [name for name, length in zip(alike, lengths, strict=True) if length == max(lengths)]


def _stem(name: str) -> str:
    """Fold a name and take away the suffix of a picture, and of no other file."""
    stem, suffix = posixpath.splitext(folded(name))
    return stem if suffix in (*SUFFIXES, *UNREADABLE) else folded(name)


def stored(name: str) -> str:
    """Fold a name to the form in which Label Studio stores it."""
    return re.sub(r"[^-\w./]", "", folded(name).replace(" ", "_"))


def _spaced(name: str) -> str:
    """Fold a name to the form in which it does not count how many spaces there are, and which."""
    stem, suffix = posixpath.splitext(folded(name).strip())
    parts = [" ".join(part.split()) for part in stem.split("/")]
    return "/".join(parts) + suffix


def same_path(one: str, other: str) -> bool:
    """Tell whether two stated paths can be one: all of the shorter is the end of the longer."""
    for a in map(parts_of, spellings(one)):
        for b in map(parts_of, spellings(other)):
            if shared_end(a, b) == min(len(a), len(b)):
                return True
    return False


def parts_of(path: str) -> list[str]:
    """List the folders of a stated path and its name, folded."""
    return [part for part in folded(path).split("/") if part not in ("", ".", "..")]


def spellings(reference: str) -> list[str]:
    """List the POSIX paths that a stated path may spell, the most literal first."""
    texts = [reference]
    if SCHEME.match(reference):
        texts = []
    if SCHEME.match(reference) or reference.startswith(SERVED):
        texts += _beyond_host(reference.replace("\\", "/"))
    # Addresses write a space as %20, forms as +.
    texts += [*map(unquote, texts), *map(unquote_plus, texts)]
    plain = [DRIVE.sub("", text.replace("\\", "/")) for text in texts]
    return [path for path in dict.fromkeys(plain) if path.strip("/")]


def _beyond_host(url: str) -> list[str]:
    """List the paths that a URL, or an address of Label Studio, may mean on a disk."""
    scheme = SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    if scheme and not DRIVE.match(rest):  # file://C:/x has the drive where the host would be
        rest = f"/{rest.partition('/')[2]}"
    path, _, query = rest.partition("?")
    asked = parse_qs(query)
    # /data/local-files/?d=PATH, /storage-data/uploaded/?filepath=PATH
    if stored := asked.get("d") or asked.get("filepath"):
        return stored
    if packed := asked.get("fileuri"):  # /tasks/1/resolve/?fileuri=BASE64 of an address
        with suppress(ValueError):  # it is no base64
            address = base64.urlsafe_b64decode(packed[0] + "===").decode()
            return _beyond_host(address) if SCHEME.match(address) else [address]
    # A bucket (s3://, gs://) knows neither queries nor fragments: ? and # belong to the name.
    served = scheme is None or scheme[0].lower() in ("http://", "https://")
    return [path.partition("#")[0]] if served else [rest, path]


def told(reference: str) -> str:
    """Cut a stated path for a message where it is an address that is the picture itself."""
    return f"{reference[:30]}..." if reference.startswith("data:") else reference


def own_name(reference: str) -> str:
    """Reduce a stated path to the name that the picture had before it was uploaded, folded."""
    path = next(iter(spellings(reference)), reference)
    return folded(posixpath.basename([path, *without_prefixes(path)][-1]))


def without_prefixes(path: str) -> list[str]:
    """List the paths that one is without what Label Studio put before the name; none if nothing."""
    folder, base = posixpath.split(path)
    fetched = FETCHED.sub("", base)
    names = dict.fromkeys((UPLOAD.sub("", base), fetched, UPLOAD.sub("", fetched)))
    return [posixpath.join(folder, name) for name in names if name != base]


def shared_end(a: list[str], b: list[str]) -> int:
    """Count how many parts two paths have in common from their ends on."""
    count = 0
    for left, right in zip(reversed(a), reversed(b), strict=False):
        if left != right:
            break
        count += 1
    return count
