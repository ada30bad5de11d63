"""Labelled photos of other tools as scenes of ours.

Nothing is guessed and nothing is skipped in silence: what has one meaning is taken, what is not
asked for is counted, all else is a fault with file and field, and all faults come at once. The
picture files stay as they are, byte for byte.
"""

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from meishi.data import records
from meishi.data.importers.choosing import certain, choose, in_order, missing_labels, signature
from meishi.data.importers.finding import (
    AmbiguousError,
    Finder,
    NotFoundError,
    direct_paths,
    has_other_suffix,
    same_path,
)
from meishi.data.importers.label_files import pictures
from meishi.data.importers.labelled import LabelledPhoto, Tally
from meishi.data.importers.mask_folders import without_masks
from meishi.data.importers.missing_photos import without_pictures
from meishi.data.importers.naming import carried_name, pictured, slug, storable
from meishi.data.importers.opening import OpenError, Source, is_archive, open_source
from meishi.data.importers.orientation import orientation
from meishi.data.importers.outlining import is_upright, outlines, sides_on_border
from meishi.data.importers.percent import in_pixels
from meishi.data.importers.reading import other_formats, read_photos
from meishi.data.importers.registry import EMPTY_WITHOUT_LABELS
from meishi.data.importers.rooting import Roots
from meishi.data.progress import reading
from meishi.data.records import Card, Record
from meishi.data.shards import sha256
from meishi.geometry import quads
from meishi.pictures import images, jpeg_damage

Scene = tuple[Record, bytes]
ID_DIGITS = 12
BORDER = "cards with a side on the photo's border, taken to end there (else mark four corners)"
UPRIGHT = "cards that are upright rectangles (a box around a card is no outline: see the sheet)"
OTHER_SUFFIX = "pictures found under another suffix than stated (a.jpeg for a.jpg)"
NO_SHAPE = (
    "NOT ONE SHAPE in the export, so no picture holds a card (if any does, the writer dropped the "
    "shapes: export another format; stating labels refuses this); pictures"
)
PACKED = "no archive in an export is read; unpack it, if it holds the pictures"
WHICH = "; state its folder in the label file, or name one folder as EXPORT"


def import_scenes(
    path: Path,
    kind: str,
    labels: Sequence[str],
    name: str,
    faults: list[str],
    tally: Tally | None = None,
) -> Iterator[Scene]:
    """Yield the scenes of an export, by the path of the picture.

    Args:
        path: a folder, an archive, or one label file.
        kind: the format, a key of `READERS`.
        labels: the labels that mean a card; every label when empty.
        name: of the source: begins the names of designs and backgrounds that the labels do not
            state, one a photo, so that no split separates what one photo shows.
        faults: receives every fault; what was yielded must not be used if there is any.
        tally: counts what was met and left out.
    """
    tally = Tally() if tally is None else tally
    try:
        with open_source(path) as opened:
            source, listed = read_photos(opened, kind, faults, tally)
            if faults and not listed and (others := other_formats(source, kind)):
                faults.append(f"{path}: can be read in another format: {' or '.join(others)}")
            photos = certain(listed, labels, tally)
            inside = [n for n in source.names if is_archive(n)]
            tally.left_out["archives inside the export, left out"] += len(inside)
            packed = f"{source.place(inside[0])}: {PACKED}" if inside else ""
            if packed and not photos:
                faults.append(packed)
            if not photos and not faults:
                told = "".join(f"; {what}: {n}" for what, n in sorted(tally.left_out.items()) if n)
                faults.append(f"{path}: the export is empty: it names no picture{told}")
            before = bool(faults)
            chosen = choose(photos, labels, faults, tally)
            if not before:  # else what could not be read may be why there are none
                faults += [f"{path}: {why}" for why in missing_labels(labels, tally)]
                if not (tally.labels or tally.ignored_labels):
                    tally.left_out[NO_SHAPE] += len(chosen)
            known = len(faults)
            placed = _placed(source, chosen, kind in EMPTY_WITHOUT_LABELS, faults, tally)
            if packed and photos and len(faults) > known:  # pictures that are not found
                faults.append(packed)
            found = _scenes(source, placed, name, faults, tally)
            yield from in_pixels(found, kind, path, faults)
    except OpenError as error:
        faults.append(str(error))


