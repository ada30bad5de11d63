"""Which text holds the labels of which picture of a YOLO export.

The rule: the labels of images/a/b.jpg are in labels/a/b.txt, or beside it. A name that agrees in
every letter goes before one that differs in case. A folder of texts that the rule leads nowhere
from (photos/a.jpg and labels/a.txt) is joined by name, as labels of other formats are.
"""

import posixpath

from meishi.data.importers.finding import (
    AmbiguousError,
    Finder,
    NotFoundError,
    shared_end,
    stored,
    without_prefixes,
)
from meishi.data.importers.folding import folded, folded_stem
from meishi.data.importers.label_files import holdings, pictures
from meishi.data.importers.mask_folders import holds_masks
from meishi.data.importers.missing_photos import without_pictures
from meishi.data.importers.nodes import described
from meishi.data.importers.opening import Source
from meishi.data.importers.yolo_rows import DOTA, are_labels, is_dota, rows_of

RULE = "the labels of images/a.jpg are in labels/a.txt, or in a.txt beside it"


def pair(source: Source, faults: list[str]) -> dict[str, str | None]:
    """Name the text of each picture; None of one that has none.

    Args:
        source: where.
        faults: receives texts and pictures that are meant twice, and texts of labels that belong
            to no picture.
    """
    before = len(faults)
    names = _photos(source)
    if not names and (why := without_pictures(source, _labelled(source, faults))):
        faults.append(why)
        return {}
    found: dict[str, str | None] = {}
    used = _by_rule(source, names, found, faults)
    unclear = _by_name(source, names, found, used, faults)
    for own in sorted(used):
        same = [picture for picture, text in found.items() if text == own]
        if len(same) > 1:
            faults.append(f"{source.place(own)}: labels of {same[0]} or of {same[1]}?")
    faults += _orphans(source, used, unclear)
    if not used and len(faults) == before:
        faults.append(f"{source.path}: no YOLO labels: {_why_none(source, names)}")
    return found


def _why_none(source: Source, names: list[str]) -> str:
    """Say why no text of a source holds the labels of any of its pictures."""
    stems = {folded_stem(name) for name in names}
    for text in _texts(source):
        rows = rows_of(source, text, []) if folded_stem(text) in stems else []
        if rows:
            shown = described(" ".join(rows[0]))
            return f"{text} line 1: expected a class and numbers, with spaces between, got {shown}"
    whole = {folded(posixpath.basename(name)) for name in names}
    named = [t for t in _texts(source) if folded(posixpath.basename(t)[: -len(".txt")]) in whole]
    if named and not any(rows_of(source, text, []) for text in named):
        return (
            f"all {len(named)} texts with the name of a picture are empty (the first: {named[0]}): "
            "its writer may have dropped the shapes; export another format"
        )
    return f"no text has the name of a picture; {RULE}; {holdings(source)}"


def _labelled(source: Source, faults: list[str]) -> list[str]:
    """List the names that pictures of texts of labels have, without the suffix."""
    rows = {text: rows_of(source, text, faults) for text in _texts(source)}
    texts = [text for text, own in rows.items() if own and all(are_labels(own))]
    return [posixpath.splitext(posixpath.basename(text))[0] for text in texts]


def _texts(source: Source) -> list[str]:
    # All of them, also when the user named data.yaml: it states paths, and they seldom resolve.
    return [name for name in source.names if name.lower().endswith(".txt")]


def _photos(source: Source) -> list[str]:
    """List the pictures, without masks of others: labels/a.png of photos/a.jpg."""
    names = pictures(source)
    stems = {folded_stem(name) for name in names if not holds_masks(name)}
    texts = {posixpath.splitext(name)[0] for name in _texts(source)}
    return [
        name
        for name in names
        if not (holds_masks(name) and folded_stem(name) in stems)
        or not texts.isdisjoint(_swapped(posixpath.splitext(name)[0]))
    ]


def _by_rule(
    source: Source, names: list[str], found: dict[str, str | None], faults: list[str]
) -> set[str]:
    """Enter the text of each picture in `found`; list the texts that belong to any."""
    exact: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for name in _texts(source):
        stem = posixpath.splitext(name)[0]
        exact.setdefault(stem, []).append(name)
        alike.setdefault(folded(stem), []).append(name)
    _add_uploads(alike, {stem for name in names for stem in _label_stems(name)})
    used: set[str] = set()
    for picture in names:
        stems = _label_stems(picture)
        own = [t for stem in stems for t in exact.get(stem) or alike.get(folded(stem), [])]
        if len(own) > 1:
            faults.append(f"{source.place(picture)}: labels in {own[0]} and in {own[1]}")
        found[picture] = own[0] if own else None
        used.update(own)
    return used


