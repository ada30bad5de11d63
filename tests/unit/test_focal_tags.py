"""The focal length by EXIF: of whichever format, and not of crops and zoomed photos."""

import io
import struct

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from meishi.pictures.focal_tags import focal_length
from tests import heif

TAG = ExifTags.Base
WIDE = {TAG.FocalLengthIn35mmFilm: 26}
PLANE = {
    TAG.FocalLength: IFDRational(50),
    TAG.FocalPlaneXResolution: IFDRational(10000, 36),  # pixels a cm: 1000 on 36 mm
    TAG.FocalPlaneResolutionUnit: 3,
    TAG.ExifImageWidth: 1000,
    TAG.ExifImageHeight: 667,
}


def photo(tags, size_px=(400, 300), kind="JPEG", orientation=1):
    exif = Image.Exif()
    exif[TAG.Orientation] = orientation
    exif[ExifTags.IFD.Exif] = tags
    stream = io.BytesIO()
    Image.new("RGB", size_px).save(stream, kind, exif=exif.tobytes())
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_each_format_tells_it(kind):
    assert focal_length(photo(WIDE, kind=kind)) == pytest.approx(26 / 34.61)


def test_photos_of_iphones_tell_it():
    """Of 48x32 px, turned; the EXIF stands at the end of the file, behind its mark."""
    content = bytearray(heif.TURNED)
    place = content.rindex(b"Exif\0\0") - 4
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = WIDE
    content[place + 4 :] = exif.tobytes()
    extent = content.index(struct.pack(">I", place), content.index(b"iloc"))
    struct.pack_into(">I", content, extent + 10, len(content) - place)
    data = content.index(b"mdat") - 4
    struct.pack_into(">I", content, data, len(content) - data)
    assert focal_length(bytes(content)) == pytest.approx(26 / 36)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size_px", [(400, 300), (300, 400)])
def test_a_turn_changes_nothing(orientation, size_px):
    content = photo(WIDE, size_px, orientation=orientation)
    assert focal_length(content) == pytest.approx(26 / 34.61)


@pytest.mark.parametrize(("size_px", "mm"), [((600, 400), 36.0), ((640, 360), 35.3)])
def test_equivalents_go_by_the_diagonal(size_px, mm):
    assert focal_length(photo(WIDE, size_px)) == pytest.approx(26 / mm)


def test_the_sensor_tells_it_where_there_is_no_equivalent():
    assert focal_length(photo(PLANE, (600, 400))) == pytest.approx(50 / 36, rel=1e-3)
    assert focal_length(photo(PLANE | WIDE, (600, 400))) == pytest.approx(26 / 36)


@pytest.mark.parametrize("taken_px", [(4000, 3000), (3000, 4000), (4032, 3024)])
def test_a_photo_that_was_only_scaled_keeps_it(taken_px):
    tags = WIDE | dict(zip((TAG.ExifImageWidth, TAG.ExifImageHeight), taken_px, strict=True))
    assert focal_length(photo(tags)) == pytest.approx(26 / 34.61)


@pytest.mark.parametrize(
    ("tags", "size_px"),
    [
        ({}, (400, 300)),
        ({TAG.FocalLengthIn35mmFilm: 0}, (400, 300)),
        ({TAG.FocalLengthIn35mmFilm: 5}, (400, 300)),
        ({TAG.FocalLength: IFDRational(4)}, (400, 300)),
        (WIDE | {TAG.DigitalZoomRatio: IFDRational(2)}, (400, 300)),
        (WIDE | {TAG.ExifImageWidth: 4000, TAG.ExifImageHeight: 2000}, (400, 300)),
        (WIDE, (400, 350)),
        (WIDE, (400, 400)),
        (WIDE, (2000, 300)),
        (PLANE | {TAG.FocalPlaneXResolution: IFDRational(0, 0)}, (600, 400)),
        (PLANE | {TAG.FocalPlaneResolutionUnit: 9}, (600, 400)),
    ],
)
def test_what_is_unknown_zoomed_or_cropped_tells_nothing(tags, size_px):
    assert focal_length(photo(tags, size_px)) is None


def test_no_zoom_is_no_zoom():
    assert focal_length(photo(WIDE | {TAG.DigitalZoomRatio: IFDRational(1)})) is not None


def test_broken_exif_tells_nothing():
    content = bytearray(photo(WIDE))
    place = content.index(b"Exif\0\0") + 6
    content[place + 4 : place + 8] = struct.pack("<I", 0xFFFFFF00)  # where its tags begin
    assert focal_length(bytes(content)) is None
