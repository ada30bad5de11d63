"""CVAT 1.1 (XML), for images and for video.

Coordinates: from pixel edges (a box of the whole picture is 0, 0, W, H), so 0.5 is subtracted.
A box is turned clockwise, in degrees, about its centre. Masks are pixels. Shapes of one label
and one group are parts of one object, as in CVAT's own COCO exports; a box among them is only the
frame of the others.
"""

import posixpath
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace

from meishi.data.importers.cvat_shapes import NO_SHAPES, join_groups, read_part
from meishi.data.importers.cvat_video import clip_names, video_photos
from meishi.data.importers.label_files import pictures, xml_files
from meishi.data.importers.labelled import LabelledPhoto, Part, Tally
from meishi.data.importers.nodes import MalformedError, parse_size
from meishi.data.importers.opening import Source

OF_VIDEO = (
    "frames of a video in the format for images, which does not say whose shapes CVAT interpolated "
    "(look at the sheet; CVAT for video says it)"
)


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each listed picture with its shapes; one without any holds no card."""
    for name, root in xml_files(source, "CVAT export", _why_not, _named, faults, tally):
        place = source.place(name)
        if root.find("track") is not None:
            yield from video_photos(root, name, place, pictures(source), faults, tally)
        # Frames of a video share what they show: no split may part them.
        clips = clip_names(root, name)
        for index, image in enumerate(root.iter("image")):
            if photo := _photo(image, f"{place}: image[{index}]", name, faults, tally):
                task = image.get("task_id")
                clip = clips.get(task) if task else next(iter(clips.values()), None)
                tally.left_out[OF_VIDEO] += clip is not None and bool(photo.shapes)
                yield replace(photo, group=clip, background=clip)


def _why_not(root: ET.Element) -> str | None:
    if root.tag != "annotations":
        return f"its root is <{root.tag}>, expected <annotations>"
    version = root.findtext("version")
    if version is not None and version.strip() != "1.1":
        raise MalformedError(f"version {version!r}; 1.1 is read")
    if root.find("track") is not None and root.find("image") is not None:
        raise MalformedError("it holds images and tracks of a video; export one of them")
    return None


def _named(name: str) -> bool:
    return "annotation" in posixpath.basename(name).lower()


def _photo(
    image: ET.Element, where: str, name: str, faults: list[str], tally: Tally
) -> LabelledPhoto | None:
    reference = image.get("name")
    if not reference:
        faults.append(f"{where}: name: expected a text, got nothing")
        return None
    size_px = parse_size(image.get("width"), image.get("height"), where, faults)
    tally.left_out["tags of whole images, no shapes"] += len(image.findall("tag"))
    shapes = join_groups(_shapes(image, where, size_px, faults))
    near, place = posixpath.dirname(name), f"{where} ({reference})"
    # CVAT puts pictures into images/, those of a project into a folder for each subset of it.
    first = posixpath.join("images", image.get("subset") or "", reference)
    return LabelledPhoto(first, near, place, tuple(shapes), size_px, reference, listed_in=name)


def _shapes(
    image: ET.Element, where: str, size_px: tuple[int, int] | None, faults: list[str]
) -> Iterator[Part]:
    for index, element in enumerate(image):
        if element.tag in NO_SHAPES:
            continue
        place = f"{where}: {element.tag}[{index}]"
        label = element.get("label")
        if not label:
            faults.append(f"{place}: label: expected a text, got nothing")
            continue
        yield read_part(element, element.get("group_id"), label, place, size_px)
