"""Picture files to and from arrays.

Whatever the file holds (grey, palette, transparency, 16 bit, CMYK, EXIF rotation, colours of
another profile), the array is sRGB uint8 (height, width, 3), upright. A file is decoded whole or
refused, never half; damage inside of a JPEG that its decoder bridges is not told by it.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pi_heif
from PIL import ExifTags, Image, ImageCms

from meishi.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF")  # MPO is JPEG's
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".heic", ".heif", ".hif", ".avif"),
    *(".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
)
# Photos, but none that are decoded here: what cameras call raw, and rare formats.
UNREADABLE = (
    *(".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
    *(".nrw", ".rwl", ".x3f", ".gpr", ".3fr", ".iiq", ".jxl", ".jp2"),
)
SRGB_ROUNDING = 3  # of 255: profiles within this of sRGB are sRGB
MIN_SIDE_PX = 16
MAX_PIXELS = 200_000_000

_ENCODERS = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".png": "PNG"}
# What Pillow's decoders raise on damaged input, and libheif where a picture would take too much.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, LookupError, TypeError),
    RuntimeError,
)
# Where Pillow looks for an orientation that EXIF does not tell.
_XMP = ("xmp", "XML:com.adobe.xmp")
# EXIF's orientation, and what turns the stored picture upright; 1 stands for upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(InputError):
    """A file is not a picture that can be used; the message names it and says why."""


def decode(source: bytes | Path, name: str | None = None) -> np.ndarray:
    """Read a picture.

    Args:
        source: the file, or its content.
        name: what messages call it; the path when None.

    Returns:
        sRGB uint8 (height, width, 3), EXIF-upright. Transparency lies over white; 16 bits are
        scaled to 8; colours of a profile other than sRGB, as of iPhones, are converted.

    Raises:
        ImageError: if it cannot be read or decoded in full, a side is under 16 px, or it has
            more than 200 megapixels.
    """
    name = name or (str(source) if isinstance(source, Path) else "image")
    stream = _open(source, name)
    with stream, own_checks():
        try:
            picture = opened(stream)
        except DAMAGE as error:
            raise ImageError(f"{name}: not a picture ({', '.join(FORMATS)})") from error
        _check_size(picture.size, name)
        try:
            picture.load()
            profile = picture.info.get("icc_profile")
            return _to_rgb(_upright(picture), profile)
        except DAMAGE as error:
            raise ImageError(f"{name}: cannot be decoded in full: {error}") from error


def opened(source: BinaryIO | Path) -> Image.Image:
    """Open a picture of one of `FORMATS`, not decoded yet.

    Raises:
        OSError: and what else Pillow raises where it is none.
    """
    # Here and not on import: it enters HEIF into Pillow's list of formats, for the whole process.
    pi_heif.register_heif_opener(thumbnails=False)
    return Image.open(source, formats=FORMATS)


def orientation(picture: Image.Image) -> int:
    """Read the EXIF orientation of an open picture, 1 to 8; 1, upright, where it tells none.

    One that stands in XMP alone does not count: browsers, OpenCV and labelling tools do not see it.
    """
    known = picture.info
    picture.info = {key: value for key, value in known.items() if key not in _XMP}
    try:
        told = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        return 1  # EXIF that cannot be read tells nothing; the picture itself may be sound
    finally:
        picture.info = known
    return told if told in _TURNS else 1


def is_plain(content: bytes) -> bool:
    """Tell whether a sound picture file is 8-bit RGB that any reader shows upright."""
    with own_checks(), opened(io.BytesIO(content)) as picture:
        upright = orientation(picture) == 1
        return picture.mode == "RGB" and upright and picture.format not in ("HEIF", "AVIF")


def encode(image: np.ndarray, suffix: str, quality: int = 92) -> bytes:
    """Write a picture; the same array gives the same bytes.

    Args:
        image: RGB uint8 (height, width, 3).
        suffix: ".jpg", ".webp" (both lossy) or ".png".
        quality: 1 to 100; ".png" does not use it.

    Returns:
        The content of the file.

    Raises:
        ValueError: for another suffix, or an array of another kind.
    """
    if suffix.lower() not in _ENCODERS:
        raise ValueError(f"suffix: expected one of {sorted(_ENCODERS)}, got {suffix!r}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, _ENCODERS[suffix.lower()], quality=quality)
    return stream.getvalue()


def shrink(image: np.ndarray, max_side_px: int) -> np.ndarray:
    """Scale a picture down, anti-aliased, so that its longer side is at most `max_side_px`.

    The frame keeps its extent, so relative coordinates stay as they are. Smaller pictures are
    returned as they are.
    """
    height, width = image.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return image
    size_px = (max(1, round(width * factor)), max(1, round(height * factor)))
    # Bicubic, not Lanczos: its weights need no sin(), whose last bit differs between machines.
    return np.asarray(Image.fromarray(image).resize(size_px, Image.Resampling.BICUBIC))


def _open(source: bytes | Path, name: str) -> io.BytesIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return io.BytesIO(source.read_bytes())
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error.strerror}") from error


@contextmanager
def own_checks() -> Iterator[None]:
    """Leave it to us what is wrong with a picture: lift Pillow's limit, and drop its warnings.

    Its guard against bombs warns at 89 megapixels, which today's phones exceed; ours stands in
    `_check_size`, before anything is decoded. What else it warns of is metadata that it passes by.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _check_size(size_px: tuple[int, int], name: str) -> None:
    width, height = size_px
    if min(size_px) < MIN_SIDE_PX:
        raise ImageError(f"{name}: {width}x{height} px; each side needs {MIN_SIDE_PX} at least")
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise ImageError(f"{name}: {width}x{height} px; more than {limit} megapixels")


def _upright(picture: Image.Image) -> Image.Image:
    # Pillow's `exif_transpose` fails where any tag of the turned picture cannot be written again.
    turn = _TURNS.get(orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _to_rgb(picture: Image.Image, profile: bytes | None) -> np.ndarray:
    if picture.mode.startswith(("I", "F")):
        picture = _to_eight_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode == "P":
        picture = picture.convert("RGB")
    return np.array(_to_srgb(picture, profile).convert("RGB"))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert the colours of a profile; without a usable one they are taken for sRGB's."""
    if not profile:
        return picture
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() != picture.mode:  # "RGB", "CMYK"; "GRAY" stays
            return picture
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(own, srgb, picture.mode, "RGB")
        if picture.mode == "RGB" and _changes_little(transform):
            return picture
        return ImageCms.applyTransform(picture, transform) or picture
    except (ImageCms.PyCMSError, OSError):
        return picture


def _changes_little(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell a profile that is sRGB in all but its rounding, whatever it is called."""
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, len(levels), 3)
    changed = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
    return bool(np.abs(changed.astype(int) - colours).max() <= SRGB_ROUNDING)


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    # Pillow's own conversion clips these modes to 255 instead of scaling them.
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535 or values.dtype.kind == "f":
        raise ValueError(f"{picture.mode} pixels; 16-bit ones are the widest that are read")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
