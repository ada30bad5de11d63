"""A source of our own format: a folder with a manifest, records and shards of pictures.

All is checked on the way, and every fault is collected: hashes, that a picture can be decoded in
full and has the stated size, the form of each record, its quads.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from meishi.data import records, shards
from meishi.data.manifest import Manifest, ShardEntry, read_checked, read_manifest
from meishi.data.progress import reading
from meishi.data.records import Record
from meishi.data.shards import sha256
from meishi.params import SourceParams
from meishi.pictures import images

Scene = tuple[Record, bytes]


def manifest_of(source: SourceParams, faults: list[str]) -> Manifest | None:
    """Read the manifest of a source; None, and a fault, if there is no sound one."""
    found: list[str] = []  # told with the source: the path may be misspelt
    manifest = read_manifest(Path(source.path), found)
    faults += [f"params.yaml [fetch]: source {source.name!r}: {fault}" for fault in found]
    return manifest


def read_source(source: SourceParams, faults: list[str]) -> Iterator[Scene]:
    """Yield the sound scenes of a source; faults receives what is wrong with the others."""
    folder, manifest = Path(source.path), manifest_of(source, faults)
    if manifest is None:
        return
    listing = folder / manifest.records.file
    found = _read_records(listing, manifest.records.sha256, faults)
    by_shard: dict[str, list[tuple[str, Record]]] = {}
    for where, record in found:
        by_shard.setdefault(record.shard, []).append((where, record))
    entries = {entry.file: entry for entry in manifest.shards}
    with reading(found, source.name) as bar:
        for name in sorted(by_shard.keys() | entries.keys()):
            file, of_shard = folder / name, by_shard.get(name, [])
            if name not in entries:
                faults.append(f"{file}: missing shard: records name it, the manifest does not")
                continue
            for scene in _read_shard(file, entries[name], of_shard, faults):
                bar.update()
                yield scene


def _read_records(file: Path, expected: str, faults: list[str]) -> list[tuple[str, Record]]:
    """Read the sound records, each with the words that say where it stands."""
    content = read_checked(file, expected, faults)
    if content is None:
        return []
    sound: list[tuple[str, Record]] = []
    seen: dict[str, int] = {}
    lines = shards.lines(content.decode("utf-8", errors="replace"))
    if not lines:
        faults.append(f"{file}: the source is empty: no records")
    for number, line in enumerate(lines, start=1):
        where = f"{file} line {number}"
        try:
            record = records.parse_source(line)
        except records.RecordError as error:
            faults.append(f"{where}: {error}")
            continue
        wrong = records.faults(record)
        if isinstance(tilt := record.attributes.get("tilt_deg"), str):
            wrong.append(f"attribute 'tilt_deg': expected a number of degrees, got {tilt!r}")
        if record.id in seen:
            wrong.append(f"the id also stands on line {seen[record.id]}")
        seen.setdefault(record.id, number)
        faults += [f"{where} ({record.id}): {fault}" for fault in wrong]
        if not wrong:
            sound.append((where, record))
    return sound


def _read_shard(
    file: Path, entry: ShardEntry, scenes: list[tuple[str, Record]], faults: list[str]
) -> Iterator[Scene]:
    if read_checked(file, entry.sha256, faults) is None:
        return
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        faults.append(f"{file}: not a zip: {error}")
        return
    with archive:
        names = set(archive.namelist())
        for where, record in scenes:
            if record.image not in names:
                faults.append(f"{where} ({record.id}): missing image: no {record.image} in {file}")
                continue
            content = _read_member(archive, record.image, faults, file)
            if content is None:
                continue
            if fault := _image_fault(record, content):
                faults.append(f"{file}: {record.image}: {fault}")
            else:
                yield record, content


def _read_member(
    archive: zipfile.ZipFile, name: str, faults: list[str], file: Path
) -> bytes | None:
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        faults.append(f"{file}: {name}: cannot be unpacked: {error}")
        return None


def _image_fault(record: Record, content: bytes) -> str | None:
    if sha256(content) != record.sha256:
        return f"wrong sha256: expected {record.sha256}, got {sha256(content)}"
    try:
        height, width = images.decode(content, record.image).shape[:2]
    except images.ImageError as error:
        return str(error)
    if (width, height) != record.size_px:
        return f"is {width}x{height} px; its record says {record.width}x{record.height}"
    return None
