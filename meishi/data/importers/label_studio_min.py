"""Label Studio's JSON-MIN, one row an annotation, brought to the form of its full JSON.

A row holds the task's data, and for each control tag a list of what was drawn with it. It does
not say that a view was turned, nor, without `id` and `parentID` in its regions, which points belong
to which rectangle: only a single rectangle that four points end at, all of a row, frames them.
A region of the tag Labels holds what was drawn once more: without an id, what is drawn there stands
for it.
"""

import json
from typing import Any

import numpy as np

from meishi.data.importers.labelled import Shape, ends_at
from meishi.data.importers.nodes import as_number

# Of the row itself, not of the task's data.
ROW_KEYS = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement")
MARKS = ("annotation_id", "lead_time")
# Fields of an answer to a question about a region: its rating, say.
ANSWERS = ("choices", "text", "rating", "number", "datetime", "taxonomy")
# Fields that a region without labels is known by, in the order in which they are asked.
FORMS = (("points", "polygon"), ("rle", "brush"), ("radiusX", "ellipse"), ("rotation", "rectangle"))


def is_min(rows: list[dict]) -> bool:
    """Tell whether tasks are rows of JSON-MIN."""
    return bool(rows) and all(
        "annotations" not in row and any(mark in row for mark in MARKS) for row in rows
    )


def holds_text_for_regions(rows: list[dict]) -> bool:
    """Tell whether regions stand as JSON in a text: rows of a CSV export that became JSON."""
    texts = [value for row in rows for value in row.values() if isinstance(value, str)]
    return any(text.startswith("[") and "original_width" in text for text in texts)


def loose_keypoints(rows: list[dict]) -> str | None:
    """Say of which task a rectangle and keypoints are that may be one card, or not; None if none.

    A rectangle only frames the keypoints whose parent it is; without `parentID`, see `_framed`.
    """
    for row in rows:
        loose = {_form(region) for region in _regions(row) if "parentID" not in region}
        if {"rectangle", "keypoint"} <= loose:
            return repr(row.get("id"))
    return None


def full_tasks(rows: list[dict]) -> list[dict]:
    """Gather the rows of each task, by `id`, in order."""
    tasks: dict[Any, dict] = {}
    for number, row in enumerate(rows):
        data = {key: value for key, value in row.items() if isinstance(value, str)}
        key = repr(row["id"]) if "id" in row else f"row {number}"
        task = tasks.setdefault(key, {"id": row.get("id"), "data": data, "annotations": []})
        result = _regions(row)
        if result or row.get("annotation_id", "") is not None:  # a task nobody annotated has null
            task["annotations"].append({"id": row.get("annotation_id"), "result": result})
    return list(tasks.values())


def _regions(row: dict) -> list[dict]:
    drawn = [v for key, values in row.items() if key not in ROW_KEYS for v in _drawn(values)]
    return _framed([_region(value) for value in drawn])


def _framed(regions: list[dict]) -> list[dict]:
    """Make the only rectangle of a row the parent of its four keypoints, if they end at it."""
    points = [region for region in regions if _form(region) == "keypoint"]
    boxes = [region for region in regions if _form(region) == "rectangle"]
    if len(boxes) != 1 or len(points) != 4 or any("parentID" in own for own in points + boxes):
        return regions
    corners = _numbers([point["value"] for point in points], "x", "y")
    box = _numbers([boxes[0]["value"]], "x", "y", "width", "height")
    turned = as_number(boxes[0]["value"].get("rotation", 0)) != 0
    if corners is None or box is None or turned:
        return regions
    ends = np.stack([box[0, :2], box[0, :2] + box[0, 2:]])
    if not ends_at(Shape((), "", "polygon", (ends,)), corners):
        return regions
    return [{**own, "parentID": boxes[0]["id"]} if own in points else own for own in regions]


def _numbers(values: list[dict], *keys: str) -> np.ndarray | None:
    """Read some fields of each value: (values, fields); None if any is no number."""
    rows = [[as_number(value.get(key)) for key in keys] for value in values]
    return None if any(None in row for row in rows) else np.array(rows, dtype=np.float64)


def _form(region: dict) -> str:
    return str(region["type"]).removesuffix("labels")


def _drawn(values: Any) -> list[dict]:
    values = values if isinstance(values, list) else [values]
    return [v for v in values if isinstance(v, dict) and _is_region(v)]


def _is_region(value: dict) -> bool:
    """Tell a region from what was answered about one, which states its geometry once more."""
    answered = any(key in value for key in ANSWERS)
    labelled = any(key.endswith("labels") and isinstance(value[key], list) for key in value)
    return (labelled or not answered) and ("original_width" in value or bool(_kinds(value)))


def _kinds(value: dict) -> list[str]:
    kinds = [key for key in value if key.endswith("labels") and isinstance(value[key], list)]
    return kinds + [kind for field, kind in FORMS if field in value]


def _region(value: dict) -> dict:
    kinds = _kinds(value)
    drawn = {key: v for key, v in value.items() if key != "labels"}
    own = {key: value[key] for key in ("id", "parentID") if key in value and "parentID" in value}
    return {
        "id": json.dumps(drawn, sort_keys=True),
        **own,
        "type": kinds[0] if kinds else "keypoint",
        "value": value,
        "original_width": value.get("original_width"),
        "original_height": value.get("original_height"),
    }
