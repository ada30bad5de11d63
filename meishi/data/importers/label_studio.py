"""Label Studio (JSON, JSON-MIN): polygons, rectangles, brushes, keypoints.

Coordinates: percent of the picture's width and height, 0 and 100 its borders. A rectangle is turned
clockwise, in degrees, about its top left corner, in pixels. Four keypoints of one task, or of one
parent region, are a card's corners, in place of a parent that is a rectangle. Labels stand in the
region, or in one of the same id. A task that nobody annotated, or only a model, is left out and
counted; an annotation without regions says that there is no card. Of several that differ, the one
marked as ground truth is right.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from meishi.data.importers.brush import mask_from_brush
from meishi.data.importers.finding import told as told_path
from meishi.data.importers.grouping import cornered
from meishi.data.importers.label_files import json_files
from meishi.data.importers.label_studio_min import (
    full_tasks,
    holds_text_for_regions,
    is_min,
    loose_keypoints,
)
from meishi.data.importers.label_studio_pictures import (
    is_one_picture,
    keys_of,
    picture_of,
    shown_keys,
)
from meishi.data.importers.label_studio_points import of_loose
from meishi.data.importers.labelled import (
    LabelledPhoto,
    Part,
    Shape,
    Tally,
    refused,
)
from meishi.data.importers.masks import pack
from meishi.data.importers.nodes import MalformedError, Node, described
from meishi.data.importers.opening import Source
from meishi.data.importers.rle import RleError
from meishi.geometry import quads
from meishi.geometry.polygons import rotated_box

NO_SHAPES = (
    "choices",
    "textarea",
    "rating",
    "relation",
    "number",
    "datetime",
    "taxonomy",
    "labels",
    "pairwise",
    "ranker",
    "hypertextlabels",
    "paragraphlabels",
)
# The form of a region, with its labels in it or beside it.
FORMS = {
    f"{form}{end}": form
    for form in ("polygon", "rectangle", "keypoint", "brush")
    for end in ("labels", "")
}
# Keys of a task, or of an annotation, that a storage holds in a file of its own.
ALONE = ({"data", "annotations"}, {"task", "result"})


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each annotated task."""

    def named(name: str) -> bool:
        base = posixpath.basename(name).lower()
        return "project-" in base or "label" in base

    files = json_files(source, "Label Studio export", _why_not, named, faults, tally)
    for name, value in files:
        tasks = full_tasks(value) if is_min(value) else value
        root = Node({"task": tasks}, source.place(name), faults)
        shown = shown_keys(tasks)
        for task in root.items("task"):
            photo = _photo(task, shown, posixpath.dirname(name), tally)
            if photo:
                yield replace(photo, listed_in=name)


def _why_not(value: Any) -> str | None:
    if not isinstance(value, list):
        if isinstance(value, dict) and any(keys <= value.keys() for keys in ALONE):
            raise MalformedError("a task or an annotation alone; expected a list, as JSON exports")
        return f"expected a list of tasks, got {described(value)}"
    tasks = [task for task in value if isinstance(task, dict)]
    if len(tasks) < len(value):
        why = "expected a list of tasks, got a list of other things"
    elif is_min(tasks) and holds_text_for_regions(tasks):
        raise MalformedError("its regions are texts, as in CSV; export JSON or JSON-MIN")
    elif is_min(tasks) and (task_id := loose_keypoints(tasks)):
        raise MalformedError(
            f"task {task_id}: rectangles and keypoints without 'parentID', which says what belongs "
            "together; export JSON, not JSON-MIN"
        )
    elif is_min(tasks) or all("data" in task and "annotations" in task for task in tasks):
        return None if tasks else "no tasks in it"
    else:
        there = [key for key in ("data", "annotations") if any(key in task for task in tasks)]
        keys = [key for key in ("data", "annotations") if any(key not in task for task in tasks)]
        why = f"tasks without {', '.join(map(repr, keys))}"
        if there == ["annotations"]:
            why += "; is it of another tool (CreateML)? export JSON from Label Studio"
    if any("annotations" in task or "completions" in task for task in tasks):
        raise MalformedError(why)
    return why


