"""Imports go down only; files stay in their rooms, and readable."""

import ast
import sys
from pathlib import Path

import pytest

from tests.contract.imports import ROOT, imported_files

# A file's room: the longest entry that begins its dotted name.
LAYERS = {
    0: (
        "params",
        "recipe",
        "flat_params",
        "train_params",
        "paths",
        "schema",
        "ranges",
        "rules",
        "errors",
        "wording",
        "files",
        "processes",
        "pictures",
        "keras",
        "clone.findings",
        "clone.probing",
        "variants",
        "tunings",
        "named_entries",
    ),
    1: (
        "geometry",
        "evaluation",
        "compression.grids",
        "compression.palettes",
    ),
    2: (
        "backbone",
        "data",
        "scenes",
        "tracing",
        "ssd",
        "unet",
        "direction",
        "training",
        "pictures.overlay",
        "capture.ranking",
        "capture.looking",
        "capture.judging",
        "compression",
    ),
    3: (
        "coreml",
        "ssd.training",
        "unet.training",
        "direction.training",
        "compression.tuning",
        "validation",
        "capture",
        "profiling",
        "reporting",
        "clone.reproduce",
        "measuring.slices",
        "pictures.contact_sheet",
        "report",
    ),
    4: (
        "compression.networks",
        "litert",
        "benchmark",
        "measuring",
        "direction.mining",
        "packages",
        "shipping",
        "capture.files",
        "rendering",
        "adding",
        "clone",
        "doctor",
        "collections",
        "preview",
        "model_card",
    ),
    5: ("clone.cli", "steps", "stages"),
    6: ("cli",),
}
LAYER_OF = {room: layer for layer, rooms in LAYERS.items() for room in rooms}
# Rooms of one layer that may look into each other; those of layer 0 all may.
NEIGHBOURS = {
    ("evaluation", "geometry"),
    ("benchmark", "litert"),
    ("direction.mining", "litert"),
    ("packages", "profiling"),
    ("shipping", "packages"),
    ("collections", "packages"),
    ("tracing", "scenes"),
    ("stages", "steps"),
    ("ssd", "backbone"),
    ("unet", "backbone"),
    ("training", "backbone"),
    ("training", "data"),
    ("capture.looking", "capture.ranking"),
    ("capture.looking", "ssd"),
}
# Third parties, and the only rooms that may import them.
CONFINED = {
    "tensorflow": ("keras",),
    "tf_keras": ("keras",),
    "keras": (),
    "coremltools": ("coreml", "packages"),
    "albumentations": ("data",),
    "mitsuba": ("tracing",),
    "ai_edge_litert": ("litert", "profiling"),
    "dask": ("processes",),
    "distributed": ("processes",),
    "cloudpickle": ("processes",),
    "gto": ("clone",),
    "onnx": ("direction",),
    "altair": ("report",),
    "vl_convert": ("report",),
    "jinja2": ("report",),
    "markdown_it": ("report",),
    "markupsafe": ("report",),
    "dvc": ("report",),
    "dvc_data": ("report",),
    "tuf": ("collections",),
    "securesystemslib": ("collections",),
    "cryptography": ("collections",),
    "fsspec": ("collections",),
}

FILES = sorted([*(ROOT / "meishi").rglob("*.py"), *(ROOT / "stages").glob("*.py")])
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def room(file: Path) -> str | None:
    """Name the room of a file; None for the empty __init__.py of a package."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[1:] if parts[0] == "meishi" else parts)
    rooms = [entry for entry in LAYER_OF if name == entry or name.startswith(f"{entry}.")]
    if not rooms and file.name == "__init__.py":
        return None
    assert rooms, f"{name} has no layer yet: add it to LAYERS"
    return max(rooms, key=len)


def third_parties(file: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.split(".")[0])
    return roots - set(sys.stdlib_module_names) - {"meishi", "stages"}


@each_file
def test_imports_go_down_only(file):
    own = room(file)
    for imported in imported_files(file):
        other = room(imported)
        if own is None or other is None or own == other:
            continue
        down = LAYER_OF[other] < LAYER_OF[own] or LAYER_OF[other] == 0 == LAYER_OF[own]
        assert down or (own, other) in NEIGHBOURS, f"{own} may not import {other}"


@each_file
def test_third_parties_stay_in_their_rooms(file):
    own = room(file)
    for package in third_parties(file) & CONFINED.keys():
        assert own in CONFINED[package], f"{own} may not import {package}"


@each_file
def test_geometry_and_measures_need_only_numpy_scipy_and_opencv(file):
    if LAYER_OF.get(room(file) or "") == 1:
        assert third_parties(file) <= {"numpy", "cv2", "scipy"}
        assert {room(imported) for imported in imported_files(file)} <= {None, *LAYERS[1]}


@each_file
def test_a_module_has_a_docstring_and_a_package_file_is_empty(file):
    text = file.read_text(encoding="utf-8")
    assert text == "" if file.name == "__init__.py" else ast.get_docstring(ast.parse(text))


@each_file
def test_a_file_stays_readable(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    limit = 300 if file.name == "params.py" else 260
    assert len(lines) <= limit
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"
