"""`meishi capture`: photos in, rectified cards, overlays and one cards.json out."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from meishi import atomic, images
from meishi.capture import CapturedCard, CardCapture
from meishi.errors import InputError, summary
from meishi.geometry.homography import rectify
from meishi.overlay import capture_overlay
from meishi.writable import check_writable

RESULT = "cards.json"
UNREADABLE = {".heic", ".heif", ".avif", ".dng", ".raw"}  # photos, but none that we can decode
MAX_STEM_BYTES = 180  # file names end at 255 bytes, and ours add a number and a suffix


class CaptureError(InputError):
    """Some photos were not captured; all others are done. The message lists every fault."""


@dataclass(frozen=True)
class Photo:
    """A photo to capture: the path as given, and a stem for its outputs that no other has."""

    given: str
    stem: str


def find_photos(given: Sequence[str], out: Path) -> tuple[list[Photo], list[str]]:
    """List the photos in files and folders.

    Args:
        given: files, taken whatever their names; folders, searched through for photos.
        out: where the outputs will go; what lies in it is not searched.

    Returns:
        Photos with unique stems, and faults in words.
    """
    files: list[str] = []
    faults: list[str] = []
    for path in given:
        if os.path.isdir(path):
            inside = _search(Path(path), out)
            files += [str(file) for file in inside if file.suffix.lower() not in UNREADABLE]
            faults += [_unreadable(file) for file in inside if file.suffix.lower() in UNREADABLE]
            if not inside:
                endings = " ".join(images.SUFFIXES)
                faults.append(f"{path}: no photos in this folder; expected files in {endings}")
        elif os.path.isfile(path):
            files.append(path)
        else:
            faults.append(f"{path}: no such file or folder")
    unique = {os.path.realpath(file): file for file in reversed(files)}
    return _named(reversed(unique.values())), faults


def _search(folder: Path, out: Path) -> list[Path]:
    wanted = {*images.SUFFIXES, *UNREADABLE}
    files = (path for path in folder.rglob("*") if path.suffix.lower() in wanted)
    outputs = out.resolve()
    return sorted(f for f in files if f.is_file() and outputs not in f.resolve().parents)


def _unreadable(file: Path) -> str:
    return f"{file}: {file.suffix} is not read; convert it to JPEG, or let the phone save JPEG"


def _named(files) -> list[Photo]:
    taken: set[str] = set()
    photos = []
    for file in files:
        base = Path(file).stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore")
        stem, number = base, 2
        while stem in taken:
            stem, number = f"{base}~{number}", number + 1
        taken.add(stem)
        photos.append(Photo(file, stem))
    return photos


def capture_photos(
    capture: CardCapture, photos: list[Photo], out: Path, faults: Sequence[str] = ()
) -> None:
    """Capture the cards of photos into a folder.

    Args:
        capture: the networks.
        photos: see `find_photos`.
        out: folder; made if it is missing. Crops of an earlier run that are no longer true go.
        faults: of `find_photos`, told together with those met here.

    Raises:
        CaptureError: at the end, if there was any fault; the good photos are done then.
        InputError: if the folder cannot be written, before anything is.
    """
    check_writable(out / RESULT)
    inputs = {os.path.realpath(photo.given) for photo in photos}
    rows, found = [], list(faults)
    for photo in tqdm(photos, unit="photo", desc="capture", disable=len(photos) < 2):
        try:
            rows.append(capture_photo(capture, photo, out, inputs))
        except InputError as error:
            found.append(str(error))
        except OSError as error:
            found.append(f"{photo.given}: cannot be written: {error.filename}: {error.strerror}")
    stale = _listed_crops(out) - {card["crop"] for row in rows for card in row["cards"]}
    atomic.atomic_write_text(out / RESULT, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    for name in stale:
        (out / name).unlink(missing_ok=True)
    if found:
        raise CaptureError(summary(found))


def capture_photo(capture: CardCapture, photo: Photo, out: Path, inputs: set[str]) -> dict:
    """Capture one photo: writes its crops and overlay, returns its entry of cards.json.

    Raises:
        InputError: if the photo cannot be used, or an output would replace one of the `inputs`.
        OSError: if an output cannot be written.
    """
    image = images.decode(Path(photo.given), photo.given)
    cards = capture(image)
    names = [f"{photo.stem}-{number}.png" for number in range(1, len(cards) + 1)]
    overlay = f"{photo.stem}-overlay.jpg"
    for name in (*names, overlay):
        if os.path.realpath(out / name) in inputs:
            raise InputError(f"{photo.given}: {out / name} is a photo; choose another --out")
    for name, card in zip(names, cards, strict=True):
        crop = images.encode(rectify(image, card.quad_px), ".png")
        atomic.atomic_write_bytes(out / name, crop)
    drawn = images.encode(capture_overlay(image, cards), ".jpg", 85)
    atomic.atomic_write_bytes(out / overlay, drawn)
    entries = [_entry(card, name) for card, name in zip(cards, names, strict=True)]
    size = {"width": image.shape[1], "height": image.shape[0]}
    return {"file": photo.given, **size, "cards": entries}


def _entry(card: CapturedCard, crop: str) -> dict:
    sure = card.direction_confidence
    return {
        "score": round(card.confidence, 4),
        "quad": card.quad_px.round(2).tolist(),
        "direction": card.direction_deg,
        "direction_confidence": None if sure is None else round(sure, 4),
        "crop": crop,
    }


def _listed_crops(out: Path) -> set[str]:
    """Name the crops that an earlier run listed; none if there is no sound list."""
    try:
        rows = json.loads((out / RESULT).read_text(encoding="utf-8"))
        names = {card["crop"] for row in rows for card in row["cards"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in names if isinstance(name, str) and name == Path(name).name}
