import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, SHARES, card_px, picture, refusal, scenes, write

ROW = "0 " + " ".join(f"{v:.6f}" for v in SHARES.ravel())
YAML = "path: ../datasets/x\ntrain: ../train/images\nval: nowhere\nnames: [card, hand]\n"
POSE = "kpt_shape: [4, 3]\n"


def pose_row(visible=2):
    box = [*(SHARES.min(axis=0) + SHARES.max(axis=0)) / 2, *np.ptp(SHARES, axis=0)]
    points = np.hstack([SHARES, np.full((4, 1), visible)])
    return "0 " + " ".join(f"{v:.6g}" for v in [*box, *points.ravel()])


def export(folder, row=ROW, yaml=YAML, files=None):
    named = {"train/images/a.jpg": picture(), "train/labels/a.txt": row}
    return write(folder, {**named, **({"data.yaml": yaml} if yaml else {}), **(files or {})})


def test_a_segmentation_row_is_shares_of_the_frame(tmp_path):
    assert np.abs(card_px(export(tmp_path), "yolo") - QUAD_PX).max() < 0.001


def test_a_pose_row_is_four_corners(tmp_path):
    found = card_px(export(tmp_path, pose_row(), YAML + POSE), "yolo")
    assert np.abs(found - QUAD_PX).max() < 0.001


def test_without_data_yaml_classes_are_numbers(tmp_path):
    tally = Tally()
    scenes(export(tmp_path, yaml=None), "yolo", ["0"], tally)
    assert tally.labels == {"0": 1}


def test_labels_beside_their_pictures_and_in_another_case_are_found(tmp_path):
    folder = write(tmp_path, {"A.JPG": picture(), "a.txt": ROW, "classes.txt": "card\n"})
    assert len(scenes(folder, "yolo", ["card"])[0].cards) == 1


def test_a_picture_without_or_with_an_empty_text_holds_no_card(tmp_path):
    files = {
        "train/images/b.jpg": picture(seed=1),
        "train/images/c.jpg": picture(seed=2),
        "train/labels/c.txt": "\n",
        "results.png": picture(seed=3, suffix="PNG"),
    }
    found = scenes(export(tmp_path, files=files), "yolo")
    assert [len(record.cards) for record in found] == [1, 0, 0]


def test_other_classes_are_ignored_whatever_they_hold(tmp_path):
    found = scenes(export(tmp_path, f"{ROW}\n1 0.5 0.5 0.1 0.1\n"), "yolo", ["card"])
    assert len(found[0].cards) == 1


def test_corners_outside_the_frame_are_kept(tmp_path):
    row = "0 " + " ".join(f"{v:.6f}" for v in (SHARES - [0.4, 0]).ravel())
    assert card_px(export(tmp_path, row), "yolo")[0, 0] < 0


