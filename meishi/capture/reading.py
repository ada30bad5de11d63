"""A photo to capture, read: its picture, and what its file tells beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meishi.pictures import focal_tags, images, jpeg_damage


@dataclass(frozen=True, eq=False)
class Picture:
    """What a photo's file holds.

    Attributes:
        image: (H, W, 3) RGB uint8, upright.
        focal: focal length, relative to the longer side; None where EXIF does not tell it.
        damage: of the file, which was bridged: a part of the picture is missing or wrong; None
            where none is known.
    """

    image: np.ndarray
    focal: float | None
    damage: str | None

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
    return Picture(image, focal_tags.focal_length(content), jpeg_damage.damage(content))


def unreadable(file: str) -> str:
    """Say of a photo that its kind is not decoded here, and what to do."""
    kind = Path(file).suffix
    return f"{file}: {kind} is not read; convert it to JPEG, or let the phone save JPEG"
