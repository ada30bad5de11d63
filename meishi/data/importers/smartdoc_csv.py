"""SmartDoc 2015 challenge 1 as its frames are published: one table, metadata.csv or .csv.gz.

A row is a frame: the path of its picture beside the table, the four corners by name, its model
(datasheet001) and background (background01). Coordinates as in `smartdoc`.
"""

import csv
import gzip
import io
import posixpath
import zlib
from collections.abc import Iterator

import numpy as np

from meishi.data.importers.folding import folded
from meishi.data.importers.label_files import pictures
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.nodes import MalformedError, decoded, parse_number
from meishi.data.importers.opening import OpenError, Source

NAMES = ("metadata.csv", "metadata.csv.gz")
CORNERS = tuple(f"{corner}_{axis}" for corner in ("tl", "tr", "br", "bl") for axis in "xy")
COLUMNS = ("image_path", "model_name", "bg_name", *CORNERS)
LABEL = "document"
MAX_BYTES = 1 << 28


def tables(source: Source) -> list[str]:
    """List the tables of a source: the chosen one alone, if there is one."""
    names = source.with_suffix(*NAMES)
    return [name for name in names if posixpath.basename(name).lower() in NAMES]


def table_photos(
    source: Source, name: str, faults: list[str], tally: Tally
) -> Iterator[LabelledPhoto]:
    """Yield each frame of a table of which there is a picture.

    Args:
        source: where.
        name: of the table.
        faults: receives a table that cannot be read, and rows that are damaged.
        tally: counts frames without a picture.
    """
    place = source.place(name)
    try:
        rows = csv.DictReader(io.StringIO(_text(source, name)), strict=True)
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            faults.append(f"{place}: no SmartDoc table: no column {', '.join(missing)}")
            return
        listed = list(rows)
    except (OpenError, MalformedError, csv.Error, OSError, EOFError, zlib.error) as error:
        faults.append(f"{place}: no SmartDoc table: {error}; mend it, or take it out")
        return
    there = {folded(picture): picture for picture in pictures(source)}
    for number, row in enumerate(listed, start=2):  # line 1 names the columns
        where = f"{place} line {number}"
        path = posixpath.join(posixpath.dirname(name), row["image_path"] or "")
        picture = there.get(folded(posixpath.normpath(path)))
        if picture is None:
            tally.left_out["frames of which there is no picture"] += 1
            continue
        names = row["model_name"] or None, row["bg_name"] or None
        yield LabelledPhoto(
            picture, "", where, (_shape(row, where),), group=names[0], background=names[1]
        )


def _text(source: Source, name: str) -> str:
    content = source.read(name)
    if name.lower().endswith(".gz"):
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES)
    return decoded(content)


def _shape(row: dict[str, str], where: str) -> Shape:
    numbers = [parse_number(row[column]) for column in CORNERS]
    if None in numbers:
        return refused((LABEL,), where, f"{', '.join(CORNERS)}: expected numbers")
    corners = np.array(numbers, dtype=np.float64).reshape(4, 2)
    return Shape((LABEL,), where, "corners", (corners,))
