"""A photo to capture, read: its picture, and what its file tells beside it."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import TiffImagePlugin

from meishi.pictures import focal_tags, images, jpeg_damage

REDUCED = 1  # bit of a TIFF page's NewSubfileType: another page, smaller
NEW_SUBFILE_TYPE = 254


@dataclass(frozen=True, eq=False)
class Picture:
    """What a photo's file holds.

    Attributes:
        image: (H, W, 3) RGB uint8, upright.
        focal: focal length, relative to the longer side; None where EXIF does not tell it.
        faults: what is not, or not rightly, in the image.
    """

    image: np.ndarray
    focal: float | None
    faults: tuple[str, ...]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.shape[1], self.image.shape[0]


def read(file: str) -> Picture:
    """Read a photo.

    Raises:
        images.ImageError: see `images.decode`.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise images.ImageError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        image = images.decode(content, file)
    except images.ImageError as error:
        if Path(file).suffix.lower() in images.UNREADABLE:
            raise images.ImageError(unreadable(file)) from error
        raise
    return Picture(image, focal_tags.focal_length(content), tuple(_faults(content)))


def unreadable(file: str) -> str:
    """Say of a photo that its kind is not decoded here, and what to do."""
    kind = Path(file).suffix
    return f"{file}: {kind} is not read; convert it to JPEG, or let the phone save JPEG"


def _faults(content: bytes) -> list[str]:
    faults = []
    if told := jpeg_damage.damage(content):
        faults.append(
            f"the file is damaged: a part of the picture is missing or wrong; get it anew ({told})"
        )
    try:
        pages = _pages(content)
    except images.DAMAGE as error:
        faults.append(f"only the first picture in this file; what follows cannot be read: {error}")
    else:
        if pages > 1:
            more = f"only the first of the {pages} pictures in this file"
            faults.append(f"{more}; save each as a file of its own")
    return faults


def _pages(content: bytes) -> int:
    """Count the pages or animated frames; a phone's JPEG has but one, whatever it brings along."""
    with images.own_checks(), images.opened(io.BytesIO(content)) as file:
        frames = getattr(file, "n_frames", 1)
        if not isinstance(file, TiffImagePlugin.TiffImageFile):
            return 1 if file.format in ("JPEG", "MPO") else frames
        pages = 0
        for number in range(frames):
            file.seek(number)
            pages += not file.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED
        return pages
