"""MIDV-500 and MIDV-2019 (a quad in a JSON a frame), MIDV-2020 (VIA JSON, region doc_quad).

Coordinates: whole pixels as their viewers show them, so indices of pixels: taken as they are.
Frames of a document share its design, so that no split separates them. The label is "doc_quad"
in all of them. (Bulatov et al. 2019, Arlazarov et al. 2019; Bulatov et al. 2021.)
"""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from meishi.data.importers.label_files import json_files, pictures
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally
from meishi.data.importers.nodes import MalformedError, Node, as_number, described
from meishi.data.importers.opening import Source

LABEL = "doc_quad"
VIA = "_via_img_metadata"


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each quad, and each picture a VIA file lists."""
    stems = {posixpath.splitext(name)[0].lower(): name for name in pictures(source)}

    def named(name: str) -> bool:
        return _picture_stem(name) in stems

    for name, value in json_files(source, "MIDV annotation", _why_not, named, faults, tally):
        root = Node(value, source.place(name), faults)
        if VIA in value:
            yield from _via_photos(root.at(VIA), name, tally)
        elif _is_via_alone(value):
            yield from _via_photos(root, name, tally)
        elif _is_template(value):
            tally.left_out["templates (fields, no quad)"] += 1
        elif photo := _photo(root, name, stems.get(_picture_stem(name))):
            yield replace(photo, group=_document(name, source.path.resolve().stem))


def _why_not(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"expected keys and values, got {described(value)}"
    if VIA in value and not isinstance(value[VIA], dict):
        raise MalformedError(f"{VIA}: expected keys and values, got {described(value[VIA])}")
    if "quad" in value or VIA in value or _is_via_alone(value) or _is_template(value):
        return None
    return f"no 'quad', no '{VIA}'"


def _is_template(value: dict) -> bool:
    """MIDV-500 has one more JSON a document, with the quads of its text fields."""
    return bool(value) and all(isinstance(v, dict) and "quad" in v for v in value.values())


def _is_via_alone(value: dict) -> bool:
    """VIA exports its entries alone, too, without the project around them."""
    keys = {"filename", "regions"}
    return bool(value) and all(isinstance(v, dict) and keys <= v.keys() for v in value.values())


def _picture_stem(name: str) -> str:
    """Say where the picture of an annotation lies: images/ beside ground_truth/, or beside it."""
    stem = posixpath.splitext(name)[0].lower()
    return stem.replace("ground_truth/", "images/")


def _photo(root: Node, name: str, picture: str | None) -> LabelledPhoto | None:
    told = len(root.faults)
    points = root.at("quad").points()
    if points is None or len(points) != 4:
        if len(root.faults) == told:
            root.at("quad").complain(
                f"expected four corners, got {0 if points is None else len(points)}"
            )
        return None
    reference = picture or posixpath.splitext(name)[0].replace("ground_truth/", "images/") + ".tif"
    shape = Shape((LABEL,), f"{root.where}: quad", "corners", (points,))
    return LabelledPhoto(reference, "", root.where, (shape,))


def _document(name: str, around: str) -> str:
    """Name the document of a frame: 01_alb_id of 01_alb_id/ground_truth/CA/CA01_01.json.

    The export itself may be the folder of the document: then its own name, `around`, is it.
    """
    parts = [around, *posixpath.splitext(name)[0].split("/")]
    return parts[parts.index("ground_truth", 1) - 1] if "ground_truth" in parts[1:] else parts[1]


def _via_photos(root: Node, name: str, tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the picture of each entry, by its key in VIA."""
    document = posixpath.splitext(posixpath.basename(name))[0]
    if not _names_fields(root.value):
        root.complain(
            "no region has a 'field_name': of VIA only MIDV's is read; export COCO with polygons"
        )
        return
    for key in root.value:
        entry = root.at(key)
        reference = entry.text("filename")
        if reference is None:
            continue
        regions = entry.at("regions").value
        if isinstance(regions, dict):  # VIA 1 numbers them
            entry = Node(
                {**entry.value, "regions": list(regions.values())}, entry.where, root.faults
            )
        shapes = tuple(filter(None, (_region(n, tally) for n in entry.items("regions"))))
        if not shapes:  # a template: the document fills the picture, and only fields are marked
            tally.left_out[f"pictures without {LABEL}"] += 1
            continue
        # photo/annotations/alb_id.json lists the pictures of photo/images/alb_id/
        folder = posixpath.dirname(name).replace("annotations", "images")
        path = posixpath.join(folder, document, posixpath.basename(reference))
        group = _via_document(name, posixpath.splitext(posixpath.basename(reference))[0])
        yield LabelledPhoto(path, "", entry.where, shapes, or_else=reference, group=group)


def _names_fields(entries: dict) -> bool:
    """Tell whether any region says what it is as MIDV does, or there is none to say it."""
    own = [entry.get("regions") for entry in entries.values() if isinstance(entry, dict)]
    lists = [list(r.values()) if isinstance(r, dict) else r for r in own]
    regions = [region for r in lists if isinstance(r, list) for region in r]
    said = [r.get("region_attributes") for r in regions if isinstance(r, dict)]
    return not said or any(isinstance(s, dict) and "field_name" in s for s in said)


def _via_document(name: str, picture: str) -> str:
    """Name the document that a picture shows; photos, scans and clips of it share the name.

    photo/annotations/alb_id.json lists photos of the documents 00.jpg to 99.jpg of a kind,
    clips/annotations/alb_id/00.json the frames of a clip of one of them.
    """
    folder, base = posixpath.split(posixpath.splitext(name)[0])
    kind = posixpath.basename(folder)
    if kind in ("annotations", ""):
        return f"{base}-{picture}"
    return f"{kind}-{base.partition('.')[0]}"


def _region(region: Node, tally: Tally) -> Shape | None:
    label = region.at("region_attributes").at("field_name").value
    if not isinstance(label, str):
        region.at("region_attributes").at("field_name").complain(
            f"expected a text, got {described(label)}"
        )
        return None
    if label != LABEL:  # a field of the document, such as its face
        tally.ignored_labels[label] += 1
        return None
    outline = region.at("shape_attributes")
    told: list[str] = []
    columns = [
        [as_number(v) for v in values] if isinstance(values, list) else []
        for values in (outline.at("all_points_x").value, outline.at("all_points_y").value)
    ]
    if len(columns[0]) != len(columns[1]):
        columns = [[], []]
    rows = [list(row) for row in zip(*columns, strict=True)]
    points = Node(rows, f"{outline.where}: all_points_x, all_points_y", told).points()
    if points is None:
        return Shape((label,), region.where, "refused", refusal="; ".join(told))
    return Shape((label,), region.where, "polygon", (points,))