def _placed(
    source: Source,
    photos: list[LabelledPhoto],
    empty_without_labels: bool,
    faults: list[str],
    tally: Tally,
) -> list[tuple[str, LabelledPhoto]]:
    """Join photos with their files, and add the pictures that need no label file; sorted."""
    if not any(p.content for p in photos) and (
        why := without_pictures(source, [p.reference for p in photos])
    ):
        faults.append(why)
        return []
    every = pictures(source)
    stated = [(path, p.near) for p in photos for path in (p.reference, p.or_else) if path]
    led_to = {path for one in stated for path in direct_paths(*one)}.intersection(every)
    known = {*(photo.near for photo in photos), *map(posixpath.dirname, led_to)}
    names = without_masks(every, (path for path, _ in stated), known)
    tally.left_out["pictures in folders of masks, left out"] += len(every) - len(names)
    finder, listed = Finder(names), set(names)
    around = "" if source.chosen is None else "; it lies elsewhere? name the folder around both"
    by_name: dict[str, list[LabelledPhoto]] = {}
    roots = Roots(photos, names)
    for photo in photos:
        try:
            file = roots.find(photo) or _file_of(photo, finder)
            if file in listed and (why := roots.why_not(photo, file)):
                raise NotFoundError(why)
            by_name.setdefault(file, []).append(photo)
            told = filter(None, (photo.reference, photo.or_else))
            if file in listed and all(has_other_suffix(path, file) for path in told):
                tally.left_out[OTHER_SUFFIX] += 1
        except NotFoundError as error:
            hint = WHICH if isinstance(error, AmbiguousError) else around
            faults.append(f"{photo.where}: {error}{hint}")
    placed = [
        (name, photo)
        for name, same in by_name.items()
        for photo in _once(name, same, faults, tally)
    ]
    folders = {posixpath.dirname(name) for name in by_name}
    stems = {posixpath.splitext(name)[0] for name in by_name}
    for name in sorted(set(names) - by_name.keys()):
        if posixpath.splitext(name)[0] in stems:
            tally.left_out["pictures of the same name as a labelled one, left out"] += 1
        elif empty_without_labels and source.chosen is None and posixpath.dirname(name) in folders:
            tally.left_out["pictures without a label file, taken as scenes without cards"] += 1
            placed.append((name, LabelledPhoto(name, "", source.place(name), ())))
        else:
            tally.left_out["pictures that no label file names, left out"] += 1
    return sorted(placed, key=lambda pair: pair[0])


def _file_of(photo: LabelledPhoto, finder: Finder) -> str:
    if found := finder.first(photo.reference, photo.or_else, near=photo.near):
        return found
    if photo.content is not None:
        return carried_name(photo)
    return finder.find(photo.or_else or photo.reference, photo.near)  # says why there is none


def _once(
    name: str, photos: list[LabelledPhoto], faults: list[str], tally: Tally
) -> list[LabelledPhoto]:
    """Keep one of the label files that say the same of a picture; refuse those that differ."""
    # The one whose own path it is comes first, the one that was led to it after.
    first, *others = sorted(photos, key=lambda photo: not same_path(photo.reference, name))
    for other in others:
        if not same_path(first.reference, other.reference):
            faults.append(
                f"{other.where}: no picture {other.reference!r}: the nearest is {name}, which "
                f"{first.where} names"
            )
        elif signature(other.shapes) == signature(first.shapes):
            tally.left_out["pictures listed twice with the same labels"] += 1
        else:
            faults.append(
                f"{other.where}: {name} is also labelled in {first.where}, otherwise; keep one, or "
                "name the label file that is right"
            )
    return [first]


def _scenes(
    source: Source,
    placed: list[tuple[str, LabelledPhoto]],
    name: str,
    faults: list[str],
    tally: Tally,
) -> Iterator[Scene]:
    listed = set(source.names)
    seen: dict[str, tuple[str, Record]] = {}
    for file, photo in reading(placed, name):
        try:
            content = photo.content() if photo.content and file not in listed else source.read(file)
            scene = _scene(file, photo, content, name, faults)
        except (OpenError, images.ImageError) as error:
            faults.append(str(error) if file in str(error) else f"{photo.where}: {error}")
            continue
        if scene is None:
            continue
        if (digest := scene.sha256) not in seen:
            seen[digest] = file, scene
            tally.left_out[BORDER] += sum(
                bool(sides_on_border(quad_px, scene.size_px).any()) for quad_px in _quads_px(scene)
            )
            tally.left_out[UPRIGHT] += sum(map(is_upright, _quads_px(scene)))
            yield scene, content
        elif in_order(seen[digest][1].quads) == in_order(scene.quads):
            tally.left_out["copies of a picture with the same labels, left out"] += 1
        else:
            same = f"{file} is the same picture as {seen[digest][0]}"
            faults.append(f"{photo.where}: {same}, labelled otherwise")


def _quads_px(scene: Record) -> list[np.ndarray]:
    return [quads.to_px(quad, scene.size_px) for quad in scene.quads]


def _scene(
    file: str, photo: LabelledPhoto, content: bytes, name: str, faults: list[str]
) -> Record | None:
    height, width = images.decode(content, f"{photo.where}: {file}").shape[:2]
    if told := jpeg_damage.damage(content):
        faults.append(f"{photo.where}: {file}: damaged inside; get the picture anew ({told})")
        return None
    before = len(faults)
    found = outlines(photo, photo.shapes, orientation(content), (width, height), faults)
    if len(faults) > before:
        return None
    digest = sha256(content)
    stem, suffix = posixpath.splitext(posixpath.basename(file))
    scene_id = f"{slug(stem)}-{digest[:ID_DIGITS]}"
    own = f"{name}-{pictured(file) or scene_id}"
    owner = f"{name}-" if photo.local else ""
    shared, background = (
        owner + given if given else own for given in (photo.group, photo.background)
    )
    cards = tuple(
        Card(quads.to_relative(quad_px, (width, height)), storable(shape.design or shared))
        for shape, quad_px in found
    )
    record = Record(
        id=scene_id,
        shard="",
        image=f"{scene_id}{suffix.lower()}",
        sha256=digest,
        width=width,
        height=height,
        cards=cards,
        backgrounds=(storable(background),),
        attributes={"cards": len(cards), "photo": storable(file)},
    )
    wrong = records.faults(record)
    faults += [f"{photo.where}: {file}: {fault}" for fault in wrong]
    return None if wrong else record
