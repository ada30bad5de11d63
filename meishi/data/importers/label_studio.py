"""Label Studio (JSON): polygonlabels, rectanglelabels, keypointlabels.

Coordinates: percent of the picture's width and height, 0 and 100 its borders. A rectangle is
turned clockwise, in degrees, about its top left corner, in pixels. Four keypoints of one task, or
of one parent region, are a card's corners. A task that nobody annotated is left out and counted;
an annotation without regions says that there is no card.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from meishi.data.importers.label_files import json_files
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import Node, described
from meishi.data.importers.opening import Source
from meishi.geometry import quads
from meishi.geometry.polygons import rotated_box
from meishi.images import SUFFIXES

NO_SHAPES = (
    "choices",
    "textarea",
    "rating",
    "relation",
    "number",
    "datetime",
    "taxonomy",
    "labels",
)
PICTURE_KEYS = ("image", "img", "photo", "picture", "url")


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each annotated task."""

    def named(name: str) -> bool:
        return "project-" in name or "label" in name.lower()

    files = json_files(source, "Label Studio export", _why_not, named, faults, tally)
    for name, value in files:
        root = Node({"task": value}, source.place(name), faults)
        for task in root.items("task"):
            photo = _photo(task, tally)
            if photo:
                yield photo


def _why_not(value: Any) -> str | None:
    if not isinstance(value, list):
        return f"expected a list of tasks, got {described(value)}"
    tasks = [task for task in value if isinstance(task, dict)]
    if not all("data" in task and "annotations" in task for task in tasks):
        mini = any("annotation_id" in task or "lead_time" in task for task in tasks)
        return "it is JSON-MIN; export as JSON" if mini else "tasks without 'data', 'annotations'"
    return None if tasks else "no tasks in it"


def _photo(task: Node, tally: Tally) -> LabelledPhoto | None:
    done = [node for node in task.items("annotations") if not node.at("was_cancelled").value]
    if not done:
        tally.left_out["tasks that nobody annotated"] += 1
        return None
    reference = _reference(task)
    results = [json.dumps(_plain(node), sort_keys=True) for node in done]
    if len(set(results)) > 1:
        task.complain(f"{len(done)} annotations that differ; keep the one that is right")
        return None
    if reference is None:
        return None
    regions = [r for r in done[0].items("result") if r.at("type").value not in NO_SHAPES]
    sizes = {r.size_px("original_width", "original_height") for r in regions}
    if len(sizes) > 1:
        task.complain(f"regions that state different sizes: {sorted(map(str, sizes))}")
        return None
    size_px = next(iter(sizes), None)
    shapes = tuple(_shapes(regions, size_px))
    return LabelledPhoto(reference, "", f"{task.where} ({reference})", shapes, size_px)


def _plain(annotation: Node) -> list[Any]:
    """Reduce an annotation to what two people who agree write alike."""
    regions = annotation.value.get("result")
    regions = regions if isinstance(regions, list) else []
    return [{k: v for k, v in r.items() if k == "value"} for r in regions if isinstance(r, dict)]


def _reference(task: Node) -> str | None:
    data = task.at("data").value
    data = data if isinstance(data, dict) else {}
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    for key in PICTURE_KEYS:
        if key in texts:
            return texts[key]
    alike = [value for value in texts.values() if value.lower().endswith(SUFFIXES)]
    if len(alike) == 1:
        return alike[0]
    task.at("data").complain(f"expected one picture, got {described(data)}")
    return None


def _shapes(regions: list[Node], size_px: tuple[int, int] | None) -> Iterator[Shape]:
    keypoints: dict[tuple[Any, tuple[str, ...]], list[Shape]] = {}
    for region in regions:
        told: list[str] = []
        quiet = Node(region.value, region.where, told)
        kind = region.at("type").value
        value = quiet.at("value")
        given = value.at(str(kind)).value
        labels = tuple(v for v in given if isinstance(v, str)) if isinstance(given, list) else ()
        shape = _shape(quiet, value, kind, labels, size_px)
        if told or shape is None:
            yield Shape(labels, region.where, "refused", refusal="; ".join(told))
        elif shape.kind == "corners":
            parent = region.at("parentID").value
            keypoints.setdefault((str(parent), labels), []).append(shape)
        else:
            yield shape
    for shapes in keypoints.values():
        corners = np.concatenate([shape.parts_px[0] for shape in shapes])
        yield Shape(shapes[0].labels, shapes[0].where, "corners", (corners,))


def _shape(
    region: Node, value: Node, kind: Any, labels: tuple[str, ...], size_px: tuple[int, int] | None
) -> Shape | None:
    if kind not in ("polygonlabels", "rectanglelabels", "keypointlabels"):
        return refused(labels, region.where, f"{kind} is no card's outline; use polygonlabels")
    if size_px is None:
        return refused(labels, region.where, "no original_width and original_height")
    if region.at("image_rotation").value:
        return refused(labels, region.where, "image_rotation: labels of a turned view are not read")
    if kind == "polygonlabels":
        points = value.at("points")
        percent = Node(points.value, points.where, region.faults).points()
        if percent is None:
            return None
        return Shape(labels, region.where, "polygon", (quads.to_px(percent / 100, size_px),))
    corner = _pair(value, "x", "y")
    if corner is None:
        return None
    corner_px = quads.to_px(corner / 100, size_px)
    if kind == "keypointlabels":
        return Shape(labels, region.where, "corners", (corner_px[None],))
    box, degrees = _pair(value, "width", "height"), value.number("rotation", 0.0)
    if box is None or degrees is None:
        return None
    width, height = box / 100 * size_px
    outline = rotated_box(corner_px, (width, height), corner_px, degrees)
    return Shape(labels, region.where, "polygon", (outline,))


def _pair(value: Node, first: str, second: str) -> np.ndarray | None:
    a, b = value.number(first), value.number(second)
    return None if a is None or b is None else np.array([a, b])
