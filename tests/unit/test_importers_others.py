"""Exports as other people's tools and converters leave them: what they lose, and what they mean."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import EDGES_PX, QUAD_PX, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme
from tests.unit import test_importers_midv as midv
from tests.unit import test_importers_smartdoc as smartdoc
from tests.unit import test_importers_yolo as yolo

TASK = {**label_studio.GOOD, "data": {"image": "b.jpg"}}
PLAIN_NAMES = {  # of each format: a sound file, another of it, and the picture of that one
    "coco": ("one.json", coco.GOOD, "two.json", "b.jpg"),
    "label_studio": ("one.json", [label_studio.GOOD], "two.json", "b.jpg"),
    "cvat": ("one.xml", cvat.document(), "two.xml", "b.jpg"),
    "labelme": ("json/a.json", labelme.GOOD, "json/two.json", "b.jpg"),
    "midv": ("annotations/a.json", midv.via(), "annotations/two.json", "images/two/00.jpg"),
    "smartdoc": (
        "datasheet001.xml",
        smartdoc.document(smartdoc.FRAME.format(1, smartdoc.POINTS), sample=""),
        "two.xml",
        "two/frame_0001.jpeg",
    ),
}
FIRST_PICTURES = {
    "midv": "images/a/00.jpg",
    "smartdoc": "datasheet001/frame_0001.jpeg",
}


def two_files(folder, kind, second):
    """Write a sound label file, a second one whose name says nothing, and a picture of each."""
    name, sound, other, second_picture = PLAIN_NAMES[kind]
    first_picture = FIRST_PICTURES.get(kind, "a.jpg")
    pictures = {first_picture: picture(), second_picture: picture(seed=1)}
    return write(folder, {name: sound, other: second, **pictures}), other


@pytest.mark.parametrize("kind", PLAIN_NAMES)
def test_a_second_file_that_was_cut_is_not_lost(tmp_path, kind):
    sound = PLAIN_NAMES[kind][1]
    cut = (sound if isinstance(sound, str) else json.dumps(sound))[:-3]
    folder, name = two_files(tmp_path, kind, cut)
    message = refusal(folder, kind)
    assert f"{name}: no " in message and ": not " in message and "mend it" in message


@pytest.mark.parametrize(
    ("kind", "second", "words"),
    [
        ("coco", {k: v for k, v in coco.GOOD.items() if k != "categories"}, "no list categories"),
        ("coco", {**coco.GOOD, "annotations": None}, "no list annotations"),
        ("label_studio", TASK, "a task or an annotation alone"),
        ("label_studio", {**TASK["annotations"][0], "task": TASK}, "annotation alone"),
        ("label_studio", [TASK, {"data": TASK["data"]}], "tasks without 'annotations'"),
        ("label_studio", [TASK, 1], "a list of other things"),
        ("label_studio", [{"data": {}, "completions": []}], "tasks without 'annotations'"),
        ("cvat", cvat.document().replace(">1.1<", ">1.0<"), "version '1.0'; 1.1 is read"),
        ("labelme", {**labelme.GOOD, "shapes": None}, "no list 'shapes'"),
        ("midv", {"_via_img_metadata": []}, "_via_img_metadata: expected keys and values"),
        (
            "smartdoc",
            smartdoc.document(smartdoc.FRAME.format(1, smartdoc.POINTS)).replace("_results", ""),
            "no <segmentation_results> around its frames",
        ),
    ],
)
def test_a_second_file_that_lacks_a_part_is_not_lost(tmp_path, kind, second, words):
    folder, name = two_files(tmp_path, kind, second)
    message = refusal(folder, kind)
    assert name in message and words in message


@pytest.mark.parametrize("kind", PLAIN_NAMES)
def test_a_second_file_of_another_kind_is_left_out(tmp_path, kind):
    of_xml = PLAIN_NAMES[kind][0].endswith(".xml")
    folder, _ = two_files(tmp_path, kind, "<annotation/>" if of_xml else {"theme": "dark"})
    tally = Tally()
    scenes(folder, kind, (), tally)
    assert any("files that are no" in what for what in tally.left_out)


@pytest.mark.parametrize(
    ("kind", "folder", "sound"),
    [("coco", "cards.coco", coco.GOOD), ("label_studio", "labels", [label_studio.GOOD])],
)
def test_a_folder_does_not_name_all_files_in_it(tmp_path, kind, folder, sound):
    files = {"one.json": sound, "stats.json": {"cards": 1}, "a.jpg": picture()}
    path = write(tmp_path, {f"{folder}/{name}": content for name, content in files.items()})
    assert len(scenes(path, kind)) == 1


def test_where_no_file_is_a_label_file_it_is_said_what_they_are(tmp_path):
    results = [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9], "score": 0.5}]
    message = refusal(write(tmp_path, {"dets.json": results, "a.jpg": picture()}), "coco")
    assert "no COCO annotation in it (*.json); dets.json: expected keys and values" in message


@pytest.mark.parametrize(("row", "words"), [(0.97, "is it a prediction?"), (3, "expected 0, 1")])
def test_a_confidence_is_no_visibility_of_a_yolo_keypoint(tmp_path, row, words):
    folder = yolo.export(tmp_path, yolo.pose_row(row), yolo.YAML + yolo.POSE)
    assert words in refusal(folder, "yolo")


def test_a_confidence_is_no_visibility_of_a_coco_keypoint(tmp_path):
    points = [v for corner in QUAD_PX.tolist() for v in (*corner, 0.93)]
    folder = coco.export(tmp_path, coco.annotation(segmentation=[], keypoints=points))
    assert "each of visibility 1 or 2" in refusal(folder, "coco")


def two_pictures(**second):
    """Let a task show two pictures; the second region is drawn as stated."""

    def change(task):
        task["data"] = {"image": "a.jpg", "back": "b.jpg"}
        first = {**label_studio.REGION, "to_name": "image"}
        task["annotations"][0]["result"] = [first, {**first, "id": "r2", **second}]

    return change


@pytest.mark.parametrize("second", [{"to_name": "back"}, {"item_index": 1}])
def test_regions_of_two_pictures_of_one_task_are_refused(tmp_path, second):
    files = {"a.jpg": picture(), "b.jpg": picture(seed=1)}
    folder = label_studio.export(tmp_path, two_pictures(**second), files)
    assert "regions of several pictures; one picture a task is read" in refusal(
        folder, "label_studio"
    )


def test_a_carried_picture_may_be_written_in_lines(tmp_path):
    carried = base64.encodebytes(picture()).decode()
    folder = write(tmp_path, {"a.json": {**labelme.GOOD, "imageData": carried}})
    assert len(scenes(folder, "labelme")) == 1


def test_all_faults_of_a_group_are_told(tmp_path):
    def change(root):
        (shape,) = root["shapes"]
        kinds = ("circle", "line")
        root["shapes"] = [{**shape, "shape_type": kind, "group_id": 1} for kind in kinds]

    message = refusal(labelme.export(tmp_path, change), "labelme")
    assert "shapes[0]: a circle is no" in message and "shapes[1]: a line is no" in message


def test_a_list_of_pictures_beside_the_labels_says_nothing_of_cards(tmp_path):
    listed = {**coco.GOOD, "annotations": [], "categories": []}
    files = {
        "annotations/instances_default.json": coco.GOOD,
        "annotations/image_info_default.json": listed,
        "images/default/a.jpg": picture(),
    }
    tally = Tally()
    (record,) = scenes(write(tmp_path, files), "coco", (), tally)
    assert len(record.cards) == 1
    assert tally.left_out["lists of pictures without labels (image_info)"] == 1


def test_yolo_labels_without_a_picture_are_told_though_a_row_is_broken(tmp_path):
    files = {"train/labels/gone.txt": f"{yolo.ROW}\n0 0,5 0,5\n"}
    message = refusal(yolo.export(tmp_path, files=files), "yolo")
    assert "gone.txt: no picture of this name for its labels" in message


@pytest.mark.parametrize("numbered", [False, True])
def test_the_entries_of_via_alone_are_read(tmp_path, numbered):
    entries = midv.via()["_via_img_metadata"]
    if numbered:  # VIA 1
        (entry,) = entries.values()
        entry["regions"] = dict(enumerate(entry["regions"]))
    files = {"photo/annotations/a.json": entries, "photo/images/a/00.jpg": picture()}
    assert np.allclose(card_px(write(tmp_path, files), "midv"), QUAD_PX)


@pytest.mark.parametrize("path", ["02_aut_id", "."])
def test_the_folder_of_one_midv_document_names_its_design(tmp_path, monkeypatch, path):
    inside = {name.partition("/")[2] for name in (midv.IMAGE, midv.LABELS)}
    files = {n: midv.QUAD if n.endswith(".json") else picture(suffix="TIFF") for n in inside}
    folder = write(tmp_path / "02_aut_id", files)
    monkeypatch.chdir(folder if path == "." else tmp_path)
    (record,) = scenes(Path(path), "midv")
    assert record.cards[0].design == "02_aut_id"


def test_an_empty_export_says_what_was_left_out(tmp_path):
    folder = label_studio.export(tmp_path, lambda task: task.update(annotations=[]))
    message = refusal(folder, "label_studio")
    assert "it names no picture; tasks that nobody annotated: 1" in message


def test_a_sliver_is_no_card(tmp_path):
    inner = '<box label="card" xtl="10" ytl="10" xbr="60" ybr="10.2" rotation="45"/>'
    assert "is 0.2 px thin" in refusal(cvat.export(tmp_path, inner), "cvat")


def test_a_key_that_stands_twice_hides_no_annotations(tmp_path):
    folder = coco.export(tmp_path)
    text = (folder / "annotations.json").read_text()
    (folder / "annotations.json").write_text(text[:-1] + ', "annotations": []}')
    assert "the key 'annotations' stands twice" in refusal(folder, "coco")


def test_a_quadrilateral_of_x_anylabeling_is_an_outline(tmp_path):
    folder = labelme.export(tmp_path, labelme.shape(shape_type="quadrilateral"))
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)


def min_row(label):
    row = {"id": 1, "image": "a.jpg", "annotation_id": 1, "lead_time": 1.0, "label": label}
    return {"min.json": [row], "a.jpg": picture()}


def test_regions_of_json_min_that_became_text_are_not_lost(tmp_path):
    region = {**label_studio.REGION["value"], "original_width": 160, "original_height": 120}
    message = refusal(write(tmp_path, min_row(json.dumps([region]))), "label_studio")
    assert "min.json: no Label Studio export: its regions are texts, as in CSV" in message


def test_one_region_of_json_min_may_stand_outside_of_a_list(tmp_path):
    region = {**label_studio.REGION["value"], "original_width": 160, "original_height": 120}
    found = card_px(write(tmp_path, min_row(region)), "label_studio")
    assert np.abs(found - QUAD_PX).max() < 0.001


def test_points_that_are_no_group_say_what_they_lack(tmp_path):
    def change(root):
        (shape,) = root["shapes"]
        root["shapes"] = [
            {**shape, "shape_type": "point", "points": [point]} for point in EDGES_PX.tolist()
        ]

    message = refusal(labelme.export(tmp_path, change), "labelme")
    assert "has 1 points; a card has four corners, of one label and group" in message


def test_two_texts_of_one_picture_are_one_fault(tmp_path):
    files = {"train/images/a.txt": yolo.ROW}
    assert "no picture" not in refusal(yolo.export(tmp_path, files=files), "yolo")


@pytest.mark.parametrize("stated", ["labelme", "cvat", "yolo", "label_studio", "midv"])
def test_the_format_that_an_export_has_is_named(tmp_path, stated):
    folder = coco.export(tmp_path)
    message = refusal(folder, stated)
    assert f"{folder}: can be read in another format: coco" in message


def test_what_is_there_in_place_of_labels_is_told(tmp_path):
    files = {"a.csv": "x", "b.csv": "y", "a.jpg": picture(), "data/train.parquet": "z"}
    message = refusal(write(tmp_path, files), "coco")
    assert (
        "no COCO annotation in it (*.json); it holds 2 .csv, 1 .jpg, 1 .parquet; export" in message
    )
    assert "another format" in message and "can be read in" not in message