def _photo(task: Node, shown: set[str], near: str, tally: Tally) -> LabelledPhoto | None:
    done = [node for node in task.items("annotations") if not node.flag("was_cancelled")]
    if not done:
        tally.left_out["tasks that nobody annotated"] += 1
        return None
    chosen = [node for node in done if node.at("ground_truth").value is True] or done
    results = [list(node.items("result")) for node in chosen]
    regions = [[r for r in own if r.at("type").value not in NO_SHAPES] for own in results]
    drawn = [r for own in regions for r in own if str(r.at("type").value) in FORMS]
    one = is_one_picture(drawn, task)
    keys = dict.fromkeys(key for region in drawn for key in keys_of(region.value))
    reference = picture_of(task, [*keys, *(shown if len(shown) == 1 else ())])
    if not one or reference is None:
        return None
    sizes = {r.size_px("original_width", "original_height") for r in drawn}
    if len(sizes) > 1:
        task.complain(f"regions that state different sizes: {sorted(map(str, sizes))}")
        return None
    size_px = next(iter(sizes), None)
    # Whether people differ depends on the labels that are asked for, which are not known here.
    first, *others = [
        tuple(_shapes(own, _labels_beside(all_of_it), size_px))
        for own, all_of_it in zip(regions, results, strict=True)
    ]
    where = f"{task.where} ({told_path(reference)})"
    versions = tuple(others)
    return LabelledPhoto(reference, near, where, first, size_px, in_browser=True, versions=versions)


def _labels_beside(results: list[Node]) -> dict[str, tuple[str, ...]]:
    """List labels of regions that hold nothing else (tag Labels), by the id they share."""
    return {
        str(node.value["id"]): _texts(node.at("value").at("labels").value)
        for node in results
        if node.at("type").value == "labels" and "id" in node.value
    }


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _shapes(
    regions: list[Node], beside: dict[str, tuple[str, ...]], size_px: tuple[int, int] | None
) -> Iterator[Shape]:
    parts = []
    for region in regions:
        told: list[str] = []
        quiet = Node(region.value, region.where, told)
        kind = region.at("type").value
        value = quiet.at("value")
        own = _texts(value.at(str(kind)).value)
        labels = own or beside.get(str(region.at("id").value), ())
        shape = _shape(quiet, value, kind, labels, size_px)
        if told or shape is None:
            shape = Shape(labels, region.where, "refused", refusal="; ".join(told))
        point = shape.kind == "corners"
        group = region.at("parentID" if point else "id").value
        form = "point" if point else FORMS.get(str(kind), "")
        parts.append(Part(None if group is None else str(group), form, shape))
    keypoints: dict[tuple, list[Shape]] = {}
    for part in cornered(parts):
        if part.form == "point":
            keypoints.setdefault((part.group, part.shape.labels), []).append(part.shape)
        else:
            yield part.shape
    yield from of_loose(keypoints)


def _shape(
    region: Node, value: Node, kind: Any, labels: tuple[str, ...], size_px: tuple[int, int] | None
) -> Shape | None:
    form = FORMS.get(str(kind))
    if form is None:
        return refused(labels, region.where, f"{kind} is no card's outline; use polygonlabels")
    if size_px is None:
        return refused(labels, region.where, "no original_width and original_height")
    if region.number("image_rotation", 0.0) != 0:
        return refused(labels, region.where, "image_rotation: labels of a turned view are not read")
    if form == "brush":
        return _brush(value, labels, region.where, size_px)
    if form == "polygon":
        if value.flag("closed") is False:
            return refused(labels, region.where, "the polygon is open; close it")
        percent = value.at("points").points()
        if percent is None:
            return None
        return Shape(labels, region.where, "polygon", (quads.to_px(percent / 100, size_px),))
    corner = _pair(value, "x", "y")
    if corner is None:
        return None
    corner_px = quads.to_px(corner / 100, size_px)
    if form == "keypoint":
        return Shape(labels, region.where, "corners", (corner_px[None],))
    box, degrees = _pair(value, "width", "height"), value.number("rotation", 0.0)
    if box is None or degrees is None:
        return None
    width, height = box / 100 * size_px
    outline = rotated_box(corner_px, (width, height), corner_px, degrees)
    return Shape(labels, region.where, "polygon", (outline,))


def _brush(value: Node, labels: tuple[str, ...], where: str, size_px: tuple[int, int]) -> Shape:
    packed, form = value.at("rle").value, value.at("format").value
    if not isinstance(packed, list) or form not in (None, "rle"):
        return refused(labels, where, f"format, rle: expected 'rle' and bytes, got {form!r}")
    try:
        return Shape(labels, where, "mask", mask=pack(mask_from_brush(packed, size_px)))
    except RleError as error:
        return refused(labels, where, str(error))


def _pair(value: Node, first: str, second: str) -> np.ndarray | None:
    a, b = value.number(first), value.number(second)
    return None if a is None or b is None else np.array([a, b])
