"""manifest.json: what a data source holds, with a sha256 for every file.

The layout of a source is that of data/: manifest.json, records.jsonl, scenes-NNN.zip and, in one
source at least, the backbone's weights. `write_source` makes one, `meishi.data.sources` reads them.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meishi import schema
from meishi.data import records, shards
from meishi.data.records import Record
from meishi.data.shards import sha256
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes, atomic_write_text, replace_folder

MANIFEST_FILE = "manifest.json"
SEEN_FILE = "weights/seen.txt"  # with a part of its sha256 behind the stem
SCHEMA = 1
DIGITS = 12  # of the sha256, in a name


@dataclass(frozen=True)
class Origin:
    """Where a part of a source comes from."""

    name: str
    licence: str
    url: str


@dataclass(frozen=True)
class ShardEntry:
    """A zip of images."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class RecordsEntry:
    """The file of records."""

    file: str
    sha256: str


@dataclass(frozen=True)
class WeightsEntry:
    """Backbone weights; `file` is relative to the source's folder."""

    file: str
    sha256: str
    licence: str
    source: str


@dataclass(frozen=True)
class SeenEntry:
    """A list of the scenes, of any source, that the networks in the weights were trained on.

    Each line of `file` is the sha256 of a scene's image file.
    """

    file: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a source holds."""

    schema: int
    name: str
    licence: str
    sources: tuple[Origin, ...]
    counts: dict
    shards: tuple[ShardEntry, ...]
    records: RecordsEntry
    weights: WeightsEntry | None = None
    seen: SeenEntry | None = None


def read_manifest(folder: Path, faults: list[str]) -> Manifest | None:
    """Read a source's manifest; None if it cannot be used, with the reasons in `faults`."""
    file = folder / MANIFEST_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{file}: {error.strerror}; `dvc pull data.dvc` restores data/")
        return None
    except ValueError as error:
        faults.append(f"{file}: not JSON: {error}")
        return None
    found: list[schema.Fault] = []
    manifest = schema.build(Manifest, content, found)
    if not found and manifest.schema != SCHEMA:
        found.append(schema.Fault("", f"schema: expected {SCHEMA}, got {manifest.schema}"))
    faults += [f"{file}: {': '.join(filter(None, (f.where, f.what)))}" for f in found]
    return None if found else manifest


def write_source(
    folder: Path,
    scenes: Iterable[tuple[Record, bytes]],
    about: dict[str, Any],
    weights: tuple[WeightsEntry, bytes] | None = None,
) -> None:
    """Write a source's folder whole, manifest included.

    Args:
        folder: replaced when everything is written.
        scenes: records and image files.
        about: the manifest's "name", "licence" and "sources" (a list of mappings with "name",
            "licence" and "url").
        weights: backbone weights to take in; their sha256 is set here.
    """
    with replace_folder(folder) as partial:
        written = shards.write_shards(partial, scenes, to_line=records.to_source_line)
        listing = (partial / shards.RECORDS_FILE).read_bytes()
        manifest = {
            "schema": SCHEMA,
            **about,
            "counts": {
                "scenes": len(written),
                "cards": sum(len(record.cards) for record in written),
                "empty_scenes": sum(not record.cards for record in written),
            },
            "shards": shards.shard_entries(partial),
            "records": {"file": shards.RECORDS_FILE, "sha256": sha256(listing)},
        }
        if weights:
            entry, content = weights
            (partial / entry.file).parent.mkdir(parents=True, exist_ok=True)
            (partial / entry.file).write_bytes(content)
            manifest["weights"] = vars(entry) | {"sha256": sha256(content)}
        (partial / MANIFEST_FILE).write_text(_text(manifest), encoding="utf-8")


def replace_weights(folder: Path, weights: tuple[WeightsEntry, bytes], seen: set[str]) -> Path:
    """Give a source other weights; the files that the manifest named before go.

    Files are named by their content: until the manifest is replaced, all that it names is there.

    Args:
        folder: of the source.
        weights: the new file, and its content; its sha256 is set here, and put into its name.
        seen: sha256 of the image of each scene that networks in it were trained on.

    Returns:
        The file of weights.

    Raises:
        InputError: if the folder has no sound manifest.
    """
    faults: list[str] = []
    manifest = read_manifest(folder, faults)
    if manifest is None:
        raise InputError("\n".join(faults))
    entry, content = weights
    raw = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    listing = "".join(f"{line}\n" for line in sorted(seen)).encode()
    file, seen_file = _named(entry.file, content), _named(SEEN_FILE, listing)
    raw["weights"] = vars(entry) | {"file": file, "sha256": sha256(content)}
    raw["seen"] = {"file": seen_file, "sha256": sha256(listing)}
    for name, written in ((file, content), (seen_file, listing)):
        atomic_write_bytes(folder / name, written)
    atomic_write_text(folder / MANIFEST_FILE, _text(raw))
    before = [part.file for part in (manifest.weights, manifest.seen) if part]
    for name in {*before, *_killed(folder, entry.file), *_killed(folder, SEEN_FILE)}:
        if name not in (file, seen_file):
            (folder / name).unlink(missing_ok=True)
    return folder / file


def _named(file: str, content: bytes) -> str:
    stem, dot, suffix = file.rpartition(".")
    return f"{stem}-{sha256(content)[:DIGITS]}{dot}{suffix}"


def _killed(folder: Path, file: str) -> list[str]:
    """List files that are named by their content: a run that was killed may have left some."""
    stem, dot, suffix = file.rpartition(".")
    form = re.compile(rf"{re.escape(stem)}-[0-9a-f]{{{DIGITS}}}{re.escape(dot + suffix)}")
    near = (folder / file).parent
    names = (path.relative_to(folder).as_posix() for path in near.iterdir())
    return [name for name in names if form.fullmatch(name)]


def read_seen(folder: Path, manifest: Manifest, faults: list[str]) -> set[str]:
    """Read which scenes a source's networks were trained on: sha256 of image files."""
    if manifest.seen is None:
        return set()
    content = read_checked(folder / manifest.seen.file, manifest.seen.sha256, faults)
    return set((content or b"").decode("ascii", errors="replace").split())


def _text(manifest: dict) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def read_checked(file: Path, expected: str, faults: list[str]) -> bytes | None:
    """Read a file whose sha256 is known; None if it is missing or differs, a fault then."""
    try:
        content = file.read_bytes()
    except OSError as error:
        faults.append(f"{file}: {error.strerror}: the manifest names it")
        return None
    if (got := sha256(content)) != expected:
        faults.append(
            f"{file}: wrong sha256: expected {expected}, got {got}; restore the file, or write "
            "the manifest anew if it was changed on purpose"
        )
        return None
    return content
