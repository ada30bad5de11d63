"""labelme (one JSON a picture): polygons, rectangles, groups of points.

Coordinates: places on the picture as it is drawn, 0 at the left border of the first pixel, so 0.5
is subtracted. A mask is pixels: a PNG of the part between its two points, both in it. Shapes of one
label and one group_id are parts of one card; four points of a group are its corners, also those of
a rectangle, whatever their labels. A picture without a JSON holds no card: labelme writes none
then.
"""

import base64
import binascii
import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from meishi.data.importers.finding import Finder
from meishi.data.importers.folding import folded, folded_stem
from meishi.data.importers.grouping import cornered
from meishi.data.importers.label_files import json_files, picture_beside, pictures
from meishi.data.importers.labelled import (
    EDGE_PX,
    LabelledPhoto,
    Part,
    Shape,
    Tally,
    joined,
    refused,
)
from meishi.data.importers.labelme_pictures import carries_upright, is_another
from meishi.data.importers.masks import pack
from meishi.data.importers.nodes import MalformedError, Node, described, load_json
from meishi.data.importers.opening import Source
from meishi.data.importers.orientation import orientation
from meishi.pictures import images

# "rotation" and "quadrilateral" are X-AnyLabeling's.
OUTLINES = ("polygon", "oriented_rectangle", "rectangle", "rotation", "quadrilateral")
# Tools of browsers write an address that is the picture.
DATA_URL = re.compile(r"^\s*data:image/[\w.+-]+;base64,")
# What is raised by base64 or Pillow.
_NO_PICTURE = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    LookupError,
    Image.DecompressionBombError,
)


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each JSON."""
    beside = picture_beside(source)
    stems = {
        folded(posixpath.splitext(name)[0]): posixpath.basename(name) for name in pictures(source)
    }
    finder = Finder(pictures(source))
    for name, value in json_files(source, "labelme file", _why_not, beside, faults, tally):
        own = stems.get(folded(posixpath.splitext(name)[0]))
        root = Node(value, source.place(name), faults)
        carried = _embedded(root)
        photo = _photo(root, posixpath.dirname(name), own, carried)
        if photo is None:
            continue
        if carried is not None:
            photo = replace(photo, content=partial(_carried, source, name))
        if found := finder.first(photo.reference, photo.or_else, near=photo.near):
            if is_another(source, found, photo.near, carried):
                faults.append(
                    f"{source.place(name)}: imageData: another picture than {found}, the only one "
                    "that imagePath may mean; remove imageData, or put its own beside the file"
                )
                continue
            upright = carries_upright(source, found, carried)
            photo = replace(photo, content=None, upright=upright)
            if own and folded_stem(found) != folded_stem(
                own
            ):  # files that were renamed, with old paths inside
                faults.append(
                    f"{source.place(name)}: imagePath: it names {found}, and {own} stands beside "
                    "the file; correct imagePath, or remove one of the two"
                )
                continue
        yield photo


def _carried(source: Source, name: str) -> bytes:
    """Read the picture that a label file carries, which had one when it was read before."""
    return _embedded(Node(load_json(source.read(name)), source.place(name), [])) or b""


def _why_not(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"expected keys and values, got {described(value)}"
    of_picture = "imagePath" in value or "imageData" in value
    if not isinstance(value.get("shapes"), list):
        if of_picture:
            raise MalformedError("no list 'shapes'")
        return "no list 'shapes'"
    return None if of_picture else "no 'imagePath'"


def _photo(root: Node, near: str, own: str | None, carried: bytes | None) -> LabelledPhoto | None:
    reference = root.at("imagePath").value
    if not (isinstance(reference, str) and reference):
        reference = own
    if reference is None:
        root.text("imagePath")  # notes the fault
        return None
    # Old versions state no size; what they carry is the picture that was labelled.
    size_px = root.size_px("imageWidth", "imageHeight") or _embedded_size(carried)
    shapes = tuple(_shapes(root, size_px))
    return LabelledPhoto(reference, near, root.where, shapes, size_px, own)


def _embedded(root: Node) -> bytes | None:
    data = root.at("imageData")
    if not data.value:
        return None
    text = data.value
    if isinstance(text, str):
        text = "".join(DATA_URL.sub("", text).split())  # it may be in lines
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        data.complain("expected a picture in base64")
        return None


def _embedded_size(content: bytes | None) -> tuple[int, int] | None:
    if content is None:
        return None
    try:
        height, width = images.decode(content).shape[:2]
    except images.ImageError:
        return None  # told where the picture is taken, if it is needed
    return (width, height) if orientation(content) == 1 else None


def _shapes(root: Node, size_px: tuple[int, int] | None) -> Iterator[Shape]:
    parts = []
    for node in root.items("shapes"):
        label = node.text("label")
        if label is None:
            continue
        group = node.at("group_id").value
        form = str(node.at("shape_type").value)
        shape = _shape(node, label, size_px)
        parts.append(Part(None if group is None else repr(group), form, shape))
    grouped: dict[tuple, list[Shape]] = {}
    for number, part in enumerate(cornered(parts)):
        key = (part.shape.labels, number if part.group is None else part.group)
        grouped.setdefault(key, []).append(part.shape)
    for shapes in grouped.values():
        yield joined(shapes)


def _shape(node: Node, label: str, size_px: tuple[int, int] | None) -> Shape:
    told: list[str] = []
    points = Node(node.at("points").value, node.at("points").where, told).points()
    if points is None:
        return Shape((label,), node.where, "refused", refusal="; ".join(told))
    kind = node.at("shape_type").value or "polygon"
    if kind == "mask":
        return _mask(node, label, points, size_px)
    points = points - EDGE_PX
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    elif kind == "point" and len(points) == 1:
        return Shape((label,), node.where, "corners", (points,))
    elif kind not in OUTLINES:
        return refused((label,), node.where, f"a {kind} is no card's outline; draw a polygon")
    return Shape((label,), node.where, "polygon", (points,))


def _mask(node: Node, label: str, points: np.ndarray, size_px: tuple[int, int] | None) -> Shape:
    if size_px is None:
        return refused((label,), node.where, "a mask, and no imageWidth and imageHeight")
    if len(points) != 2:
        return refused((label,), node.where, f"a mask has two points, got {len(points)}")
    try:
        content = io.BytesIO(base64.b64decode(node.at("mask").value, validate=True))
        with Image.open(content, formats=("PNG",)) as picture:
            part = np.asarray(picture.convert("L")) > 0
    except _NO_PICTURE:
        return refused((label,), node.where, "mask: expected a PNG in base64")
    corner, end = points.astype(int)  # labelme itself cuts them so
    width, height = end - corner + 1
    if part.shape != (height, width):
        why = f"the mask is {part.shape[1]}x{part.shape[0]} px, its points span {width}x{height}"
        return refused((label,), node.where, why)
    # Points are rounded, so a mask at the border may stand over it by a pixel.
    first, last = np.maximum(corner, 0), np.minimum(end + 1, size_px)
    if max((first - corner).max(), (end + 1 - last).max()) > 1:
        return refused((label,), node.where, f"its mask leaves the frame: {points.tolist()}")
    (left, top), (right, bottom) = first - corner, last - corner
    inside = part[top:bottom, left:right]
    mask = pack(inside, size_px, (int(first[0]), int(first[1])))
    return Shape((label,), node.where, "mask", mask=mask)
