import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from meishi.pictures import images
from tests import heif

# Left half red, right half blue, the top row of quarters bright: every flip and turn shows.
PICTURE = np.zeros((32, 48, 3), np.uint8)
PICTURE[:, :24] = (200, 0, 0)
PICTURE[:, 24:] = (0, 0, 200)
PICTURE[:8] += 40


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def black_png(width: int, height: int) -> bytes:
    """Write a grey PNG of any size for next to nothing: its rows are never held at once."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + width)
    body = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_decode_inverts_encode(suffix):
    decoded = images.decode(images.encode(PICTURE, suffix, quality=100))
    assert decoded.shape == PICTURE.shape and decoded.dtype == np.uint8
    tolerance = 0 if suffix == ".png" else 12
    # Chroma is halved in both lossy formats, so the seam between the halves is left out.
    difference = np.abs(decoded.astype(int) - PICTURE)
    assert np.delete(difference, range(22, 26), axis=1)[10:].max() <= tolerance


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_encode_gives_the_same_bytes_twice(suffix):
    assert images.encode(PICTURE, suffix) == images.encode(PICTURE, suffix)


@pytest.mark.parametrize(
    ("content", "quarters"), [(heif.UPRIGHT, 0), (heif.TURNED, 3), (heif.TEN_BIT, 0)]
)
def test_heif_is_decoded_upright_and_to_eight_bits(content, quarters):
    decoded = np.rot90(images.decode(content), -quarters)
    difference = np.abs(decoded.astype(int) - PICTURE)
    assert np.delete(difference, range(22, 26), axis=1)[10:].max() <= 12


def test_of_a_photo_with_more_pictures_the_first_is_decoded():
    others = [Image.fromarray(PICTURE[::-1])]
    content = saved(Image.fromarray(PICTURE), "MPO", save_all=True, append_images=others)
    difference = np.abs(images.decode(content).astype(int) - PICTURE)
    assert np.delete(difference, range(22, 26), axis=1)[10:].max() <= 20


def test_avif_is_decoded_upright():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    content = saved(Image.fromarray(PICTURE), "AVIF", quality=95, exif=exif)
    difference = np.abs(np.rot90(images.decode(content), -3).astype(int) - PICTURE)
    assert np.delete(difference, range(22, 26), axis=1)[10:].max() <= 12


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_heif_that_ends_too_early_is_refused(kept):
    with pytest.raises(images.ImageError, match=r"^a\.heic: "):
        images.decode(heif.UPRIGHT[: int(len(heif.UPRIGHT) * kept)], "a.heic")


@settings(max_examples=200)
@given(place=st.integers(0, len(heif.UPRIGHT) - 1), value=st.integers(0, 255))
def test_a_damaged_heif_is_decoded_or_refused(place, value):
    content = bytearray(heif.UPRIGHT)
    content[place] = value
    with suppress(images.ImageError):
        assert images.decode(bytes(content)).shape[2] == 3


def test_pictures_that_not_every_reader_shows_are_not_plain():
    assert images.is_plain(saved(Image.fromarray(PICTURE)))
    assert not images.is_plain(heif.UPRIGHT)
    assert not images.is_plain(saved(Image.fromarray(PICTURE), "AVIF"))


def test_encode_refuses_another_suffix():
    with pytest.raises(ValueError, match=r"'\.heic'"):
        images.encode(PICTURE, ".heic")


def test_encode_refuses_floats():
    with pytest.raises(ValueError, match="float64"):
        images.encode(PICTURE / 255, ".png")


def test_grey_becomes_three_equal_channels():
    decoded = images.decode(saved(Image.fromarray(PICTURE[..., 0])))
    assert (decoded == PICTURE[..., :1]).all()


def test_transparency_lies_over_white():
    alpha = np.full(PICTURE.shape[:2], 255, np.uint8)
    alpha[:, 24:] = 0
    decoded = images.decode(saved(Image.fromarray(np.dstack([PICTURE, alpha]))))
    assert (decoded[:, :24] == PICTURE[:, :24]).all()
    assert (decoded[:, 24:] == 255).all()


def test_a_palette_with_a_transparent_colour_lies_over_white():
    picture = Image.fromarray((PICTURE[..., 0] > 100).astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 10, 20, 30])
    decoded = images.decode(saved(picture, transparency=0))
    assert decoded[20, 40].tolist() == [255, 255, 255]
    assert decoded[20, 5].tolist() == [10, 20, 30]


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 32 * 48).reshape(32, 48).astype(np.uint16)
    decoded = images.decode(saved(Image.fromarray(ramp)))
    assert (decoded[..., 0] == (ramp / 257).round()).all()


def test_cmyk_keeps_its_colours():
    decoded = images.decode(saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=100))
    assert np.abs(decoded[20, 5].astype(int) - PICTURE[20, 5]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_rotation_is_undone(orientation):
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(PICTURE), exif=exif)
    assert (images.decode(content) == undo(PICTURE)).all()
    assert images.is_plain(content) == (orientation == 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("broken", [b"Exif\0\0no TIFF", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"])
def test_exif_that_cannot_be_read_tells_nothing(kind, broken):
    picture = Image.fromarray(PICTURE)
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    plain = saved(picture, kind, **lossless)
    content = saved(picture, kind, exif=broken, **lossless)
    assert (images.decode(content) == images.decode(plain)).all()
    assert images.is_plain(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_upright_whatever_its_other_tags_hold(kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    tags = bytearray(exif.tobytes())
    # A second tag, of a kind that EXIF does not have: the number of tags, then the tag itself.
    start = tags.index(b"MM\0*") + 8
    tags[start + 1] = 2
    tags[start + 14 : start + 14] = struct.pack(">HHII", 0x8769, 77, 1, 0xFFFFFFF0)
    picture = Image.fromarray(PICTURE)
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    turned = images.decode(saved(picture, kind, exif=bytes(tags), **lossless))
    plain = images.decode(saved(picture, kind, **lossless))
    assert (turned == np.rot90(plain, -1)).all()


def test_twelve_by_nine_thousand_pixels_are_read():
    assert images.decode(black_png(12000, 9000)).shape == (9000, 12000, 3)


def test_more_than_200_megapixels_are_refused_before_decoding():
    with pytest.raises(images.ImageError, match=r"big\.png: 20000x10001 px; more than 200"):
        images.decode(black_png(20000, 10001), "big.png")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%PDF-1.7", b"\xff\xd8\xff", b"GIF89a"], ids=repr
)
def test_what_is_no_picture_is_refused_by_name(content):
    with pytest.raises(images.ImageError, match=r"notes\.txt: not a picture"):
        images.decode(content, "notes.txt")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = images.encode(noise, suffix)
    with pytest.raises(images.ImageError, match=r"cut\.\w+: "):
        images.decode(content[: int(len(content) * share)], f"cut{suffix}")


@pytest.mark.parametrize("size_px", [(1, 1), (15, 40), (40, 15)])
def test_a_tiny_picture_is_refused(size_px):
    with pytest.raises(images.ImageError, match=f"dot.png: {size_px[0]}x{size_px[1]} px"):
        images.decode(saved(Image.new("RGB", size_px)), "dot.png")


def test_floating_point_pixels_are_refused():
    content = saved(Image.fromarray(np.ones((20, 20), np.float32)), "TIFF")
    with pytest.raises(images.ImageError, match="F pixels"):
        images.decode(content, "depth.tiff")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(images.ImageError, match=r"nowhere\.jpg: cannot be read: No such file"):
        images.decode(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(images.ImageError, match="cannot be read: Is a directory"):
        images.decode(tmp_path)


def test_shrink_keeps_relative_positions():
    ramp = np.repeat(np.linspace(0, 255, 400)[None, :, None], 100, axis=0).repeat(3, axis=2)
    small = images.shrink(ramp.round().astype(np.uint8), 80)
    assert small.shape == (20, 80, 3)
    expected = (np.arange(80) + 0.5) / 80 * 400 - 0.5  # the pixel of `ramp` at the same x
    assert np.abs(small[10, 2:-2, 0] - expected[2:-2] / 399 * 255).max() <= 1


def test_shrink_leaves_a_small_picture_alone():
    assert images.shrink(PICTURE, 48) is PICTURE


# Display P3's primaries, adapted to D50 as profiles have them (SMPTE EG 432-1; Lindbloom's matrix).
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


@pytest.fixture
def display_p3():
    """Make a profile: sRGB's, with other primaries."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), P3, strict=True):
        entry = content.index(name)
        offset = struct.unpack(">I", content[entry + 4 : entry + 8])[0] + 8
        numbers = (round(value * 65536) for value in primary)
        content[offset : offset + 12] = struct.pack(">3i", *numbers)
    return bytes(content)


