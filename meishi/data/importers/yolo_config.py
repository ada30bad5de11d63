"""What classes a YOLO export has, and whether its rows are poses: data.yaml, notes, or a list.

The notes are Label Studio's notes.json, which tells of keypoints; the list of names is classes.txt,
which labelling tools write beside the labels, Darknet's obj.names, or V7's darknet.labels.
"""

import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meishi.data.importers.folding import folded
from meishi.data.importers.nodes import MalformedError, decoded, load_json, shortened
from meishi.data.importers.opening import OpenError, Source

YAMLS = (".yaml", ".yml")
NOTES = "notes.json"  # of Label Studio
LISTS = ("classes.txt", "obj.names", "darknet.labels")
# A key `names`, also in quotes or in braces; class_names is another tool's.
NAMES_KEY = re.compile(r"(?<![\w-])(names|nc|kpt_shape)[\"']?\s*:")


@dataclass(frozen=True)
class Config:
    """data.yaml, as far as it matters.

    Attributes:
        names: by class; empty if nothing states them.
        keypoint_numbers: numbers a keypoint; None if the rows are no poses.
        known: there is a data.yaml, or notes that tell of keypoints.
        label_studio: folders of Label Studio's notes, with data.yaml beside them or not.
    """

    names: dict[int, str]
    keypoint_numbers: int | None
    known: bool
    label_studio: tuple[str, ...] = ()

    def by_label_studio(self, name: str) -> bool:
        """Tell whether a text lies where Label Studio wrote: its labels were drawn in a browser."""
        folders = (f"{folder}/" if folder else "" for folder in self.label_studio)
        return any(map(name.startswith, folders))


def read_config(source: Source, faults: list[str]) -> Config:
    """Read the classes of an export; two files that state different ones are a fault.

    A YAML that the user named is the only one that is read.
    """
    files = [name for name in source.names if name.lower().endswith(YAMLS)]
    if source.chosen is not None and source.chosen.lower().endswith(YAMLS):
        files = [source.chosen]
    read_ones = [(name, _of_yaml(source, name, faults)) for name in files]
    found = [(name, config) for name, config in read_ones if config]
    # One with names goes before those without, which describe a network or a training.
    found = [pair for pair in found if pair[1].names] or found
    noting = [name for name in source.names if _is_label_studios(source, name)]
    if not found:
        noted = [(name, _of_notes(source, name, faults)) for name in noting]
        found = [(name, config) for name, config in noted if config]
    if not found:
        lists = [n for n in source.names if folded(posixpath.basename(n)) in LISTS]
        found = [(name, _of_list(source, name, faults)) for name in lists]
    for name, config in found[1:]:
        if config != found[0][1]:
            what = "classes" if config.names != found[0][1].names else "keypoints (kpt_shape)"
            faults.append(f"{source.path}: {found[0][0]} and {name} state different {what}")
    config = found[0][1] if found else Config({}, None, False)
    return replace(config, label_studio=tuple(map(posixpath.dirname, noting)))


def read_text(source: Source, name: str, faults: list[str]) -> str:
    """Read a text; empty, and a fault, if it cannot be read."""
    try:
        return decoded(source.read(name))
    except OpenError as error:
        faults.append(str(error))
        return ""


def _of_list(source: Source, name: str, faults: list[str]) -> Config:
    lines = read_text(source, name, faults).splitlines()
    return Config({i: line.strip() for i, line in enumerate(lines) if line.strip()}, None, False)


def _is_label_studios(source: Source, name: str) -> bool:
    """Tell the notes that Label Studio writes beside an export."""
    if folded(posixpath.basename(name)) != NOTES:
        return False
    try:
        value = load_json(source.read(name))
        return bool(value["info"]["contributor"] == "Label Studio")
    except (OpenError, MalformedError, LookupError, TypeError):
        return False


def _of_notes(source: Source, name: str, faults: list[str]) -> Config | None:
    """Read what Label Studio notes of an export of keypoints; None of any other export.

    Its converter states the keypoints of a class there alone, and writes three numbers of each.
    """
    try:
        value = load_json(source.read(name))
        rows = {int(row["id"]): row for row in value["categories"]}
        points = {key: row.get("keypoints") for key, row in rows.items()}
        names = {key: str(row["name"]) for key, row in rows.items()}
    except (OpenError, MalformedError, LookupError, TypeError, ValueError, AttributeError):
        return None
    if not any(points.values()):
        return None
    four = all(isinstance(own, list) and len(own) == 4 for own in points.values())
    if not four:
        stated = {names[key]: shortened(own) for key, own in points.items()}
        faults.append(f"{source.place(name)}: keypoints: expected four of each class, got {stated}")
        return None
    return Config(names, 3, True)


def _of_yaml(source: Source, name: str, faults: list[str]) -> Config | None:
    where, text = source.place(name), read_text(source, name, faults)
    if not NAMES_KEY.search(text):
        return None
    try:
        value = YAML(typ="safe").load(text)
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        faults.append(f"{where}{line}: not YAML: {why}")
        return None
    if not isinstance(value, dict) or not {"names", "kpt_shape"} & value.keys():
        return None  # names of something else, deeper in a file of another tool
    if {"backbone", "head"} & value.keys():
        return None  # the layers of a network
    names = _names(value.get("names", []))
    if names is None:
        faults.append(f"{where}: names: expected a list of texts, or numbers and texts")
        return None
    shape = value.get("kpt_shape")
    if shape is not None and shape not in ([4, 2], [4, 3]):
        faults.append(f"{where}: kpt_shape: expected [4, 2] or [4, 3], got {shortened(shape)}")
        return None
    return Config(names, int(shape[1]) if shape else None, True)


def _names(value: Any) -> dict[int, str] | None:
    names = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(names, dict) or not all(str(key).isdecimal() for key in names):
        return None
    if not all(isinstance(label, str | int | float) for label in names.values()):
        return None
    return {int(key): str(label) for key, label in names.items()}
