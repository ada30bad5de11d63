"""CVAT for images 1.1 (XML): polygon, box with its rotation, four points.

Coordinates: from pixel edges (a box of the whole picture is 0, 0, W, H), so 0.5 is subtracted.
A box is turned clockwise, in degrees, about its centre. Exports of videos hold tracks and no
pictures: they are refused.
"""

import posixpath
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import numpy as np

from meishi.data.importers.label_files import xml_files
from meishi.data.importers.labelled import EDGE_PX, Kind, LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import parse_number, shortened
from meishi.data.importers.opening import Source
from meishi.geometry.polygons import rotated_box

NO_SHAPES = ("tag", "attribute")


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each listed picture with its shapes; one without any holds no card."""
    for name, root in xml_files(source, "CVAT export", _why_not, _named, faults, tally):
        for index, image in enumerate(root.iter("image")):
            where = f"{source.place(name)}: image[{index}]"
            reference = image.get("name")
            if not reference:
                faults.append(f"{where}: name: expected a text, got nothing")
                continue
            size_px = _size(image, where, faults)
            shapes = tuple(_shapes(image, where, faults))
            near = posixpath.dirname(name)
            yield LabelledPhoto(reference, near, f"{where} ({reference})", shapes, size_px)


def _why_not(root: ET.Element) -> str | None:
    if root.tag != "annotations":
        return f"its root is <{root.tag}>, expected <annotations>"
    version = root.findtext("version")
    if version is not None and version.strip() != "1.1":
        return f"version {version!r}; 1.1 is read"
    if root.find("track") is not None:
        return "it holds the tracks of a video; export as 'CVAT for images 1.1'"
    return None


def _named(name: str) -> bool:
    return "annotation" in posixpath.basename(name).lower()


def _size(image: ET.Element, where: str, faults: list[str]) -> tuple[int, int] | None:
    stated = image.get("width"), image.get("height")
    if stated == (None, None):
        return None
    width, height = (parse_number(side) for side in stated)
    if width is None or height is None or min(width, height) < 1 or width % 1 or height % 1:
        faults.append(f"{where}: width, height: expected whole pixels, got {stated}")
        return None
    return int(width), int(height)


def _shapes(image: ET.Element, where: str, faults: list[str]) -> Iterator[Shape]:
    for index, element in enumerate(image):
        if element.tag in NO_SHAPES:
            continue
        place = f"{where}: {element.tag}[{index}]"
        label = element.get("label")
        if not label:
            faults.append(f"{place}: label: expected a text, got nothing")
            continue
        yield _shape(element, label, place)


def _shape(element: ET.Element, label: str, where: str) -> Shape:
    design = next((a.text for a in element.iter("attribute") if a.get("name") == "design"), None)
    if element.tag == "box":
        points = _box(element)
        if points is None:
            return refused((label,), where, "xtl, ytl, xbr, ybr, rotation: expected numbers")
        return Shape((label,), where, "polygon", (points - EDGE_PX,), design=design or None)
    if element.tag not in ("polygon", "points"):
        return refused((label,), where, f"a {element.tag} is no card's outline; draw a polygon")
    text = element.get("points") or ""
    points = _points(text)
    if points is None:
        return refused((label,), where, f"points: expected x,y;x,y;..., got {shortened(text)}")
    kind: Kind = "corners" if element.tag == "points" else "polygon"
    return Shape((label,), where, kind, (points - EDGE_PX,), design=design or None)


def _points(text: str) -> np.ndarray | None:
    rows = [[parse_number(v) for v in row.split(",")] for row in text.strip(" ;").split(";")]
    if any(len(row) != 2 or None in row for row in rows):
        return None
    return np.array(rows, dtype=np.float64)


def _box(element: ET.Element) -> np.ndarray | None:
    sides = [parse_number(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
    degrees = parse_number(element.get("rotation", "0"))
    if None in sides or degrees is None:
        return None
    corners = np.array(sides, dtype=np.float64).reshape(2, 2)
    width, height = corners[1] - corners[0]
    return rotated_box(corners[0], (width, height), corners.mean(axis=0), degrees)
