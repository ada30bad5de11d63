"""What a photo's file tells beside its picture, and what is said of one that is not read."""

import numpy as np
import pytest
from PIL import Image

from meishi.capture.reading import read
from meishi.pictures.images import ImageError
from tests import heif

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
OTHER = PICTURE.rotate(180)


def saved(path, kind, **options):
    PICTURE.save(path, kind, **options)
    return str(path)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG", "AVIF"])
def test_pictures_beyond_the_first_are_told(tmp_path, kind):
    file = saved(tmp_path / "x", kind, save_all=True, append_images=[OTHER, PICTURE])
    assert read(file).image.shape == (40, 60, 3)
    assert ["only the first of the 3 pictures" in fault for fault in read(file).faults] == [True]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "GIF", "WEBP", "PNG", "BMP", "AVIF"])
def test_a_file_of_one_picture_has_no_fault(tmp_path, kind):
    assert read(saved(tmp_path / "x", kind)).faults == ()


def test_what_a_phone_keeps_beside_a_picture_is_no_fault(tmp_path):
    small = PICTURE.resize((20, 16))
    file = saved(tmp_path / "x.mpo", "MPO", save_all=True, append_images=[small])
    assert read(file).faults == ()


def test_a_smaller_copy_in_a_tiff_is_no_page(tmp_path):
    small = PICTURE.resize((20, 16))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    file = saved(tmp_path / "x.tif", "TIFF", save_all=True, append_images=[small])
    assert Image.open(file).n_frames == 2
    assert read(file).faults == ()


@pytest.mark.parametrize("kept", [-1, -40, -400])
def test_pages_that_are_cut_off_are_told(tmp_path, kept):
    file = tmp_path / "x.tif"
    saved(file, "TIFF", save_all=True, append_images=[OTHER])
    file.write_bytes(file.read_bytes()[:kept])
    assert read(str(file)).image.shape == (40, 60, 3)
    assert len(read(str(file)).faults) == 1


def test_photos_of_iphones_have_no_fault(tmp_path):
    (tmp_path / "IMG_1.jpg").write_bytes(heif.TURNED)  # whatever the file is called
    assert read(str(tmp_path / "IMG_1.jpg")).faults == ()


@pytest.mark.parametrize("suffix", [".jxl", ".DNG", ".nrw"])
def test_a_kind_that_is_not_read_is_named(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"II*" + bytes(100))
    with pytest.raises(ImageError, match=rf"a{suffix}: \{suffix} is not read; convert it to JPEG"):
        read(str(tmp_path / f"a{suffix}"))


def test_a_picture_that_libheif_gives_up_is_named(tmp_path, monkeypatch):
    def beyond_limits(_picture):
        raise RuntimeError("Memory allocation error: Security limit exceeded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", beyond_limits)
    (tmp_path / "a.heic").write_bytes(heif.TURNED)
    with pytest.raises(ImageError, match=r"a\.heic: cannot be decoded in full: .*Security limit"):
        read(str(tmp_path / "a.heic"))


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: cannot be read: No such file"):
        read(str(tmp_path / "gone.jpg"))