def _add_uploads(by_stem: dict[str, list[str]], wanted: set[str]) -> None:
    """Enter texts that no picture has the name of by the name before Label Studio stored it."""
    named = {folded(stem) for stem in wanted}
    missing: dict[str, list[str]] = {}
    for stem in sorted(named - by_stem.keys()):
        missing.setdefault(stored(stem), []).append(stem)
    uploads = {stem: texts for stem, texts in by_stem.items() if stem not in named}
    for stem, texts in uploads.items():
        for name in without_prefixes(stem):
            for own in missing.get(stored(name), []):
                by_stem.setdefault(own, []).extend(texts)


def _label_stems(picture: str) -> list[str]:
    """List where a picture's text may lie, without the suffix."""
    stem = posixpath.splitext(picture)[0]
    return list(dict.fromkeys([*_swapped(stem), stem]))


def _swapped(stem: str) -> list[str]:
    """Write labels for each folder images of a path, the last one first."""
    parts = stem.split("/")
    places = [index for index, part in enumerate(parts[:-1]) if part.lower() == "images"]
    return ["/".join([*parts[:index], "labels", *parts[index + 1 :]]) for index in places[::-1]]


def _by_name(
    source: Source,
    names: list[str],
    found: dict[str, str | None],
    used: set[str],
    faults: list[str],
) -> dict[str, str]:
    """Join the folders that the rule leads nowhere from.

    Where the rule holds for some of a folder, it holds for all: a text of train/labels whose
    picture is missing is not that of valid/images.

    Args:
        source: where.
        names: the pictures.
        found: the text of each picture by the rule; receives those by name.
        used: the texts in it; receives those by name.
        faults: receives pictures that two texts have the name of.

    Returns:
        Texts of which it is unclear what pictures they are of, and why.
    """
    ruled = {posixpath.dirname(text) for text in used}
    shown = {posixpath.dirname(picture) for picture, text in found.items() if text}
    texts = [name for name in _texts(source) if posixpath.dirname(name) not in ruled]
    untold: list[str] = []  # a text that cannot be read is a fault where it is looked at last
    folders = {
        posixpath.dirname(name) for name in texts if any(are_labels(rows_of(source, name, untold)))
    }
    unclear: dict[str, str] = {}
    by_folder: dict[str, dict[str, str]] = {}
    finder = Finder(names)
    for text in texts:
        folder = posixpath.dirname(text)
        if folder in folders and (picture := _of_name(text, finder, unclear)):
            by_folder.setdefault(folder, {})[text] = picture
    for own in by_folder.values():
        apart = _apart_from_others(own)
        for text, picture in own.items():
            if posixpath.dirname(picture) in shown:
                continue
            if text in apart:
                unclear[text] = f"{picture} has its name, but does not lie as the others' do"
                continue
            if other := found[picture]:
                faults.append(f"{source.place(picture)}: labels in {other} and in {text}")
            found[picture] = text
            used.add(text)
    return unclear


def _of_name(text: str, finder: Finder, unclear: dict[str, str]) -> str | None:
    """Find the picture of a text's name; None without one, or if several have it: `unclear`."""
    try:
        return finder.find(posixpath.splitext(text)[0], posixpath.dirname(text))
    except AmbiguousError as error:
        unclear[text] = str(error)
    except NotFoundError:
        pass
    return None


def _apart_from_others(pictures_of: dict[str, str]) -> set[str]:
    """List texts of a folder whose picture shares less with them than others' do with theirs.

    Where labels/desk/1.txt is of photos/desk/1.jpg, photos/shop/2.jpg is not that of desk/2.txt.
    """
    shared = {}
    for text, picture in pictures_of.items():
        own, other = (folded(posixpath.dirname(name)).split("/") for name in (text, picture))
        shared[text] = len(posixpath.commonprefix([own, other])), shared_end(own, other)
    return {
        text
        for text, (begin, end) in shared.items()
        if any(
            more[0] >= begin and more[1] >= end and more != (begin, end)
            for more in set(shared.values())
        )
    }


def _orphans(source: Source, used: set[str], unclear: dict[str, str]) -> list[str]:
    """Name texts of labels that belong to no picture, or that are another tool's."""
    faults: list[str] = []
    folders = {posixpath.dirname(text) for text in used}
    read_ones = {folded(posixpath.basename(text)) for text in used}
    for name in set(_texts(source)) - used:
        rows = rows_of(source, name, faults)
        labels = are_labels(rows)
        # Among labels, a text with one row that is none is still a text of labels.
        if any(labels) and (all(labels) or posixpath.dirname(name) in folders):
            why = unclear.get(name, "no picture of this name for its labels")
            faults.append(f"{source.place(name)}: {why}; {RULE}")
        # labelTxt/a.txt may stand beside labels/a.txt, which was made of it.
        elif any(map(is_dota, rows)) and folded(posixpath.basename(name)) not in read_ones:
            faults.append(f"{source.place(name)}: {DOTA}")
    return sorted(faults)
