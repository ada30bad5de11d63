"""Scenes in a few large files: uncompressed zips of images, and a line of JSON for each scene.

Thousands of small files make DVC and git slow. The bytes depend on the content alone (fixed
dates, fixed order), so that an unchanged stage gives an unchanged hash.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from meishi.data import records
from meishi.data.records import Record
from meishi.errors import InputError

RECORDS_FILE = "records.jsonl"
INDEX_FILE = "index.json"
SHARD_BYTES = 8 * 1024 * 1024
MEND = "`dvc repro preprocess` makes it"  # by way of fetch
# What reading a damaged zip raises; KeyError is a member that is not there.
_DAMAGE = (OSError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class ShardReader:
    """The scenes of a folder, in the order of its records.

    It holds the records only and opens the zips as they are needed, so that it can be sent to
    another process.
    """

    def __init__(self, folder: Path, parse: Callable[[str], Record] = records.parse) -> None:
        """Read the records.

        Raises:
            InputError: if the folder has no records, a line is no record, or a shard is missing.
        """
        self.folder = folder
        self.records = read_records(folder / RECORDS_FILE, parse)
        for shard in dict.fromkeys(record.shard for record in self.records):
            if not (folder / shard).is_file():
                raise InputError(f"{folder / shard}: missing shard; {MEND}")

    def __len__(self) -> int:
        """Count the scenes."""
        return len(self.records)

    def __iter__(self) -> Iterator[tuple[Record, bytes]]:
        """Yield each record with its image file's content."""
        return self.scenes(self.records)

    def scenes(self, chosen: Iterable[Record]) -> Iterator[tuple[Record, bytes]]:
        """Yield the chosen records with their images; fastest in the order of the shards.

        Raises:
            InputError: naming the shard that is damaged or lacks a picture.
        """
        archive: zipfile.ZipFile | None = None
        name = None
        try:
            for record in chosen:
                try:
                    if archive is None or record.shard != name:
                        if archive is not None:
                            archive.close()
                        archive, name = zipfile.ZipFile(self.folder / record.shard), record.shard
                    content = archive.read(record.image)
                except _DAMAGE as error:
                    raise InputError(f"{self.folder / record.shard}: {error}; {MEND}") from error
                yield record, content
        finally:
            if archive is not None:
                archive.close()


def read_records(file: Path, parse: Callable[[str], Record] = records.parse) -> list[Record]:
    """Read a records file the pipeline wrote.

    Raises:
        InputError: if it is missing, or naming the line that is no record.
    """
    try:
        listed = lines(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; {MEND}") from error
    found = []
    for number, line in enumerate(listed, start=1):
        try:
            found.append(parse(line))
        except records.RecordError as error:
            raise InputError(f"{file} line {number}: {error}") from error
    return found


def lines(text: str) -> list[str]:
    r"""Split a file of records at \n alone: a name in it may hold other line separators."""
    return text.removesuffix("\n").split("\n") if text else []


def write_shards(
    folder: Path,
    scenes: Iterable[tuple[Record, bytes]],
    shard_bytes: int = SHARD_BYTES,
    to_line: Callable[[Record], str] = records.to_line,
) -> list[Record]:
    """Write scenes-000.zip, scenes-001.zip, ... and records.jsonl into an existing folder.

    Args:
        folder: where; see `atomic.replace_folder` for writing it whole.
        scenes: records (their `shard` and `sha256` are set here) and image files' contents.
        shard_bytes: a shard is closed once it holds this much.
        to_line: `records.to_line`, or `records.to_source_line` for a data source.

    Returns:
        The records as written.
    """
    written: list[Record] = []
    pending: list[tuple[Record, bytes]] = []
    number = 0
    for scene in scenes:
        pending.append(scene)
        if sum(len(content) for _, content in pending) >= shard_bytes:
            written += _write_shard(folder, number, pending)
            pending, number = [], number + 1
    if pending:
        written += _write_shard(folder, number, pending)
    listing = "".join(to_line(record) + "\n" for record in written)
    (folder / RECORDS_FILE).write_bytes(listing.encode("utf-8"))
    return written


def write_index(folder: Path, split: str, scenes: list[Record]) -> None:
    """Write index.json: what the folder holds, for people and for diffs."""
    cards = [card for record in scenes for card in record.cards]
    content = {
        "split": split,
        "scenes": len(scenes),
        "cards": len(cards),
        "empty_scenes": sum(not record.cards for record in scenes),
        "designs": len({card.design for card in cards}),
        "backgrounds": len({name for record in scenes for name in record.backgrounds}),
        "shards": shard_entries(folder),
    }
    (folder / INDEX_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def shard_entries(folder: Path) -> list[dict[str, str | int]]:
    """List a folder's shards as a manifest does: file, sha256, bytes."""
    return [
        {"file": shard.name, "sha256": sha256(shard.read_bytes()), "bytes": shard.stat().st_size}
        for shard in sorted(folder.glob("scenes-*.zip"))
    ]


def sha256(content: bytes) -> str:
    """Hash a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(file: Path, stage: str) -> str:
    """Hash what a stage writes.

    Raises:
        InputError: naming the stage to run, if the file is not there or cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; run the stage {stage}") from error


def zip_entry(name: str) -> zipfile.ZipInfo:
    """Describe a file in a zip so that its bytes depend on nothing but the content."""
    entry = zipfile.ZipInfo(name, _ZIP_DATE)
    entry.create_system = 3  # Unix, whatever the machine
    entry.external_attr = 0o644 << 16
    return entry


def _write_shard(folder: Path, number: int, scenes: list[tuple[Record, bytes]]) -> list[Record]:
    name = f"scenes-{number:03d}.zip"
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as archive:
        for record, content in scenes:
            archive.writestr(zip_entry(record.image), content)
    return [replace(record, shard=name, sha256=sha256(content)) for record, content in scenes]
