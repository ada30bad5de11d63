"""Exports of other tools, drawn on the spot: one photo with one card."""

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from meishi.data.importers.importing import import_scenes
from meishi.data.importers.labelled import Tally
from meishi.geometry import quads

SIZE_PX = (160, 120)
# Pixel centres at integers; canonical.
QUAD_PX = np.array([[40.0, 30.0], [120.0, 35.0], [115.0, 85.0], [38.0, 80.0]])
EDGES_PX = QUAD_PX + 0.5  # the same corners, counted from pixel edges
SHARES = quads.to_relative(QUAD_PX, SIZE_PX)


def picture(size_px=SIZE_PX, seed: int = 0, turn: int = 1, suffix: str = "JPEG") -> bytes:
    """Draw a photo; `turn` is its EXIF orientation."""
    rng = np.random.default_rng(seed)
    image = rng.integers(30, 90, (size_px[1], size_px[0], 3), dtype=np.uint8)
    cv2.fillConvexPoly(image, QUAD_PX.round().astype(np.int32), (240, 240, 235))
    exif = Image.Exif()
    exif[0x0112] = turn
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, suffix, exif=exif)
    return stream.getvalue()


def write(folder: Path, files: dict) -> Path:
    """Write files by relative name: bytes, text, or what becomes JSON."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def write_zip(file: Path, files: dict) -> Path:
    """Write a zip of the same."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes | str) else json.dumps(content)
            archive.writestr(name, data)
    return file


def scenes(path: Path, kind: str, labels=(), tally: Tally | None = None) -> list:
    """Import an export that must be sound."""
    faults: list[str] = []
    found = [record for record, _ in import_scenes(path, kind, labels, "src", faults, tally)]
    assert faults == []
    return found


def card_px(path: Path, kind: str, labels=(), number: int = 0) -> np.ndarray:
    """Import an export of one photo; the quad of a card in pixels."""
    (record,) = scenes(path, kind, labels)
    return quads.to_px(record.cards[number].quad, record.size_px)


def refusal(path: Path, kind: str, labels=()) -> str:
    """Import an export that must be refused; all faults, a line each."""
    faults: list[str] = []
    list(import_scenes(path, kind, labels, "src", faults))
    assert faults
    return "\n".join(faults)
