"""Data sources: folders of labelled scenes and other tools' exports, verified before any use.

Nothing is skipped: every fault is collected, and the data is refused as a whole. Design and
background names are taken to mean the same in every source of scenes: no split separates them.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from meishi.data import records, shards
from meishi.data.importers.downloading import DownloadError, file_sha256, shown
from meishi.data.importers.importing import import_scenes
from meishi.data.importers.locating import is_remote, local_path
from meishi.data.importers.registry import READERS
from meishi.data.manifest import (
    MANIFEST_FILE,
    Manifest,
    ShardEntry,
    read_checked,
    read_manifest,
    read_seen,
)
from meishi.data.records import Record
from meishi.data.shards import sha256
from meishi.data.source_faults import OWN_FORMAT, source_faults
from meishi.errors import InputError, summary
from meishi.params import FetchParams, SourceParams
from meishi.pictures import images

Scene = tuple[Record, bytes]


class SourceError(InputError):
    """A source is not as its manifest says, or holds an unusable scene; every fault is listed."""


def verified_scenes(params: FetchParams) -> Iterator[Scene]:
    """Yield every scene of every source, in order, and check each file on the way.

    Checked are all hashes, that an image can be decoded in full and has the stated size, the
    form of each record, its quads, that no id occurs twice, and the weights. Ids and image names
    get the source's name as a prefix when there is more than one; the attribute `source` names it.

    Raises:
        SourceError: at the end, if there was any fault: what was yielded must not be used then.
    """
    weights = (params.weights, params.direction_weights)
    told = (fault for name in weights for fault in _weight_faults(params, name))
    faults = [*source_faults(params.sources), *dict.fromkeys(told)]
    yield from _scenes(params.sources, faults, prefixed=len(params.sources) > 1)
    also: list[str] = []
    _seen(params, also)
    for _ in _without_cards(params, also):  # told with the rest; they are few
        pass
    faults += [fault for fault in also if fault not in faults]
    if faults:
        raise SourceError(f"the data is refused, faults: {len(faults)}\n{summary(faults)}")


def without_cards(params: FetchParams) -> Iterator[Scene]:
    """Yield every photo of `fetch.without_cards`, checked; ids begin with the source's name.

    Raises:
        SourceError: at the end, if there was any fault, as `verified_scenes` would tell, too.
    """
    faults: list[str] = []
    yield from _without_cards(params, faults)
    if faults:
        raise SourceError("\n".join(faults))


def _without_cards(params: FetchParams, faults: list[str]) -> Iterator[Scene]:
    if not params.without_cards:
        return
    faults += source_faults([*params.sources, *params.without_cards])
    for record, content in _scenes(params.without_cards, faults, prefixed=True):
        if record.cards:
            faults.append(
                f"params.yaml [fetch.without_cards]: source {record.attributes['source']!r}: "
                f"{record.id}: expected a photo without a card, got {len(record.cards)} labelled; "
                "name its source in fetch.sources"
            )
        yield record, content


def _scenes(given: Sequence[SourceParams], faults: list[str], prefixed: bool) -> Iterator[Scene]:
    taken: dict[str, str] = {}
    for source in given:
        prefix = f"{source.name}-" if prefixed else ""
        for record, content in _read(source, faults):
            name = f"{prefix}{record.id}"
            if name in taken:
                faults.append(
                    f"{shown(source.path)}: {name} is also the id of a scene of {taken[name]}"
                )
            taken[name] = shown(source.path)
            image = name + PurePosixPath(record.image).suffix
            # First, and whatever the record says: it may have been another source's.
            attributes = {"source": "", **record.attributes} | {"source": source.name}
            yield replace(record, id=name, image=image, attributes=attributes), content


def seen_scenes(params: FetchParams) -> set[str]:
    """List what the networks in the weights were trained on: sha256 of image files.

    Raises:
        SourceError: if a list is not as its manifest says, as `verified_scenes` would tell, too.
    """
    faults: list[str] = []
    found = _seen(params, faults)
    if faults:
        raise SourceError("\n".join(faults))
    return found


def _seen(params: FetchParams, faults: list[str]) -> set[str]:
    found: set[str] = set()
    for source in params.sources:
        if source.format == OWN_FORMAT and not is_remote(source.path):
            manifest = _manifest(source, faults)
            found |= read_seen(Path(source.path), manifest, faults) if manifest else set()
    return found


def _weight_faults(params: FetchParams, name: str) -> list[str]:
    """Check a file of weights against the manifest of the source it lies in."""
    file = Path(name)
    for source in params.sources:
        if source.format != OWN_FORMAT:
            continue
        manifest = read_manifest(Path(source.path), [])
        if manifest and manifest.weights and Path(source.path) / manifest.weights.file == file:
            faults: list[str] = []
            read_checked(file, manifest.weights.sha256, faults)
            return faults
        if manifest is None:
            return []  # that fault is told where the source is read
    return [f"{file}: the weights stand in no source's {MANIFEST_FILE}"]


def _read(source: SourceParams, faults: list[str]) -> Iterator[Scene]:
    if source.format == OWN_FORMAT:
        if not is_remote(source.path):  # that fault is told with the names
            yield from _read_source(source, faults)
    elif source.format in READERS:
        try:
            path = local_path(source.path, source.sha256)
        except DownloadError as error:
            faults.append(str(error))
            return
        if is_remote(source.path) and not source.sha256:
            # Else two runs of one commit could read different data.
            faults.append(
                f"params.yaml [fetch]: source {source.name!r}: sha256: a URL needs it; the file "
                f"that came has {file_sha256(path)}: state it if that is the one you mean"
            )
        yield from import_scenes(path, source.format, source.labels, source.name, faults)


def _manifest(source: SourceParams, faults: list[str]) -> Manifest | None:
    found: list[str] = []  # told with the source: the path may be misspelt
    manifest = read_manifest(Path(source.path), found)
    faults += [f"params.yaml [fetch]: source {source.name!r}: {fault}" for fault in found]
    return manifest


def _read_source(source: SourceParams, faults: list[str]) -> Iterator[Scene]:
    folder, manifest = Path(source.path), _manifest(source, faults)
    if manifest is None:
        return
    listing = folder / manifest.records.file
    found = _read_records(listing, manifest.records.sha256, faults)
    by_shard: dict[str, list[tuple[str, Record]]] = {}
    for where, record in found:
        by_shard.setdefault(record.shard, []).append((where, record))
    entries = {entry.file: entry for entry in manifest.shards}
    for name in sorted(by_shard.keys() | entries.keys()):
        if name not in entries:
            faults.append(f"{folder / name}: missing shard: records name it, the manifest does not")
        else:
            yield from _read_shard(folder / name, entries[name], by_shard.get(name, []), faults)


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