ORANGE = np.full((40, 60, 3), (218, 75, 43), np.uint8)  # Display P3's name for (235, 60, 20)


def test_colours_of_another_profile_are_converted(display_p3):
    for kind in ("PNG", "JPEG"):
        content = saved(Image.fromarray(ORANGE), kind, icc_profile=display_p3)
        assert np.abs(np.median(images.decode(content), (0, 1)) - (235, 60, 20)).max() <= 4


def test_of_a_palette_too(display_p3):
    content = saved(Image.fromarray(ORANGE).convert("P"), "PNG", icc_profile=display_p3)
    stored = Image.open(io.BytesIO(content))
    assert stored.mode == "P"
    expected = images.decode(saved(stored.convert("RGB"), "PNG", icc_profile=display_p3))
    assert np.array_equal(images.decode(content), expected)
    assert np.abs(expected[0, 0].astype(int) - ORANGE[0, 0]).max() > 8


def test_under_transparency_too(display_p3):
    picture = Image.fromarray(ORANGE).convert("RGBA")
    content = saved(picture, "PNG", icc_profile=display_p3)
    assert np.abs(images.decode(content)[0, 0].astype(int) - (235, 60, 20)).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("profile", [b"", b"no profile", "srgb"])
def test_other_profiles_change_nothing(mode, profile):
    if profile == "srgb":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(ORANGE).convert(mode)
    plain = images.decode(saved(picture, "TIFF"))
    assert np.array_equal(images.decode(saved(picture, "TIFF", icc_profile=profile)), plain)
