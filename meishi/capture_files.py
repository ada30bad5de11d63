"""`meishi capture`: photos in, rectified cards, overlays and one cards.json out."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from meishi import atomic, images
from meishi.capture import CardCapture
from meishi.errors import InputError
from meishi.geometry.homography import rectify
from meishi.overlay import capture_overlay

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
RESULT = "cards.json"


@dataclass(frozen=True)
class Photo:
    """A photo to capture: the path as given, and a name for its output that no other has."""

    path: Path
    stem: str


def find_photos(given: Iterable[Path]) -> tuple[list[Photo], list[str]]:
    """List the photos in files and folders.

    Args:
        given: files, taken whatever their names; folders, searched through for photos.

    Returns:
        Photos with unique stems, and faults in words.
    """
    paths, faults = [], []
    for path in given:
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()
            )
            if not inside:
                faults.append(
                    f"{path}: no photos in this folder; expected files ending in "
                    f"{' '.join(sorted(SUFFIXES))}"
                )
            paths += inside
        elif path.is_file():
            paths.append(path)
        else:
            faults.append(f"{path}: no such file or folder")
    taken: set[str] = set()
    photos = []
    for path in dict.fromkeys(paths):
        stem, number = path.stem, 2
        while stem in taken:
            stem, number = f"{path.stem}~{number}", number + 1
        taken.add(stem)
        photos.append(Photo(path, stem))
    return photos, faults


def capture_photos(capture: CardCapture, photos: list[Photo], out: Path) -> list[str]:
    """Capture the cards of photos into a folder; bad photos are told, the good ones are done.

    Args:
        capture: the networks.
        photos: see `find_photos`.
        out: folder; made if it is missing.

    Returns:
        Faults in words, one a photo.

    Raises:
        InputError: if the folder cannot be written.
    """
    _check_writable(out)
    rows, faults = [], []
    for photo in tqdm(photos, unit="photo", desc="capture", disable=len(photos) < 2):
        try:
            rows.append(capture_photo(capture, photo, out))
        except InputError as error:
            faults.append(str(error))
    atomic.atomic_write_text(out / RESULT, json.dumps(rows, indent=1) + "\n")
    return faults


def capture_photo(capture: CardCapture, photo: Photo, out: Path) -> dict:
    """Capture one photo: writes its crops and overlay, returns its entry of cards.json."""
    image = images.decode(photo.path, str(photo.path))
    cards = capture(image)
    entries = []
    for number, card in enumerate(cards, start=1):
        name = f"{photo.stem}-{number}.png"
        atomic.atomic_write_bytes(out / name, images.encode(rectify(image, card.quad_px), ".png"))
        entries.append(
            {"score": round(card.score, 4), "quad": card.quad_px.round(2).tolist(), "crop": name}
        )
    overlay = images.encode(capture_overlay(image, cards), ".jpg", 85)
    atomic.atomic_write_bytes(out / f"{photo.stem}-overlay.jpg", overlay)
    return {
        "file": str(photo.path),
        "width": image.shape[1],
        "height": image.shape[0],
        "cards": entries,
    }


def _check_writable(out: Path) -> None:
    """Fail before the work rather than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".meishi-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror}); choose another --out"
        ) from error
