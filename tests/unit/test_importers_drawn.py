"""Exports whose drawing, packing or notes say more than their labels: what is read of them."""

import base64
import io
import tarfile
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from meishi.data.importers.labelled import Tally
from meishi.data.importers.yolo import EMPTY_TEXT
from meishi.pictures import images
from tests.exports import (
    EDGES_PX,
    QUAD_PX,
    SHARES,
    SIZE_PX,
    card_px,
    picture,
    refusal,
    scenes,
    write,
    write_zip,
)

LARGE_PX = (640, 480)
LARGE = np.array([[100.5, 80.5], [500.5, 95.5], [480.5, 380.5], [110.5, 360.5]])
POSE = np.hstack([SHARES, np.full((4, 1), 2.0)])
ROW = " ".join(
    f"{value:.6f}"
    for value in (
        *(SHARES.min(axis=0) + SHARES.max(axis=0)) / 2,
        *np.ptp(SHARES, axis=0),
        *POSE.ravel(),
    )
)


def coco(points, **of_card):
    card = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [np.ravel(points).tolist()]}
    return {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "card"}],
        "annotations": [card | of_card],
    }


def clicked(corners, clicks, rng, sigma):
    """Go round a card by its corners and so many clicks a side, each a little off."""
    points = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        points.append(start)
        for share in (np.arange(clicks) + 1) / (clicks + 1):
            points.append(start + share * (end - start) + rng.normal(0, sigma, 2))
    return np.array(points)


