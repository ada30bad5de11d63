"""JPEGs that decode although something is missing inside."""

import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from meishi.pictures import images
from meishi.pictures.jpeg_damage import damage

END = b"\xff\xd9"
NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
PICTURE = Image.fromarray(cv2.GaussianBlur(NOISE, (0, 0), 2))


def jpeg(progressive=False, mode="RGB", **options):
    stream = io.BytesIO()
    PICTURE.convert(mode).save(stream, "JPEG", quality=90, progressive=progressive, **options)
    return stream.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_what_was_cut_and_mended_is_told(progressive, share):
    content = jpeg(progressive)
    cut = content[: int(len(content) * share)] + END
    assert images.decode(cut).shape == (300, 400, 3)  # nothing is told by this
    assert "premature end of data segment" in damage(cut)


@pytest.mark.parametrize("fill", [0, 1500])
def test_a_hole_in_the_middle_is_told(fill):
    content = jpeg()
    place = len(content) // 2
    holed = content[:place] + bytes(fill) + content[place + 1500 :]
    images.decode(holed)
    assert damage(holed)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("after", [b"", bytes(64), b"a video that a phone adds" * 50])
def test_a_sound_one_is_sound_whatever_follows_its_end(mode, after):
    assert damage(jpeg(mode=mode) + after) is None
    assert damage(jpeg(True, mode, restart_marker_rows=1) + after) is None


@pytest.mark.parametrize("left", [b"\x01\x02\x03", bytes(200), b"\x00" * 3 + b"\x01" * 5])
def test_what_cameras_leave_before_the_end_is_no_damage(left):
    assert damage(jpeg()[:-2] + left + END) is None


@pytest.mark.parametrize("count", [8, 30, 100])
def test_what_a_fault_has_pushed_out_is_told(count):
    assert "extraneous bytes" in damage(jpeg()[:-2] + b"\x01\x02\x03" * count + END)


@pytest.mark.parametrize("place", [0.3, 0.4, 0.5])
def test_bytes_that_were_overwritten_are_told(place):
    content = jpeg()
    start = int(len(content) * place)
    spoilt = content[:start] + bytes(range(10, 50)) + content[start + 40 :]
    images.decode(spoilt)
    assert damage(spoilt)


def test_other_formats_are_not_judged():
    assert damage(images.encode(NOISE, ".png")[:500]) is None
    assert damage(b"") is None


def test_nothing_is_written_to_the_screen_but_what_others_say(capfd, monkeypatch):
    decode = cv2.imdecode

    def noted(*given):
        os.write(2, b"of somebody else\n")
        return decode(*given)

    monkeypatch.setattr(cv2, "imdecode", noted)
    content = jpeg()
    assert damage(content[: len(content) // 2] + END)
    assert capfd.readouterr().err.strip() == "of somebody else"
