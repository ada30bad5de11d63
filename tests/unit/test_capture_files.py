"""`meishi capture` with stand-in networks: files, names, faults."""

import json
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from meishi.capture import CardCapture
from meishi.capture_files import capture_photos, find_photos
from meishi.errors import InputError
from meishi.params import CaptureParams

PARAMS = CaptureParams(
    score_threshold=0.5, iou_threshold=0.45, max_cards=4, agreement_threshold=0.85
)


def bright_box(frame):
    """Stand in for a detector: one box around what is bright."""
    ys, xs = np.nonzero(frame[..., 0] > 150)
    if len(xs) == 0:
        return {"coordinates": np.zeros((1, 4)), "confidence": np.zeros((1, 1))}
    low, high = np.array([xs.min(), ys.min()]) / 64, np.array([xs.max() + 1, ys.max() + 1]) / 64
    row = np.concatenate([(low + high) / 2, high - low])
    return {"coordinates": row[None], "confidence": np.array([[0.9]])}


def bright_mask(crop):
    """Stand in for a segmenter: what is brighter than the padding."""
    small = cv2.resize(crop[..., 0], (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    return {"mask": np.clip((small - 140) / 100, 0, 1)[..., None]}


@pytest.fixture
def capture():
    return CardCapture(bright_box, bright_mask, 64, 96, 0.2, PARAMS)


@pytest.fixture
def photo(tmp_path):
    """A white card of 200x120 pixels on black."""
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[90:210, 100:300] = 255
    path = tmp_path / "photos" / "card.png"
    path.parent.mkdir()
    Image.fromarray(picture).save(path)
    return path


def test_the_result_has_the_documented_form(capture, photo, tmp_path):
    photos, faults = find_photos([photo])
    assert faults == []
    assert capture_photos(capture, photos, tmp_path / "out") == []
    (row,) = json.loads((tmp_path / "out" / "cards.json").read_text())
    assert (row["file"], row["width"], row["height"]) == (str(photo), 400, 300)
    (card,) = row["cards"]
    assert set(card) == {"score", "quad", "crop"}
    # Pixel centres at integers: the card's edges lie at 99.5, 89.5, 299.5, 209.5.
    expected = [[99.5, 89.5], [299.5, 89.5], [299.5, 209.5], [99.5, 209.5]]
    np.testing.assert_allclose(card["quad"], expected, atol=2.5)


def test_the_crop_has_the_cards_proportion(capture, photo, tmp_path):
    capture_photos(capture, find_photos([photo])[0], tmp_path / "out")
    width, height = Image.open(tmp_path / "out" / "card-1.png").size
    assert width / height == pytest.approx(200 / 120, rel=0.04)


def test_an_overlay_is_drawn_for_each_photo(capture, photo, tmp_path):
    capture_photos(capture, find_photos([photo])[0], tmp_path / "out")
    assert Image.open(tmp_path / "out" / "card-overlay.jpg").size == (400, 300)


def test_a_photo_without_cards_has_an_empty_list(capture, tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "desk.png")
    capture_photos(capture, find_photos([tmp_path / "desk.png"])[0], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "cards.json").read_text())[0]["cards"] == []


def test_bad_photos_are_told_and_the_good_ones_done(capture, photo, tmp_path):
    bad = photo.parent / "broken.jpg"
    bad.write_bytes(b"no picture at all")
    faults = capture_photos(capture, find_photos([photo.parent])[0], tmp_path / "out")
    assert len(faults) == 1
    assert str(bad) in faults[0]
    assert [r["file"] for r in json.loads((tmp_path / "out" / "cards.json").read_text())] == [
        str(photo)
    ]


def test_a_folder_is_searched_through_in_order(photo):
    inner = photo.parent / "inner"
    inner.mkdir()
    Image.new("RGB", (50, 50)).save(inner / "a.JPG", "JPEG")
    (photo.parent / "notes.txt").write_text("no photo")
    photos, faults = find_photos([photo.parent])
    assert [p.path.name for p in photos] == ["card.png", "a.JPG"]
    assert faults == []


def test_photos_of_one_name_get_different_outputs(photo):
    twin = photo.parent / "inner" / "card.png"
    twin.parent.mkdir()
    Image.new("RGB", (50, 50)).save(twin)
    assert [p.stem for p in find_photos([photo.parent])[0]] == ["card", "card~2"]


def test_a_photo_given_twice_is_done_once(photo):
    assert len(find_photos([photo, photo.parent])[0]) == 1


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    _, faults = find_photos([empty, tmp_path / "missing.jpg"])
    assert "no photos in this folder" in faults[0]
    assert str(empty) in faults[0]
    assert "missing.jpg: no such file" in faults[1]


def test_an_output_that_is_a_file_is_refused(capture, photo, tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        capture_photos(capture, find_photos([photo])[0], tmp_path / "out")


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may write anywhere; the file case above covers it"
)
def test_an_output_without_write_permission_is_refused(capture, photo, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written"):
        capture_photos(capture, find_photos([photo])[0], tmp_path / "out")
