"""Several entries of one picture in a COCO file.

Scripts write one for each label; then all are of one picture. Nobody says so: each case that may
mean something else is left as it is, to be refused where the entries differ.
"""

from itertools import combinations

import numpy as np

from meishi.data.importers.labelled import Shape
from meishi.data.importers.nodes import Node

ENTRIES = "further entries of a picture, each with labels of its own, taken with its first"
# Outlines of one label whose extents overlap more may be one card, drawn by two people.
SAME_EXTENT_IOU = 0.3


def put_together(
    images: dict[str, Node], rows: dict[str, list[Node]], shapes: dict[str, tuple[Shape, ...]]
) -> int:
    """Give the first entry of a picture the labels of its others, and take those out.

    Entries are of one picture if all that they state is alike, but for their ids. One without any
    label says that the picture shows no card, and must not be overruled.

    Args:
        images: entries by id.
        rows: the annotations of each.
        shapes: what these outline, in the same order.

    Returns:
        How many were taken out.
    """
    entries: dict[str, list[str]] = {}
    for key, image in images.items():
        stated = {name: value for name, value in image.value.items() if name != "id"}
        if isinstance(stated.get("file_name"), str):
            entries.setdefault(repr(sorted(stated.items())), []).append(key)
    together = [keys for keys in entries.values() if _may_join([shapes[key] for key in keys])]
    for first, *others in together:
        for key in others:
            rows[first] += rows.pop(key)
            shapes[first] += shapes.pop(key)
            del images[key]
    return sum(len(keys) - 1 for keys in together)


def _may_join(outlined: list[tuple[Shape, ...]]) -> bool:
    """Tell whether entries outline things of their own, each one at least."""
    if not all(shapes and all(shape.parts_px for shape in shapes) for shapes in outlined):
        return False
    return not any(
        set(one.labels) & set(other.labels) and _overlap(one, other)
        for mine, theirs in combinations(outlined, 2)
        for one in mine
        for other in theirs
    )


def _overlap(one: Shape, other: Shape) -> bool:
    (low, high), (other_low, other_high) = _extent(one), _extent(other)
    shared = np.prod(np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None))
    union = np.prod(high - low) + np.prod(other_high - other_low) - shared
    return bool(shared > SAME_EXTENT_IOU * union)


def _extent(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    points_px = np.concatenate(shape.parts_px)
    return points_px.min(axis=0), points_px.max(axis=0)
