"""SmartDoc 2015 challenge 1 (one XML a clip, or one table): four named points a frame.

Coordinates: the data set's description does not say whether pixels count from edges or centres;
they are taken as centres, at most half a pixel off in frames of 1920x1080. Pictures are frames
taken out of the clips, numbered as the XML numbers them: CLIP/frame_0001.jpeg, CLIP/0001.jpg or
CLIP_0001.jpg. Frames without a picture are left out and counted. The clip is the design
(datasheet001), the folder above it the background (background01). (Burie et al. 2015.)
"""

import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import numpy as np

from meishi.data.importers.folding import folded
from meishi.data.importers.label_files import pictures, xml_files
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import MalformedError, parse_number, parse_size
from meishi.data.importers.opening import Source
from meishi.data.importers.smartdoc_csv import LABEL, table_photos, tables

CORNERS = ("tl", "tr", "br", "bl")
REJECTED = {"true": True, "1": True, "false": False, "0": False}  # booleans of XML
VIDEO = re.compile(r"\.(avi|mp4|mov|mkv)$", re.IGNORECASE)  # folders named as the clip's file
FRAME = re.compile(r"^(?P<clip>.*?)[ _-]?(?P<frame>frame)?[ _-]?(?P<number>\d+)$", re.IGNORECASE)


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each frame of which there is a picture."""
    for table in (found_tables := tables(source)):
        yield from table_photos(source, table, faults, tally)
    if found_tables and not source.with_suffix(".xml"):
        return
    frames = _pictures_by_clip(source, faults)

    def named(name: str) -> bool:
        return name.lower().endswith(".gt.xml")

    for name, root in xml_files(source, "SmartDoc ground truth", _why_not, named, faults, tally):
        clip, background = _clip(name, root)
        found = _own_frames(frames, clip, background)
        if isinstance(found, str):
            faults.append(f"{source.place(name)}: {found}")
            continue
        if 0 in found and not any(f.get("index") == "0" for f in root.iter("frame")):
            faults.append(
                f"{source.place(name)}: pictures are numbered from 0, frames from 1; name each "
                "picture by the index of its frame"
            )
            continue
        yield from _photos(source.place(name), root, found, (clip, background), faults, tally)


def _why_not(root: ET.Element) -> str | None:
    if root.find("segmentation_results") is not None:
        return None
    if root.find(".//frame/point") is not None:
        raise MalformedError("no <segmentation_results> around its frames")
    return "no <segmentation_results>"


def _clip(name: str, root: ET.Element) -> tuple[str, str]:
    """Name the clip and its background, from the sample that the file states or its own path."""
    sample = (root.findtext("source_sample_file") or "").strip().replace("\\", "/")
    own = re.sub(r"(\.gt|\.segpred)?\.xml$", "", name, flags=re.IGNORECASE)
    path = posixpath.splitext(sample)[0] if sample else own
    folder = posixpath.basename(posixpath.dirname(path)) or posixpath.basename(
        posixpath.dirname(own)
    )
    return posixpath.basename(path), folder


def _pictures_by_clip(source: Source, faults: list[str]) -> dict[tuple[str, str], dict[int, str]]:
    """List pictures by folder path and clip, then by number; two of one number are a fault."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for name in pictures(source):
        folder, base = posixpath.split(posixpath.splitext(name)[0])
        if match := FRAME.match(base):
            clip = match["clip"]
            if not clip:  # CLIP/frame_0001
                folder, clip = posixpath.split(VIDEO.sub("", folder))
            number = int(match["number"])
            other = found.setdefault((folder, clip), {}).setdefault(number, name)
            if other != name:
                faults.append(f"{source.place(name)}: frame {number} may also be {other}; keep one")
    return found


def _own_frames(
    frames: dict[tuple[str, str], dict[int, str]], clip: str, background: str
) -> dict[int, str] | str:
    """Find the pictures of a clip; words when there are none, or several sets of them."""
    sets = {key: value for key, value in frames.items() if folded(key[1]) == folded(clip)}
    if len(sets) > 1:
        sets = {k: v for k, v in sets.items() if background in k[0].split("/")} or sets
    if not sets:
        return f"no pictures of the clip {clip!r}; expected {clip}/frame_0001.jpeg and so on"
    if len(sets) > 1:
        folders = [key[0] for key in sets]
        return f"pictures of the clip {clip!r} are in {folders[0]!r} and in {folders[1]!r}"
    return next(iter(sets.values()))


def _photos(
    place: str,
    root: ET.Element,
    found: dict[int, str],
    names: tuple[str, str],
    faults: list[str],
    tally: Tally,
) -> Iterator[LabelledPhoto]:
    clip, background = names
    size_px = _frame_size(root, place, faults)
    for frame in root.iter("frame"):
        where = f"{place}: frame {frame.get('index')}"
        number = parse_number(frame.get("index"))
        if number is None or number % 1:
            faults.append(f"{where}: index: expected a whole number")
        elif int(number) not in found:
            tally.left_out["frames of which there is no picture"] += 1
        elif (rejected := frame.get("rejected", "false").strip().lower()) not in REJECTED:
            faults.append(f"{where}: rejected: expected true or false, got {rejected!r}")
        elif REJECTED[rejected]:
            tally.left_out["frames that are rejected in the file"] += 1
        else:
            yield LabelledPhoto(
                found[int(number)],
                "",
                where,
                (_shape(frame, where),),
                size_px,
                group=clip,
                background=background or None,
            )


def _frame_size(root: ET.Element, place: str, faults: list[str]) -> tuple[int, int] | None:
    size = root.find(".//frame_size")
    if size is None:
        return None
    return parse_size(size.get("width"), size.get("height"), f"{place}: frame_size", faults)


def _shape(frame: ET.Element, where: str) -> Shape:
    points = {point.get("name"): point for point in frame.iter("point")}
    if set(points) != set(CORNERS) or sum(1 for _ in frame.iter("point")) != 4:
        return refused((LABEL,), where, f"expected points {', '.join(CORNERS)}, each once")
    numbers = [[parse_number(points[name].get(axis)) for axis in "xy"] for name in CORNERS]
    if any(None in row for row in numbers):
        return refused((LABEL,), where, "a point without numbers x and y")
    return Shape((LABEL,), where, "corners", (np.array(numbers, dtype=np.float64),))