@pytest.mark.parametrize("clicks", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_corners_that_were_drawn_stay_whatever_was_clicked_between_them(tmp_path, clicks, seed):
    points = clicked(LARGE, clicks, np.random.default_rng(seed), 1.0)
    write(tmp_path, {"a.jpg": picture(LARGE_PX), "l.json": coco(points)})
    assert np.abs(card_px(tmp_path, "coco") - (LARGE - 0.5)).max() < 1e-6


@pytest.mark.parametrize("cut", [0.03, 0.06])
def test_corners_that_were_cut_are_fitted_as_before(tmp_path, cut):
    before, after = np.roll(LARGE, 1, axis=0), np.roll(LARGE, -1, axis=0)
    ends = [LARGE + cut * (before - LARGE), LARGE + cut * (after - LARGE)]
    points = np.stack(ends, axis=1).reshape(-1, 2)
    write(tmp_path, {"a.jpg": picture(LARGE_PX), "l.json": coco(points)})
    assert np.abs(card_px(tmp_path, "coco") - (LARGE - 0.5)).max() < 0.01


@pytest.mark.parametrize("turn", [0, 180, -180, 360, 180.0])
def test_a_box_turned_by_half_a_turn_is_that_box(tmp_path, turn):
    box = [[40, 30], [120, 30], [120, 80], [40, 80]]
    write(tmp_path, {"a.jpg": picture(), "l.json": coco(box, attributes={"rotation": turn})})
    assert np.abs(card_px(tmp_path, "coco") - (np.array(box) - 0.5)).max() < 1e-9


@pytest.mark.parametrize("turn", [90, 45, -90])
def test_a_box_turned_otherwise_is_refused(tmp_path, turn):
    box = [[40, 30], [120, 30], [120, 80], [40, 80]]
    write(tmp_path, {"a.jpg": picture(), "l.json": coco(box, attributes={"rotation": turn})})
    assert f"rotation {turn}, but the outline is an upright box" in refusal(tmp_path, "coco")


def label_studio_notes(keypoints, contributor="Label Studio"):
    return {
        "categories": [{"id": 0, "name": "card", "keypoints": keypoints}],
        "info": {"year": 2026, "version": "1.0", "contributor": contributor},
    }


def pose(folder, notes):
    files = {"images/a.jpg": picture(), "labels/a.txt": f"0 {ROW}\n", "classes.txt": "card\n"}
    return write(folder, files | {"notes.json": notes})


def test_label_studios_notes_tell_that_rows_are_poses(tmp_path):
    folder = pose(tmp_path, label_studio_notes(["tl", "tr", "br", "bl"]))
    assert np.abs(card_px(folder, "yolo", ["card"]) - QUAD_PX).max() < 0.001


def test_notes_of_other_numbers_of_keypoints_are_refused(tmp_path):
    told = refusal(pose(tmp_path, label_studio_notes(["a", "b", "c"])), "yolo")
    assert "notes.json: keypoints: expected four of each class, got {'card':" in told


@pytest.mark.parametrize(
    "notes",
    [
        label_studio_notes(["tl", "tr", "br", "bl"], "somebody"),
        label_studio_notes([]),
        {"categories": [{"id": 0, "name": "card"}], "info": {"contributor": "Label Studio"}},
        {"categories": 3},
        [],
        "{",
    ],
)
def test_other_notes_tell_nothing(tmp_path, notes):
    assert "names, and for keypoints kpt_shape: [4, 3]" in refusal(pose(tmp_path, notes), "yolo")


def test_empty_texts_are_counted(tmp_path):
    tally = Tally()
    outline = "0 " + " ".join(f"{value:.6f}" for value in SHARES.ravel())
    files = {"images/a.jpg": picture(), "labels/a.txt": outline}
    files |= {"images/b.jpg": picture(seed=1), "labels/b.txt": ""}
    assert len(scenes(write(tmp_path, files), "yolo", (), tally)) == 2
    assert tally.left_out[EMPTY_TEXT] == 1


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_an_orientation_in_xmp_alone_turns_nothing(tmp_path, turn):
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{turn}"/></x:xmpmeta>'
    segment = b"http://ns.adobe.com/xap/1.0/\x00" + xmp.encode()
    plain = Image.open(io.BytesIO(picture()))
    stream = io.BytesIO()
    plain.save(stream, "JPEG", quality=95)
    content = stream.getvalue()
    marked = content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    marked += content[2:]
    with Image.open(io.BytesIO(marked)) as stored:
        assert isinstance(stored, JpegImageFile) and stored.getexif()[0x0112] == turn
        assert images.orientation(Image.open(io.BytesIO(marked))) == 1
    assert images.decode(marked).shape == (SIZE_PX[1], SIZE_PX[0], 3)
    write(tmp_path, {"a.jpg": marked, "l.json": coco(EDGES_PX)})
    assert np.abs(card_px(tmp_path, "coco") - QUAD_PX).max() < 1e-9


def test_pictures_that_label_files_carry_are_not_held_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    for number in range(12):
        noise[0, 0] = number
        content = images.encode(noise, ".png")
        root = {
            "version": "5.4.1",
            "shapes": [{"label": "card", "points": EDGES_PX.tolist(), "shape_type": "polygon"}],
            "imagePath": f"{number}.png",
            "imageData": base64.b64encode(content).decode(),
            "imageWidth": 800,
            "imageHeight": 600,
        }
        write(tmp_path, {f"{number}.json": root})
    tracemalloc.start()
    found = scenes(tmp_path, "labelme")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [record.size_px for record in found] == [(800, 600)] * 12
    assert peak < 9 * len(content)  # all of them would be twelve


def test_pictures_in_an_archive_beside_the_labels_are_told(tmp_path):
    write(tmp_path, {"l.json": coco(EDGES_PX)})
    write_zip(tmp_path / "images.zip", {"a.jpg": picture()})
    told = refusal(tmp_path, "coco")
    assert "holds no picture at all, and 'a.jpg' is named" in told
    assert "images.zip: no archive in an export is read; unpack it" in told


@pytest.mark.parametrize("before", ["./", "././", ".//./"])
def test_members_that_begin_with_dots_are_read(tmp_path, before):
    write(tmp_path / "x", {"l.json": coco(EDGES_PX), "a.jpg": picture()})
    packed = tmp_path / "x.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name in ("l.json", "a.jpg"):
            archive.add(tmp_path / "x" / name, f"{before}{name}")
    assert np.abs(card_px(packed, "coco") - QUAD_PX).max() < 1e-9
    files = {f"{before}l.json": coco(EDGES_PX), f"{before}a.jpg": picture()}
    assert len(scenes(write_zip(tmp_path / "y.zip", files), "coco")) == 1
