"""Augmented samples on disk.

A set is `NAME.zip` (JPEG files, stored) beside `NAME.jsonl` (one line a sample, the quads relative
to the picture). Training reads it whole: a set is some hundred megabytes.
"""

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meishi.data.shards import zip_entry
from meishi.errors import InputError

FRAMES, CROPS = "frames", "crops"
# What reading damaged files raises; a line that is no list of quads is a ValueError or TypeError.
_DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, ValueError, TypeError),
)


@dataclass(frozen=True)
class SampleSet:
    """A set in memory: (N,) JPEG files, and N arrays of quads, (n, 4, 2) relative."""

    jpegs: list[bytes]
    quads: list[np.ndarray]
    key: str


def read(folder: Path, name: str) -> SampleSet:
    """Load a set; its key changes with any byte of it.

    Raises:
        InputError: if the set is missing, damaged or empty.
    """
    try:
        lines = (folder / f"{name}.jsonl").read_text().splitlines()
        with zipfile.ZipFile(folder / f"{name}.zip") as archive:
            jpegs = [archive.read(member) for member in archive.namelist()]
        quads = [np.array(json.loads(line), dtype=float).reshape(-1, 4, 2) for line in lines]
    except _DAMAGE as error:
        raise InputError(f"{folder / name}: {error}; run the stage augment") from error
    if not jpegs or len(jpegs) != len(lines):
        raise InputError(
            f"{folder / name}: {len(jpegs)} pictures, {len(lines)} labels; run the stage augment"
        )
    digest = hashlib.sha256("\n".join(lines).encode())
    for jpeg in jpegs:
        digest.update(jpeg)
    return SampleSet(jpegs, quads, digest.hexdigest())


class SampleWriter:
    """Writes a set sample by sample, as a context manager."""

    def __init__(self, folder: Path, name: str):
        """Prepare `NAME.zip` and `NAME.jsonl` in an existing folder."""
        self.folder, self.name = folder, name
        self.lines: list[str] = []

    def __enter__(self) -> "SampleWriter":
        """Open the zip."""
        self.archive = zipfile.ZipFile(self.folder / f"{self.name}.zip", "w", zipfile.ZIP_STORED)
        return self

    def __exit__(self, *_) -> None:
        """Close the zip and write the lines."""
        self.archive.close()
        text = "".join(line + "\n" for line in self.lines)
        (self.folder / f"{self.name}.jsonl").write_text(text)

    def add(self, jpeg: bytes, quads: list) -> None:
        """Append a sample: a JPEG file and its quads, relative."""
        self.archive.writestr(zip_entry(f"{len(self.lines):06d}.jpg"), jpeg)
        self.lines.append(json.dumps(quads))

    def __len__(self) -> int:
        """Count the samples so far."""
        return len(self.lines)