@pytest.mark.parametrize(
    ("row", "yaml", "words"),
    [
        ("0 0.5 0.5 0.2 0.2", YAML, "a.txt line 1: a detector's box"),
        ("0 0.5 0.5 0.2", YAML, "4 numbers; expected a class and three points"),
        ("card 0.5 0.5 0.2 0.2", YAML, "line 1: expected a class and numbers"),
        ("7 0.5 0.5 0.2 0.2 0.1 0.1", YAML, "class 7: there are [0, 1]"),
        ("0 10 10 90 10 90 80 10 80", YAML, "90 is no share of the frame"),
        (pose_row(0), YAML + POSE, "visibility is 0"),
        (ROW, YAML + POSE, "9 numbers; kpt_shape asks for 17"),
        (pose_row(), None, "may be a polygon, or a box with four keypoints"),
        (ROW, "names: card\n", "data.yaml: names: expected a list"),
        (ROW, "a: 1\nnames: [card]\na: 2\n", "data.yaml line 3: not YAML: found duplicate key"),
        (ROW, "names: [[card]]\n", "data.yaml: names: expected a list"),
        (ROW, YAML + "kpt_shape: [17, 3]\n", "kpt_shape: expected [4, 2] or [4, 3]"),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, row, yaml, words):
    assert words in refusal(export(tmp_path, row, yaml), "yolo")


def test_labels_without_a_picture_are_refused(tmp_path):
    message = refusal(export(tmp_path, files={"train/labels/gone.txt": ROW}), "yolo")
    assert "train/labels/gone.txt: no picture of this name" in message


def test_pictures_without_any_labels_are_refused(tmp_path):
    folder = write(tmp_path, {"images/a.jpg": picture(), "data.yaml": YAML})
    assert "no YOLO labels" in refusal(folder, "yolo")


def test_exif_rotation_without_a_stated_size_is_refused(tmp_path):
    files = {"train/images/a.jpg": picture(turn=6)}
    assert "EXIF orientation 6, and the labels state no size" in refusal(
        export(tmp_path, files=files), "yolo"
    )


def test_data_yaml_may_be_named_instead_of_its_folder(tmp_path):
    assert len(scenes(export(tmp_path) / "data.yaml", "yolo")) == 1


def test_one_text_for_two_pictures_is_refused(tmp_path):
    files = {"train/images/a.png": picture(seed=1, suffix="PNG")}
    assert "labels of train/images/a.jpg or of train" in refusal(
        export(tmp_path, files=files), "yolo"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train/labels/a.txt", ROW),
        ("data.yaml", YAML),
        ("data.yaml", "{'names': ['card']}"),
        ("data.yaml", "names : {'0': card}"),
        ("Classes.TXT", "card\n"),
    ],
)
@pytest.mark.parametrize("code", ["utf-16", "utf-8-sig"])
def test_texts_of_windows_are_read(tmp_path, name, content, code):
    yaml = YAML if name.startswith("train") else None
    folder = export(tmp_path, yaml=yaml, files={name: content.encode(code)})
    assert len(scenes(folder, "yolo", ["card"])[0].cards) == 1


def test_labels_in_utf_16_without_a_picture_are_refused(tmp_path):
    folder = export(tmp_path, files={"gone.txt": ROW.encode("utf-16")})
    assert "gone.txt: no picture of this name" in refusal(folder, "yolo")


def test_lists_of_classes_that_differ_are_refused(tmp_path):
    files = {"train/classes.txt": "card\nhand\n", "valid/classes.txt": "hand\ncard\n"}
    message = refusal(export(tmp_path, yaml=None, files=files), "yolo")
    assert "train/classes.txt and valid/classes.txt state different classes" in message


def test_yaml_of_other_tools_states_no_classes(tmp_path):
    files = {"hyp.yaml": "class_names: 3\n", "ci.yaml": "jobs:\n  names: [a]\n"}
    assert len(scenes(export(tmp_path, files=files), "yolo", ["card"])) == 1


def test_a_keypoint_shape_with_decimal_points_is_read(tmp_path):
    folder = export(tmp_path, pose_row(), YAML + "kpt_shape: [4.0, 3.0]\n")
    assert np.abs(card_px(folder, "yolo") - QUAD_PX).max() < 0.001


DOTA = "imagesource:x\n" + " ".join(f"{v:g}" for v in QUAD_PX.ravel()) + " card 0\n"


def test_rows_of_dota_in_a_folder_of_their_own_are_not_lost(tmp_path):
    files = {"train/images/b.jpg": picture(seed=1), "train/labelTxt/b.txt": DOTA}
    assert "train/labelTxt/b.txt: rows of DOTA" in refusal(export(tmp_path, files=files), "yolo")


def test_rows_of_dota_that_were_converted_are_left_alone(tmp_path):
    folder = export(tmp_path, files={"train/labelTxt/a.txt": DOTA})
    assert np.abs(card_px(folder, "yolo") - QUAD_PX).max() < 0.001


def test_rows_of_dota_in_the_place_of_labels_are_named_so(tmp_path):
    told = refusal(export(tmp_path, DOTA), "yolo")
    assert "a.txt: rows of DOTA" in told and "expected a class and numbers" not in told


def test_an_export_without_any_shape_says_so(tmp_path):
    folder, tally = export(tmp_path, ""), Tally()
    assert [len(record.cards) for record in scenes(folder, "yolo", (), tally)] == [0]
    assert any("NOT ONE SHAPE" in line and line.endswith("pictures: 1") for line in tally.lines())
    assert "no shape has the label 'card': there is not one shape" in refusal(
        folder, "yolo", ["card"]
    )


def test_faults_of_rows_are_not_followed_by_labels_that_they_cost(tmp_path):
    told = refusal(export(tmp_path, DOTA), "yolo", ["card"])
    assert "rows of DOTA" in told and "no shape has the label" not in told
