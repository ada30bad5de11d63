"""`meishi capture`: photos in, rectified cards, overlays and one cards.json out."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from meishi.capture import reading
from meishi.capture.card import CapturedCard
from meishi.capture.flow import CardCapture
from meishi.capture.ledger import LEDGER
from meishi.capture.listing import RESULT, Listing
from meishi.capture.naming import Photo, identity, named, printable
from meishi.capture.outputs import OutputFolder
from meishi.errors import InputError, summary
from meishi.files.writable import check_writable
from meishi.geometry.focal_lengths import likely_aspect
from meishi.geometry.homography import rectify
from meishi.pictures import images
from meishi.pictures.overlay import capture_overlay
from meishi.wording import counted

HIDDEN = "."  # begins the names of what systems keep beside files, and of half-written files

_NO_FILE = "neither a file nor a folder"


class CaptureError(InputError):
    """Some photos were not captured, or not all of them; all others are. It lists every fault."""


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
        if not path:
            faults.append("an empty path; expected a photo or a folder of photos")
        elif os.path.isdir(path):
            before = len(faults)
            inside = _search(Path(path), out, faults)
            files += [str(file) for file in inside if file.suffix.lower() not in images.UNREADABLE]
            faults += [
                reading.unreadable(str(file))
                for file in inside
                if file.suffix.lower() in images.UNREADABLE
            ]
            if not inside and len(faults) == before:
                endings = " ".join(images.SUFFIXES)
                faults.append(f"{path}: no photos in this folder; expected files in {endings}")
        elif fault := _why_no_file(path):
            faults.append(fault)
        else:
            files.append(path)
    unique = {os.path.realpath(file): file for file in reversed(files)}
    return named(reversed(unique.values()), _open(out).stems()), faults


def _why_no_file(path: str) -> str | None:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{path}: no such file or folder"
    except (OSError, ValueError) as error:
        return f"{path}: cannot be read: {getattr(error, 'strerror', error)}"
    return None if os.path.isfile(path) else f"{path}: {_NO_FILE}"


def _search(folder: Path, out: Path, faults: list[str]) -> list[Path]:
    wanted = {*images.SUFFIXES, *images.UNREADABLE}
    files = [path for path in _walk(folder, faults) if path.suffix.lower() in wanted]
    lost = [file for file in files if file.is_symlink() and not os.path.exists(file)]
    faults += [f"{file}: a link to {os.readlink(file)}, which cannot be reached" for file in lost]
    files = [file for file in files if file not in lost]
    outputs = out.resolve()
    if not folder.resolve().is_relative_to(outputs):
        files = [file for file in files if outputs not in file.resolve().parents]
    # Photos may lie among outputs, of this folder or of earlier ones: leave out what we wrote.
    places = {file.parent for file in files}
    written = {
        place for place in places if (place / LEDGER).is_file() or place.resolve() == outputs
    }
    own = {output for place in written for output in _open(place).files()}
    faults += [f"{file}: {_NO_FILE}" for file in files if not file.is_file()]
    return sorted(file for file in files if file.is_file() and file.resolve() not in own)


def _walk(folder: Path, faults: list[str]) -> Iterator[Path]:
    """List the files of a folder, links to folders followed; a fault for each unreadable one."""

    def note(error: OSError) -> None:
        faults.append(f"{error.filename}: cannot be read: {error.strerror}")

    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=note, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        # Hidden ones hold thumbnails and what was deleted; of a folder and a link to it the first
        # gives the paths.
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        yield from (Path(place, name) for name in names if not name.startswith(HIDDEN))


def capture_photos(
    capture: CardCapture, photos: list[Photo], out: Path, faults: Sequence[str] = ()
) -> str:
    """Capture the cards of photos into a folder.

    Args:
        capture: the networks.
        photos: see `find_photos`.
        out: folder; made if it is missing. cards.json lists the photos of this run. Of an earlier
            one, what these photos no longer show goes; what others showed stays.
        faults: of `find_photos`, told together with those met here.

    Returns:
        What was done, in words.

    Raises:
        CaptureError: at the end, if there was any fault; the good photos are done then.
        InputError: if the folder cannot be written, before anything is.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; expected a folder")
    check_writable(out / RESULT)
    Listing(out).check()
    found = list(faults)
    rows = _capture_all(capture, photos, out, found)
    if found:
        raise CaptureError(f"{summary(found)}\n{out}: {counted(len(rows), 'photo')} done")
    cards, without = sum(len(row["cards"]) for row in rows), sum(not row["cards"] for row in rows)
    told = f"{out}: {counted(len(rows), 'photo')}, {counted(cards, 'card')}"
    return f"{told}; {counted(without, 'photo')} without a card" if without else told


