"""labelme (one JSON a picture): polygons, rectangles, groups of points.

Coordinates: places on the picture as it is drawn, 0 at the left border of the first pixel, so 0.5
is subtracted. Shapes of one label and one group_id are parts of one card; four points of a
group are its corners. A picture without a JSON holds no card: labelme writes none then.
"""

import base64
import binascii
import posixpath
from collections.abc import Iterator
from typing import Any

import numpy as np

from meishi.data.importers.label_files import json_files, picture_beside, pictures
from meishi.data.importers.labelled import EDGE_PX, LabelledPhoto, Shape, Tally, joined, refused
from meishi.data.importers.nodes import Node, described
from meishi.data.importers.opening import Source


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each JSON."""
    beside = picture_beside(source)
    stems = {posixpath.splitext(name)[0]: posixpath.basename(name) for name in pictures(source)}
    for name, value in json_files(source, "labelme file", _why_not, beside, faults, tally):
        own = stems.get(posixpath.splitext(name)[0])
        photo = _photo(Node(value, source.place(name), faults), posixpath.dirname(name), own)
        if photo:
            yield photo


def _why_not(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"expected keys and values, got {described(value)}"
    if not isinstance(value.get("shapes"), list):
        return "no list 'shapes'"
    if "imagePath" not in value and "imageData" not in value:
        return "no 'imagePath'"
    return None


def _photo(root: Node, near: str, own: str | None) -> LabelledPhoto | None:
    reference = root.at("imagePath").value
    if not (isinstance(reference, str) and reference):
        reference = own
    if reference is None:
        root.text("imagePath")  # notes the fault
        return None
    size_px = root.size_px("imageWidth", "imageHeight")
    shapes = tuple(_shapes(root))
    content = _embedded(root)
    return LabelledPhoto(reference, near, root.where, shapes, size_px, own, content=content)


def _embedded(root: Node) -> bytes | None:
    data = root.at("imageData")
    if not data.value:
        return None
    try:
        return base64.b64decode(data.value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        data.complain("expected a picture in base64")
        return None


def _shapes(root: Node) -> Iterator[Shape]:
    grouped: dict[tuple[str, Any], list[Shape]] = {}
    for number, node in enumerate(root.items("shapes")):
        label = node.text("label")
        if label is None:
            continue
        group = node.at("group_id").value
        key = (label, f"shape {number}" if group is None else repr(group))
        grouped.setdefault(key, []).append(_shape(node, label))
    for shapes in grouped.values():
        yield joined(shapes)


def _shape(node: Node, label: str) -> Shape:
    told: list[str] = []
    points = Node(node.at("points").value, node.at("points").where, told).points()
    if points is None:
        return Shape((label,), node.where, "refused", refusal="; ".join(told))
    points = points - EDGE_PX
    kind = node.at("shape_type").value or "polygon"
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    elif kind == "point" and len(points) == 1:
        return Shape((label,), node.where, "corners", (points,))
    elif kind not in ("polygon", "oriented_rectangle", "rectangle"):
        return refused((label,), node.where, f"a {kind} is no card's outline; draw a polygon")
    return Shape((label,), node.where, "polygon", (points,))
