"""YOLO (one text a picture): segmentation and pose rows, with or without data.yaml.

Coordinates: shares of the frame, 0 and 1 its borders: ours. `kpt_shape` in data.yaml tells pose
rows (class, box, four keypoints) from segmentation rows (class, polygon); rows of a detector
are boxes, no outlines, and refused. The labels of images/a/b.jpg are in labels/a/b.txt, or beside
it, whatever paths data.yaml states; a picture without a text, in a folder of others that have
one, holds no card: so does YOLO take it.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meishi.data.importers.finding import folded
from meishi.data.importers.label_files import pictures
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import described, parse_number
from meishi.data.importers.opening import OpenError, Source

# Beyond, a number is no share of the frame but a pixel.
MAX_SHARE = 3.0
POSE_COLUMNS = {13: 2, 17: 3}  # class, box and four keypoints of 2 or 3 numbers


@dataclass(frozen=True)
class _Config:
    """data.yaml, as far as it matters: names by class, numbers a keypoint (None: no pose)."""

    names: dict[int, str]
    keypoint_numbers: int | None
    known: bool


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each picture that has a text, or lies among others that have one."""
    config = _config(source, faults)
    by_stem: dict[str, list[str]] = {}
    for name in _texts(source):
        by_stem.setdefault(folded(posixpath.splitext(name)[0]), []).append(name)
    found: dict[str, str | None] = {}
    for picture in pictures(source):
        texts = [t for stem in _label_stems(picture) for t in by_stem.get(folded(stem), [])]
        if len(texts) > 1:
            faults.append(f"{source.place(picture)}: labels in {texts[0]} and in {texts[1]}")
        found[picture] = texts[0] if texts else None
    used = {text for text in found.values() if text}
    for own in sorted(used):
        same = [picture for picture, text in found.items() if text == own]
        if len(same) > 1:
            faults.append(f"{source.place(own)}: labels of {same[0]} or of {same[1]}?")
    if not used and not faults:
        faults.append(f"{source.path}: no YOLO labels: no text has the name of a picture")
    faults += _orphans(source, used)
    folders = {posixpath.dirname(picture) for picture, text in found.items() if text}
    for picture, text in found.items():
        shapes = tuple(_shapes(source, text, config, faults)) if text else ()
        if text or posixpath.dirname(picture) in folders:
            where = source.place(text or picture)
            yield LabelledPhoto(picture, "", where, shapes, relative=True)


def _texts(source: Source) -> list[str]:
    # All of them, also when the user named data.yaml: it states paths, and they seldom resolve.
    return [name for name in source.names if name.lower().endswith(".txt")]


def _label_stems(picture: str) -> list[str]:
    """List where a picture's text may lie, without the suffix."""
    stem = posixpath.splitext(picture)[0]
    parts = stem.split("/")
    places = [index for index, part in enumerate(parts[:-1]) if part.lower() == "images"]
    swapped = [
        "/".join([*parts[:index], "labels", *parts[index + 1 :]]) for index in reversed(places)
    ]
    return list(dict.fromkeys([*swapped, stem]))


def _orphans(source: Source, used: set[str]) -> list[str]:
    """Name texts of YOLO rows that belong to no picture."""
    faults = []
    for name in set(_texts(source)) - used:
        try:
            lines = source.read(name).decode("utf-8-sig", errors="replace").split("\n")
        except OpenError as error:
            faults.append(str(error))
            continue
        rows = [line.split() for line in lines if line.strip()]
        if rows and all(len(row) > 4 and _numbers(row) for row in rows):
            faults.append(f"{source.place(name)}: no picture of this name for its labels")
    return sorted(faults)


def _config(source: Source, faults: list[str]) -> _Config:
    files = [
        name
        for name in source.names
        if name.lower().endswith((".yaml", ".yml")) and "names:" in _text(source, name, faults)
    ]
    read_ones = [(name, _yaml(source, name, faults)) for name in files]
    configs = [config for _, config in read_ones if config]
    if len(configs) > 1 and any(config != configs[0] for config in configs):
        faults.append(f"{source.path}: {files[0]} and {files[1]} state different classes")
    if configs:
        return configs[0]
    classes = [n for n in source.names if posixpath.basename(n) in ("classes.txt", "obj.names")]
    lines = _text(source, classes[0], faults).splitlines() if classes else []
    return _Config({i: line.strip() for i, line in enumerate(lines) if line.strip()}, None, False)


