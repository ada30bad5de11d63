"""Augmented samples on disk.

A set is `NAME.zip` (JPEG files, stored) beside `NAME.jsonl` (one line a sample, the quads relative
to the picture). Training reads it whole: a set is some hundred megabytes.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FRAMES, CROPS = "frames", "crops"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class SampleSet:
    """A set in memory: (N,) JPEG files, and N arrays of quads, (n, 4, 2) relative."""

    jpegs: list[bytes]
    quads: list[np.ndarray]
    key: str


def read(folder: Path, name: str) -> SampleSet:
    """Load a set; its key changes with any byte of it."""
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    with zipfile.ZipFile(folder / f"{name}.zip") as archive:
        jpegs = [archive.read(member) for member in archive.namelist()]
    digest = hashlib.sha256("\n".join(lines).encode())
    for jpeg in jpegs:
        digest.update(jpeg)
    return SampleSet(
        jpegs, [np.array(json.loads(line)).reshape(-1, 4, 2) for line in lines], digest.hexdigest()
    )


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
        self.archive.writestr(zipfile.ZipInfo(f"{len(self.lines):06d}.jpg", _ZIP_DATE), jpeg)
        self.lines.append(json.dumps(quads))

    def __len__(self) -> int:
        """Count the samples so far."""
        return len(self.lines)
