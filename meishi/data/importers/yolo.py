"""YOLO (one text a picture): segmentation and pose rows, with or without data.yaml.

Coordinates: shares of the frame, 0 and 1 its borders: ours. `yolo_config` tells pose rows (class,
box, four keypoints) from segmentation rows (class, polygon); rows of a detector are boxes, no
outlines, and refused. Which text is a picture's, `yolo_pairs` tells, whatever paths data.yaml
states; a picture without a text, in a folder of others that have one, holds no card: so
does YOLO take it. What Label Studio wrote was labelled upright, since browsers show it so.
"""

import posixpath
from collections.abc import Iterator

import numpy as np

from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import described
from meishi.data.importers.opening import Source
from meishi.data.importers.yolo_config import Config, read_config, read_text
from meishi.data.importers.yolo_pairs import pair
from meishi.data.importers.yolo_rows import DOTA, is_dota, numbers_of

# Beyond, a number is no share of the frame but a pixel.
MAX_SHARE = 3.0
EMPTY_TEXT = "pictures with an empty text, taken as scenes without cards"
NO_TEXT = "pictures without a text, taken as scenes without cards"
POSE_COLUMNS = {13: 2, 17: 3}  # class, box and four keypoints of 2 or 3 numbers


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each picture that has a text, or lies among others that have one."""
    before = len(faults)
    config = read_config(source, faults)
    unread = len(faults) > before
    found = pair(source, faults)
    if unread:  # then nobody knows what a row means
        return
    folders = {posixpath.dirname(picture) for picture, text in found.items() if text}
    for picture, text in found.items():
        shapes = tuple(_shapes(source, text, config, faults)) if text else ()
        if text or posixpath.dirname(picture) in folders:
            where = source.place(text or picture)
            tally.left_out[NO_TEXT] += not text
            tally.left_out[EMPTY_TEXT] += bool(text) and not shapes
            # A text states no size, so nothing else tells which picture was labelled.
            upright = config.by_label_studio(text or picture)
            yield LabelledPhoto(picture, "", where, shapes, relative=True, upright=upright)


def _shapes(source: Source, name: str, config: Config, faults: list[str]) -> Iterator[Shape]:
    lines = read_text(source, name, faults).splitlines()
    if any(is_dota(line.split()) for line in lines):
        faults.append(f"{source.place(name)}: {DOTA}")
        return
    for number, line in enumerate(lines, start=1):
        where = f"{source.place(name)} line {number}"
        words = line.split()
        if not words:
            continue
        numbers = numbers_of(words)
        if numbers is None or numbers[0] % 1 or numbers[0] < 0:
            faults.append(f"{where}: expected a class and numbers, got {described(line[:40])}")
            continue
        key = int(numbers[0])
        if config.names and key not in config.names:
            faults.append(f"{where}: class {key}: there are {sorted(config.names)}")
            continue
        yield _shape(np.array(numbers[1:]), (config.names.get(key, str(key)),), where, config)


def _shape(numbers: np.ndarray, label: tuple[str, ...], where: str, config: Config) -> Shape:
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
        hint = "" if columns < 8 else ": one too many; is it a prediction, with its confidence?"
        return refused(
            label, where, f"{columns} numbers; expected a class and three points or more{hint}"
        )
    if columns in POSE_COLUMNS and _may_be_pose(numbers, tight=config.known):
        why = (
            f"{columns} numbers may be a polygon, or a box with four keypoints; add the data.yaml "
            f"(names, and for keypoints kpt_shape: [4, {POSE_COLUMNS[columns]}])"
        )
        return refused(label, where, why)
    if np.abs(numbers).max() > MAX_SHARE:
        why = f"{np.abs(numbers).max():g} is no share of the frame; YOLO's coordinates are"
        return refused(label, where, why)
    return Shape(label, where, "polygon", (numbers.reshape(-1, 2),))


def _pose(points: np.ndarray, label: tuple[str, ...], where: str) -> Shape:
    visible = points[:, 2] if points.shape[1] == 3 else np.ones(4)
    if (visible == 0).any():
        return refused(label, where, "a corner's visibility is 0: it is not set")
    if not np.isin(visible, (1, 2)).all():  # a model's row has a confidence in its place
        why = f"visibility: expected 0, 1 or 2, got {visible.tolist()}; is it a prediction?"
        return refused(label, where, why)
    # Where a visibility is stated, it says whether a corner is set, also at the frame's own corner.
    if points.shape[1] == 2 and not points.any(axis=1).all():
        return refused(label, where, "a corner is 0 0, which says that it is not set")
    if np.abs(points[:, :2]).max() > MAX_SHARE:
        return refused(label, where, "a corner is no share of the frame; YOLO's coordinates are")
    return Shape(label, where, "corners", (points[:, :2],))


def _may_be_pose(numbers: np.ndarray, tight: bool) -> bool:
    """Tell whether the numbers read as a box with four keypoints inside it, or just inside it."""
    points = numbers[4:].reshape(4, -1)
    if points.shape[1] == 3 and not np.isin(points[:, 2], (0, 1, 2)).all():
        return False
    centre, size = numbers[:2], numbers[2:4]
    if tight:
        bounds = np.array([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
        return bool((np.abs(bounds - [centre - size / 2, centre + size / 2]) < 0.05).all())
    return bool((np.abs(points[:, :2] - centre) <= size / 2 + 0.02).all())