def _text(source: Source, name: str, faults: list[str]) -> str:
    try:
        return source.read(name).decode("utf-8-sig", errors="replace")
    except OpenError as error:
        faults.append(str(error))
        return ""


def _yaml(source: Source, name: str, faults: list[str]) -> _Config | None:
    where = source.place(name)
    try:
        value = YAML(typ="safe").load(_text(source, name, faults))
    except (YAMLError, ValueError) as error:
        faults.append(f"{where}: not YAML: {str(error).splitlines()[0]}")
        return None
    if not isinstance(value, dict):
        faults.append(f"{where}: expected keys and values, got {described(value)}")
        return None
    names = value.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(str(key).isdecimal() for key in names):
        faults.append(f"{where}: names: expected a list, or numbers and names")
        return None
    shape = value.get("kpt_shape")
    if shape is not None and shape not in ([4, 2], [4, 3]):
        faults.append(f"{where}: kpt_shape: expected [4, 2] or [4, 3], got {described(shape)}")
        return None
    labels = {int(key): str(label) for key, label in names.items()}
    return _Config(labels, shape[1] if shape else None, True)


def _shapes(source: Source, name: str, config: _Config, faults: list[str]) -> Iterator[Shape]:
    for number, line in enumerate(_text(source, name, faults).splitlines(), start=1):
        where = f"{source.place(name)} line {number}"
        words = line.split()
        if not words:
            continue
        numbers = _numbers(words)
        if numbers is None or numbers[0] % 1 or numbers[0] < 0:
            faults.append(f"{where}: expected a class and numbers, got {described(line[:40])}")
            continue
        key = int(numbers[0])
        if config.names and key not in config.names:
            faults.append(f"{where}: class {key}: there are {sorted(config.names)}")
            continue
        yield _shape(np.array(numbers[1:]), (config.names.get(key, str(key)),), where, config)


def _numbers(words: list[str]) -> list[float] | None:
    numbers = [parse_number(word) for word in words]
    found = [number for number in numbers if number is not None]
    return found if len(found) == len(numbers) else None


def _shape(numbers: np.ndarray, label: tuple[str, ...], where: str, config: _Config) -> Shape:
    columns = len(numbers) + 1
    if config.keypoint_numbers:
        per_point = config.keypoint_numbers
        if columns != 5 + 4 * per_point:
            why = f"{columns} numbers; kpt_shape asks for {5 + 4 * per_point}"
            return refused(label, where, why)
        return _pose(numbers[4:].reshape(4, per_point), label, where)
    if columns == 5:
        why = "a detector's box, which is no outline; export segmentation or pose"
        return refused(label, where, why)
    if columns < 7 or columns % 2 == 0:
        return refused(
            label, where, f"{columns} numbers; expected a class and three points or more"
        )
    if not config.known and columns in POSE_COLUMNS and _may_be_pose(numbers):
        why = (
            f"{columns} numbers may be a polygon, or a box with four keypoints; add the data.yaml "
            "(kpt_shape stands in it for keypoints, names for both)"
        )
        return refused(label, where, why)
    if np.abs(numbers).max() > MAX_SHARE:
        why = f"{np.abs(numbers).max():g} is no share of the frame; YOLO's coordinates are"
        return refused(label, where, why)
    return Shape(label, where, "polygon", (numbers.reshape(-1, 2),))


def _pose(points: np.ndarray, label: tuple[str, ...], where: str) -> Shape:
    if points.shape[1] == 3 and not (points[:, 2] > 0).all():
        return refused(label, where, "a corner's visibility is 0: it is not set")
    if not points[:, :2].any(axis=1).all():
        return refused(label, where, "a corner is 0 0, which says that it is not set")
    if np.abs(points[:, :2]).max() > MAX_SHARE:
        return refused(label, where, "a corner is no share of the frame; YOLO's coordinates are")
    return Shape(label, where, "corners", (points[:, :2],))


def _may_be_pose(numbers: np.ndarray) -> bool:
    """Tell whether the numbers read as a box with four keypoints inside it."""
    points = numbers[4:].reshape(4, -1)
    if points.shape[1] == 3 and not np.isin(points[:, 2], (0, 1, 2)).all():
        return False
    centre, size = numbers[:2], numbers[2:4]
    return bool((np.abs(points[:, :2] - centre) <= size / 2 + 0.02).all())
