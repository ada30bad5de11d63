"""CVAT's elements as shapes: polygon, box, points, skeleton, mask; see `cvat` for coordinates."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable

import numpy as np

from meishi.data.importers.grouping import cornered
from meishi.data.importers.labelled import (
    EDGE_PX,
    Kind,
    Part,
    Shape,
    joined,
    refused,
)
from meishi.data.importers.masks import Mask, pack
from meishi.data.importers.nodes import parse_number, shortened
from meishi.data.importers.rle import RleError, mask_from_runs
from meishi.geometry.polygons import rotated_box

# What hangs on an image and has no place in it.
NO_SHAPES = ("tag", "attribute")
MAX_SIDE_PX = 100_000


def read_shape(
    element: ET.Element, label: str, where: str, size_px: tuple[int, int] | None
) -> Shape:
    """Read one element that is not one of `NO_SHAPES`.

    Args:
        element: the element.
        label: its own label, or its track's.
        where: its place, for messages.
        size_px: width and height that the file states for the picture.

    Returns:
        The shape, "refused" if it is no card's outline or is damaged.
    """
    try:
        shape = _outline(element, label, where, size_px)
    except ValueError as error:  # RleError included
        return refused((label,), where, str(error))
    return shape


def read_part(
    element: ET.Element, group: str | None, label: str, where: str, size_px: tuple[int, int] | None
) -> Part:
    """Read one element and say what it may be a part of; see `read_shape`.

    Args:
        element: the element.
        group: its `group_id`, or its track's; None, "" or "0" for one that is in no group.
        label: as of `read_shape`.
        where: as of `read_shape`.
        size_px: as of `read_shape`.
    """
    shape = read_shape(element, label, where, size_px)
    single = element.tag == "points" and shape.kind == "corners" and len(shape.parts_px[0]) == 1
    upright = element.tag == "box" and parse_number(element.get("rotation", "0")) == 0
    form = "point" if single else "rectangle" if upright else element.tag
    return Part(None if group in (None, "", "0") else group, form, shape)


def join_groups(parts: Iterable[Part]) -> list[Shape]:
    """Make one shape of those of one label and one group: the parts of one object."""
    grouped: dict[tuple, list[Shape]] = {}
    for number, part in enumerate(cornered(list(parts))):
        key = (part.shape.labels, number if part.group is None else part.group)
        grouped.setdefault(key, []).append(part.shape)
    return [joined(shapes) for shapes in grouped.values()]


def _outline(element: ET.Element, label: str, where: str, size_px: tuple[int, int] | None) -> Shape:
    names = element.iter("attribute")
    design = next((a.text for a in names if a.get("name") == "design"), None) or None
    if element.tag == "mask":
        return Shape((label,), where, "mask", mask=_mask(element, size_px), design=design)
    readers = {"box": _box, "polygon": _points, "points": _points, "skeleton": _skeleton}
    if element.tag not in readers:
        return refused((label,), where, f"a {element.tag} is no card's outline; draw a polygon")
    kind: Kind = "corners" if element.tag in ("points", "skeleton") else "polygon"
    points_px = readers[element.tag](element) - EDGE_PX
    return Shape((label,), where, kind, (points_px,), design=design)


def _points(element: ET.Element) -> np.ndarray:
    text = element.get("points") or ""
    rows = [[parse_number(v) for v in row.split(",")] for row in text.strip(" ;").split(";")]
    if any(len(row) != 2 or None in row for row in rows):
        raise ValueError(f"points: expected x,y;x,y;..., got {shortened(text)}")
    return np.array(rows, dtype=np.float64)


def _skeleton(element: ET.Element) -> np.ndarray:
    corners = element.findall("points")
    if unset := [c.get("label", "?") for c in corners if c.get("outside", "0") != "0"]:
        raise ValueError(f"its points {unset} are outside: they are not set")
    if len(corners) != 4:
        raise ValueError(f"a skeleton of {len(corners)} points; a card has four corners")
    return np.concatenate([_points(corner) for corner in corners])


def _box(element: ET.Element) -> np.ndarray:
    sides = [parse_number(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
    degrees = parse_number(element.get("rotation", "0"))
    if None in sides or degrees is None:
        raise ValueError("xtl, ytl, xbr, ybr, rotation: expected numbers")
    corners = np.array(sides, dtype=np.float64).reshape(2, 2)
    width, height = corners[1] - corners[0]
    return rotated_box(corners[0], (width, height), corners.mean(axis=0), degrees)


def _mask(element: ET.Element, size_px: tuple[int, int] | None) -> Mask:
    """Read run lengths of the part from `left`, `top` on, row by row, the first of zeros."""
    keys = ("left", "top", "width", "height")
    numbers = [parse_number(element.get(key)) for key in keys]
    whole = [int(v) for v in numbers if v is not None and not v % 1]
    if len(whole) != 4 or min(whole[2:]) < 1 or max(whole) > MAX_SIDE_PX:
        raise ValueError(f"{', '.join(keys)}: expected whole pixels, got {numbers}")
    if size_px is None:
        raise ValueError("a mask, and the image states no width and height")
    left, top, width, height = whole
    runs = [parse_number(run) for run in (element.get("rle") or "").split(",")]
    if any(run is None or run % 1 for run in runs):
        raise RleError("rle: expected whole numbers, parted by commas")
    part = mask_from_runs([int(run) for run in runs if run is not None], (height, width)).T
    try:
        return pack(part, size_px, (left, top))
    except ValueError as error:
        raise ValueError(f"its mask {error}") from error
