"""What a photo's EXIF tells of the focal length that it was taken with.

In units of the photo's longer side, as `geometry.homography` has them. Only where it is that of the
picture as it stands: of one that was zoomed digitally or cropped, the tags tell another one.
"""

import io
import math

from PIL import ExifTags

from meishi.pictures import images

# Proportions of the pictures that cameras take, and how wide the longer side of each is on 35 mm
# film. Equivalents go by the diagonal (CIPA DCG-001): 43.27 mm. Phones and cameras cut 16:9 out of
# 4:3 or 3:2, whose whole width it has: the mean of both. Other proportions are crops or panoramas.
FILM_MM = {4 / 3: 34.61, 3 / 2: 36.0, 16 / 9: 35.3}
SAME_SHAPE = 0.01  # proportions within this share are one: sides are rounded to blocks
MAX_ZOOM = 1.01  # digital, from which on nobody knows whether the equivalent has it in
PLAUSIBLE = (0.3, 12.0)  # from a phone's widest lens to 400 mm; beyond, the tags are in error
UNITS_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # FocalPlaneResolutionUnit


def focal_length(content: bytes) -> float | None:
    """Read the focal length of a photo.

    Args:
        content: a picture file that `images.decode` takes.

    Returns:
        Relative to the longer side of the photo; None where EXIF does not tell it.
    """
    try:
        with images.own_checks(), images.opened(io.BytesIO(content)) as picture:
            exif = picture.getexif()
            tags, size_px = exif.get_ifd(ExifTags.IFD.Exif), picture.size
    except images.DAMAGE:
        return None  # EXIF that cannot be read tells nothing; the picture itself may be sound
    return _of_tags(tags, size_px)


def _of_tags(tags: dict, size_px: tuple[int, int]) -> float | None:
    shape = max(size_px) / min(size_px)
    film_mm = next((mm for known, mm in FILM_MM.items() if _alike(shape, known)), None)
    taken_px = [
        _number(tags, tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
    ]
    stated = min(taken_px) > 0
    if stated and not _alike(max(taken_px) / min(taken_px), shape):
        return None  # cropped since; one that was only scaled has the same focal length
    if film_mm is None or _number(tags, ExifTags.Base.DigitalZoomRatio) > MAX_ZOOM:
        return None
    focal = _number(tags, ExifTags.Base.FocalLengthIn35mmFilm) / film_mm
    if not focal and stated:
        unit_mm = UNITS_MM.get(int(_number(tags, ExifTags.Base.FocalPlaneResolutionUnit)) or 2, 0)
        pixels = _number(tags, ExifTags.Base.FocalPlaneXResolution)  # in a unit of the sensor
        sensor_mm = max(taken_px) / pixels * unit_mm if pixels > 0 else 0.0
        focal = _number(tags, ExifTags.Base.FocalLength) / sensor_mm if sensor_mm else 0.0
    return focal if PLAUSIBLE[0] <= focal <= PLAUSIBLE[1] else None


def _alike(one: float, other: float) -> bool:
    return abs(one / other - 1) <= SAME_SHAPE


def _number(tags: dict, tag: int) -> float:
    """Return a tag as a number; 0, with which EXIF says "unknown", where it is none."""
    try:
        number = float(tags.get(tag, 0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
