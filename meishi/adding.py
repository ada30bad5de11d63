"""`meishi add-photos`: photos labelled in another tool become a data source of ours.

The export is checked whole before anything is written: one fault refuses it. What was found is
said in figures and shown on a contact sheet, for people to look at before they train on it.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from meishi.data import records
from meishi.data.importers.downloading import file_sha256, shown
from meishi.data.importers.importing import import_scenes
from meishi.data.importers.labelled import Tally
from meishi.data.importers.locating import is_remote, local_path
from meishi.data.importers.naming import storable
from meishi.data.importers.registry import READERS
from meishi.data.manifest import write_source
from meishi.data.records import Record
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes
from meishi.files.writable import check_replaceable, check_writable
from meishi.pictures import contact_sheet, images

THUMBNAIL_PX = 240
COLUMNS, MAX_THUMBNAILS = 6, 60
DOCUMENTS = "README.md MODEL_CARD.md docs"  # that hold figures of metrics/


class AddError(InputError):
    """An export cannot be taken in; every fault is listed."""


@dataclass
class _Found:
    """What the export holds, gathered while it is written."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    cards: Counter[int] = field(default_factory=Counter)
    thumbnails: list[np.ndarray] = field(default_factory=list)


def add_photos(
    export: Path | str,
    kind: str,
    labels: Sequence[str],
    into: Path,
    licence: str,
    sheet: Path,
    digest: str = "",
) -> list[str]:
    """Write an export as a data source, and a contact sheet of it.

    Args:
        export: folder, archive or label file, or the URL of one.
        kind: its format, a key of `READERS`.
        labels: the labels that mean a card; every label when empty.
        into: folder to write; must not exist.
        licence: of the photos, for the manifest.
        sheet: JPEG to write.
        digest: sha256 that the file must have, hexadecimal; not checked when empty.

    Returns:
        Lines that say what was found, and what to run next.

    Raises:
        AddError: if the export has any fault, `into` exists, or `sheet` is in it or around it;
            nothing is written then.
        InputError: if `into` or `sheet` cannot be written; nothing is written then.
        DownloadError: if the export cannot be had, or has another sha256.
    """
    if kind not in READERS:
        raise AddError(f"--format {kind}: expected one of {', '.join(READERS)}")
    if into.exists():
        raise AddError(f"{into}: is there already; choose another folder with --into")
    if not records.NAME.fullmatch(into.name):
        raise AddError(f"--into {into}: the last part names the source: {records.NAME_RULE}")
    _check_apart(sheet, into)
    check_replaceable(into)
    check_writable(sheet)
    tally, found = Tally(), _Found()
    stated = str(export)
    path = local_path(stated, digest)
    url = shown(stated) if is_remote(stated) else ""
    about = {
        "name": into.name,
        "licence": licence,
        "sources": [{"name": storable(_own_name(path)), "licence": licence, "url": url}],
    }
    write_source(into.resolve(), _checked(path, kind, labels, into.name, tally, found), about)
    tiles = contact_sheet.grid(found.thumbnails, COLUMNS)
    atomic_write_bytes(sheet, images.encode(tiles, ".jpg", 85))
    came = [f"downloaded: {path}, sha256 {file_sha256(path)}"] if url else []
    return [*_report(found, tally), *came, f"contact sheet: {sheet}", "", *_next_steps(into)]


def _check_apart(sheet: Path, into: Path) -> None:
    """Refuse a sheet that would be the source, one of its files, or the folder around it."""
    file, folder = sheet.resolve(), into.resolve()
    if file == folder or folder in file.parents or file in folder.parents:
        raise AddError(
            f"--sheet {sheet}: expected a file apart from --into {into}, which holds the source's "
            "own files alone; choose another, such as build/add-photos.jpg"
        )


def _own_name(path: Path) -> str:
    """Name a file or folder as it is called where it lies: "." has no name of its own."""
    return Path(os.path.abspath(path)).name


def _checked(
    export: Path, kind: str, labels: Sequence[str], name: str, tally: Tally, found: _Found
) -> Iterator[tuple[Record, bytes]]:
    faults: list[str] = []
    for record, content in import_scenes(export, kind, labels, name, faults, tally):
        found.sizes[record.size_px] += 1
        found.cards[len(record.cards)] += 1
        if len(found.thumbnails) < MAX_THUMBNAILS:
            image = images.decode(content, record.image)
            found.thumbnails.append(contact_sheet.tile(image, record.quads, THUMBNAIL_PX))
        yield record, content
    if faults:
        # All of them: who mends an export in a tool wants to do so once.
        listed = "\n".join(faults)
        raise AddError(f"{export}: refused, faults: {len(faults)}\n{listed}")


def _report(found: _Found, tally: Tally) -> list[str]:
    total = sum(found.cards.values())
    cards = sum(number * count for number, count in found.cards.items())
    spread = ", ".join(f"{count} with {number}" for number, count in sorted(found.cards.items()))
    sizes = ", ".join(f"{w}x{h} ({n})" for (w, h), n in found.sizes.most_common(5))
    more = f" and {len(found.sizes) - 5} more" if len(found.sizes) > 5 else ""
    shown = f"; the first {MAX_THUMBNAILS} are on the sheet" if total > MAX_THUMBNAILS else ""
    return [
        f"{total} photos, {cards} cards{shown}",
        f"cards a photo: {spread}",
        f"sizes: {sizes}{more}",
        *tally.lines(),
    ]


def _next_steps(given: Path) -> list[str]:
    place, here = given.resolve(), Path.cwd().resolve()
    outside = here not in place.parents
    into = Path("data", place.name) if outside else place.relative_to(here)
    # data/ is versioned as a whole, and a dep of fetch already; another folder is neither.
    inside = into.parts[0] == "data"
    versioned = "data" if inside else into.as_posix()
    dependency = ["  dvc.yaml, under fetch: deps:", f"      - {into.as_posix()}"]
    changed = "data.dvc" if inside else f"{versioned}.dvc .gitignore dvc.yaml"
    # DVC takes no folder from elsewhere.
    moved = f"  move {given} into the clone, as {into.as_posix()}; in the clone:"
    return [
        "Look at the contact sheet. Then, to train on these photos:",
        *([moved] if outside else []),
        f"  dvc add {versioned}",
        "  params.yaml, under fetch: sources:",
        f"    - {{name: {into.name}, path: {into.as_posix()}}}",
        *([] if inside else dependency),
        "  dvc repro",
        "  meishi model-card",
        "  python docs/results.py --write",
        "  python docs/collections_figures.py --write",
        "  make push",
        f"  git add {changed} params.yaml dvc.lock metrics plots storage {DOCUMENTS}",
        f'  git commit -m "Add {into.name}"',
    ]
