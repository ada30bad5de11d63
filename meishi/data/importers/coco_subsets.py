"""COCO label files that are named by a subset of the pictures, as Datumaro and CVAT name them.

Datumaro's `coco` writes a list of the pictures of each subset, image_info_*.json, and files of the
labels, one a task. Of a subset in which nothing is labelled it writes the list alone.
"""

import posixpath
import re
from collections.abc import Sequence
from typing import Any

SUBSET = re.compile(
    r"^(?:instances|person_keypoints|stuff|panoptic|image_info)_(?P<name>.+)\.json$"
)
OUTLINING = ("instances_", "person_keypoints_")
# Tasks of Datumaro that label something: a file of one says what was done with its subset.
TASKS = ("instances", "person_keypoints", "stuff", "panoptic", "captions", "labels")
EMPTY_SUBSET = "pictures of a subset that image_info alone lists, taken as scenes without cards"


def is_empty_subset(
    name: str, names: Sequence[str], files: Sequence[tuple[str, dict[str, Any]]]
) -> bool:
    """Tell whether a list of pictures is that of a subset without labels, beside labelled ones.

    Args:
        name: of the list.
        names: all files of the source.
        files: name and content of its label files, the list among them.
    """
    folder, base = posixpath.split(name)
    subset = SUBSET.match(base)
    if subset is None:
        return False
    own = {f"{task}_{subset['name']}.json".lower() for task in TASKS}
    beside = {posixpath.basename(n).lower() for n in names if posixpath.dirname(n) == folder}
    return own.isdisjoint(beside) and any(
        posixpath.dirname(other) == folder
        and posixpath.basename(other).startswith(OUTLINING)
        and bool(value["annotations"])
        for other, value in files
    )