def _capture_all(
    capture: CardCapture, photos: list[Photo], out: Path, faults: list[str]
) -> list[dict]:
    """Capture photos; adds to the faults. However it ends, cards.json tells of the crops there."""
    outputs, listing = _open(out), Listing(out)
    inputs = {identity(photo.given) for photo in photos}
    rows: list[dict] = []
    done: list[str] = []
    touched: set[str] = set()
    try:
        for photo in tqdm(photos, unit="photo", desc="capture", disable=len(photos) < 2):
            try:
                row, files, notes = capture_photo(capture, photo, out, inputs)
                outputs.check(photo.given, files)
                if not touched:  # even a run that is killed leaves no list that is false
                    listing.strike_out(inputs, outputs.names(inputs))
                touched.add(identity(photo.given))
                outputs.write(photo.given, files)
                rows.append(row)
                done.append(photo.given)
                faults += notes
            except InputError as error:
                faults.append(str(error))
            except OSError as error:
                where = f"{error.filename}: {error.strerror}"
                faults.append(f"{photo.given}: cannot be written: {where}")
    except BaseException:  # Ctrl-C, or a fault of ours: the crops of some photos are new by now
        listing.break_off(rows, touched, outputs.names(touched))
        outputs.tidy(done)
        raise
    if rows:
        listing.replace(rows)
        outputs.tidy(done)
    else:
        listing.break_off(rows, touched, outputs.names(touched))
    return rows


def capture_photo(
    capture: CardCapture, photo: Photo, out: Path, inputs: set[str]
) -> tuple[dict, dict[str, bytes], list[str]]:
    """Capture one photo.

    Args:
        capture: the networks.
        photo: to capture.
        out: folder that the outputs are for.
        inputs: photos, as `naming.identity` has them, that no output may replace.

    Returns:
        Its entry of cards.json; its crops and overlay, contents by name; `reading.Picture.faults`.

    Raises:
        InputError: if the photo cannot be used, or an output would replace one of the `inputs`.
    """
    picture = reading.read(photo.given)
    cards = capture(picture.image)
    names = [f"{photo.stem}-{number}.png" for number in range(1, len(cards) + 1)]
    for name in (*names, _overlay(photo)):
        if identity(str(out / name)) in inputs:
            raise InputError(f"{photo.given}: {out / name} is a photo; choose another --out")
    files = dict(zip(names, (_flat(picture, card) for card in cards), strict=True))
    files[_overlay(photo)] = images.encode(capture_overlay(picture.image, cards), ".jpg", 85)
    entries = [_entry(card, name) for card, name in zip(cards, names, strict=True)]
    seen = dict(zip(("width", "height"), picture.size_px, strict=True))
    focal = None if picture.focal is None else round(picture.focal, 4)
    row = {"file": printable(photo.given), **seen, "focal_length": focal, "cards": entries}
    return row, files, [f"{photo.given}: done, but {fault}" for fault in picture.faults]


def _flat(picture: reading.Picture, card: CapturedCard) -> bytes:
    ratio = likely_aspect(card.quad_px, picture.size_px, picture.focal)
    return images.encode(rectify(picture.image, card.quad_px, ratio=ratio), ".png")


def _entry(card: CapturedCard, crop: str) -> dict:
    sure = card.direction_confidence
    return {
        "score": round(card.confidence, 4),
        "quad": card.quad_px.round(2).tolist(),
        "direction": card.direction_deg,
        "direction_confidence": None if sure is None else round(sure, 4),
        "crop": crop,
    }


def _overlay(photo: Photo) -> str:
    return f"{photo.stem}-overlay.jpg"


def _open(out: Path) -> OutputFolder:
    """Open the folder of outputs; without a list of its own, what cards.json tells is ours."""
    listed = Listing(out).crops
    crops = [(file, name) for file, names in listed.items() for name in names]
    # Their names are a guess: of no photo, so that none is ever removed.
    overlays = [("", _overlay(photo)) for photo in named(listed, {})]
    return OutputFolder(out, [*crops, *overlays])
