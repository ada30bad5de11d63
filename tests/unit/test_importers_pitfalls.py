"""Exports whose meaning is certain only at second sight, and some that must be refused."""

import copy
import io
import os
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from meishi.data.importers.labelled import Tally
from meishi.data.importers.orientation import orientation
from meishi.geometry.polygon_quads import NoQuadError, quad_from_mask_outline, quad_from_outline
from tests.exports import EDGES_PX, QUAD_PX, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_cvat_video as video
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme
from tests.unit import test_importers_yolo as yolo

CARD_PX = np.array([[120.0, 100.0], [480.0, 110.0], [470.0, 340.0], [115.0, 330.0]])


@given(st.floats(0.2, 0.7), st.floats(0.05, 0.15), st.floats(0.05, 0.25))
def test_a_notch_that_a_finger_leaves_moves_no_corner(start, width, depth):
    along, inwards = CARD_PX[1] - CARD_PX[0], CARD_PX[3] - CARD_PX[0]
    notch = [
        CARD_PX[0] + start * along,
        CARD_PX[0] + (start + width / 2) * along + depth * inwards,
        CARD_PX[0] + (start + width) * along,
    ]
    outline = np.array([CARD_PX[0], *notch, *CARD_PX[1:]])
    assert np.abs(quad_from_outline([outline], (640, 480)) - CARD_PX).max() < 1.5


def test_two_cards_in_one_group_are_not_one_quad():
    large = np.array([[80.0, 70.0], [300.0, 90.0], [310.0, 220.0], [70.0, 210.0]])
    small = np.array([[20.0, 10.0], [120.0, 12.0], [118.0, 60.0], [22.0, 58.0]])
    with pytest.raises(NoQuadError, match="of a side open|is no quadrilateral"):
        quad_from_outline([large, small], (400, 300))
    mask = np.zeros((300, 400), np.uint8)
    cv2.fillPoly(mask, [part.round().astype(np.int32) for part in (large, small)], 1)
    with pytest.raises(NoQuadError):
        quad_from_mask_outline(mask > 0, (400, 300))


def test_neighbours_of_one_chosen_label_file_are_no_empty_scenes(tmp_path):
    other = {**copy.deepcopy(labelme.GOOD), "imagePath": "b.jpg"}
    folder = labelme.export(tmp_path, files={"b.json": other, "b.jpg": picture(seed=1)})
    tally = Tally()
    found = scenes(folder / "a.json", "labelme", (), tally)
    assert [record.attributes["photo"] for record in found] == ["a.jpg"]
    assert tally.left_out["pictures that no label file names, left out"] == 1


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_hash_in_the_name_of_a_buckets_file_belongs_to_it(tmp_path, scheme):
    def change(task):
        del task["file_upload"]
        task["data"]["image"] = f"{scheme}://bucket/a#2.jpg"

    files = {"a.jpg": picture(), "a#2.jpg": picture(seed=1)}
    (record,) = scenes(label_studio.export(tmp_path, change, files), "label_studio")
    assert record.attributes["photo"] == "a#2.jpg"


def test_what_looks_like_a_broken_host_is_no_crash(tmp_path):
    def change(task):
        del task["file_upload"]
        task["data"]["image"] = "s3://[my bucket]/a.jpg"

    assert len(scenes(label_studio.export(tmp_path, change), "label_studio")) == 1


def test_pose_rows_beside_a_yaml_that_tells_of_no_keypoints_are_refused(tmp_path):
    why = refusal(yolo.export(tmp_path, yolo.pose_row()), "yolo")
    assert "may be a polygon, or a box with four keypoints" in why


def test_a_yaml_may_count_its_classes_instead_of_naming_them(tmp_path):
    folder = yolo.export(tmp_path, yolo.pose_row(), f"nc: 1\n{yolo.POSE}")
    assert np.abs(card_px(folder, "yolo") - QUAD_PX).max() < 0.001


def test_keypoints_that_are_no_corners_do_not_replace_the_outline(tmp_path):
    middle = EDGES_PX.mean(axis=0)
    inside = middle + 0.4 * (EDGES_PX - middle)
    points = np.hstack([inside, np.full((4, 1), 2)]).ravel().tolist()
    folder = coco.export(tmp_path, coco.annotation(keypoints=points, num_keypoints=4))
    assert "goes beyond the four keypoints" in refusal(folder, "coco")


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_keypoints_that_are_no_corners_do_not_replace_the_mask(tmp_path, share):
    centre = QUAD_PX.mean(axis=0)
    points = np.hstack([centre + share * (QUAD_PX - centre), np.full((4, 1), 2)])
    mask = {"size": [120, 160], "counts": coco.mask_runs(coco.drawn_mask())}
    change = coco.annotation(keypoints=points.ravel().tolist(), segmentation=mask)
    folder = coco.export(tmp_path, change)
    if share == 1:
        assert np.allclose(card_px(folder, "coco"), QUAD_PX)
    else:
        assert "goes beyond the four keypoints" in refusal(folder, "coco")


def test_keypoints_at_the_corners_and_an_outline_agree(tmp_path):
    # Of keypoints COCO counts the centres.
    points = np.hstack([QUAD_PX, np.full((4, 1), 2)]).ravel().tolist()
    folder = coco.export(tmp_path, coco.annotation(keypoints=points, num_keypoints=4))
    assert np.allclose(card_px(folder, "coco"), QUAD_PX)


def test_cvat_means_the_picture_right_below_its_folder(tmp_path):
    files = {"images/a.jpg": picture(), "images/sub/a.jpg": picture(seed=1)}
    more = cvat.IMAGE.replace('id="0" name="a.jpg"', 'id="1" name="sub/a.jpg"').format("")
    image = cvat.IMAGE.format(cvat.POLYGON) + more
    text = cvat.document(image=image.replace("{", "{{").replace("}", "}}"))
    found = scenes(write(tmp_path, {"annotations.xml": text, **files}), "cvat")
    cards = {record.attributes["photo"]: len(record.cards) for record in found}
    assert cards == {"images/a.jpg": 1, "images/sub/a.jpg": 0}


def test_a_skeleton_leaves_with_all_its_points(tmp_path):
    def skeleton(frame, outside):
        points = "".join(
            f'<points label="{i}" keyframe="1" outside="{outside}" points="{x},{y}"></points>'
            for i, (x, y) in enumerate(EDGES_PX)
        )
        return f'<skeleton frame="{frame}" keyframe="1" z_order="0">{points}</skeleton>'

    folder = video.export(tmp_path, skeleton(0, 0), skeleton(1, 1))
    assert [len(record.cards) for record in scenes(folder, "cvat")] == [1, 0, 0]


def test_names_in_another_encoding_are_spelt_out(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    row = yolo.ROW
    folder = write(tmp_path, {f"{name}.jpg": picture(), f"{name}.txt": row})
    (record,) = scenes(folder, "yolo")
    assert record.attributes["photo"] == "caf\\udce9.jpg"


def test_half_a_character_in_a_design_is_spelt_out(tmp_path):
    folder = coco.export(tmp_path, coco.annotation(attributes={"design": "a\ud83d"}))
    (record,) = scenes(folder, "coco")
    assert record.cards[0].design == "a\\ud83d"


def test_a_zip_member_without_a_name_is_refused(tmp_path):
    file = tmp_path / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"1")
    refusal(file, "coco")


def test_the_largest_photo_has_an_orientation():
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("1", (16320, 12240)).save(stream, "PNG", exif=exif)  # 200 megapixels
    assert orientation(stream.getvalue()) == 6
