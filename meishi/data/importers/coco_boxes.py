"""COCO files of bare boxes beside a file that says the same, with outlines.

Datumaro's `coco` writes what has four keypoints also into instances_*.json and stuff_*.json, where
nothing but its box is left. Such a file says nothing that the other does not.
"""

from collections.abc import Callable
from typing import Any

BOXES = "files of bare boxes whose outlines another file holds (Datumaro), left out"
Labelled = tuple[str, dict[str, Any]]


def without_boxes(files: list[Labelled], path_of: Callable[[str, str], str]) -> list[Labelled]:
    """Leave out files of bare boxes, if another lists all their pictures and outlines all of them.

    Args:
        files: the name and content of each label file; its three lists are there.
        path_of: says of a picture's stated name and the label file's where it lies.
    """
    content = [
        (_pictures(name, value, path_of), *_boxes(name, value, path_of)) for name, value in files
    ]
    kept = []
    for file, (pictures, bare, outlined) in zip(files, content, strict=True):
        said = bool(bare) and not outlined
        said = said and any(
            pictures <= others and bare <= drawn for others, _, drawn in content if drawn
        )
        kept += [] if said else [file]
    return kept


def _pictures(name: str, value: dict, path_of: Callable[[str, str], str]) -> set[str]:
    return {
        path_of(row["file_name"], name)
        for row in value["images"]
        if isinstance(row, dict) and isinstance(row.get("file_name"), str)
    }


def _boxes(name: str, value: dict, path_of: Callable[[str, str], str]) -> tuple[set[str], set[str]]:
    """List the boxes that stand alone, and those with more; by picture, label and numbers."""
    named = {str(r.get("id")): r.get("file_name") for r in value["images"] if isinstance(r, dict)}
    labels = {str(r.get("id")): r.get("name") for r in value["categories"] if isinstance(r, dict)}
    bare: set[str] = set()
    outlined: set[str] = set()
    for row in value["annotations"]:
        if not isinstance(row, dict):
            outlined.add(repr(row))  # damaged: its file is read, and refused
            continue
        picture, label = (
            named.get(str(row.get("image_id"))),
            labels.get(str(row.get("category_id"))),
        )
        more = row.get("segmentation") or row.get("keypoints")
        if not isinstance(picture, str) or label is None or not row.get("bbox"):
            outlined.add(repr(row))
            continue
        key = repr((path_of(picture, name), label, row["bbox"]))
        (outlined if more else bare).add(key)
    return bare, outlined
