import copy

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, SHARES, card_px, picture, refusal, scenes, write

REGION = {
    "id": "r1",
    "type": "polygonlabels",
    "original_width": 160,
    "original_height": 120,
    "image_rotation": 0,
    "value": {"points": (SHARES * 100).tolist(), "closed": True, "polygonlabels": ["card"]},
}
GOOD = {
    "id": 1,
    "file_upload": "0a1b2c3d-a.jpg",
    "data": {"image": "/data/upload/3/0a1b2c3d-a.jpg"},
    "annotations": [{"id": 1, "was_cancelled": False, "result": [REGION]}],
}


def export(folder, change=lambda task: None, files=None):
    task = copy.deepcopy(GOOD)
    change(task)
    return write(folder, {"project-1.json": [task], **(files or {"a.jpg": picture()})})


def region(**values):
    return lambda task: task["annotations"][0]["result"][0].update(values)


def keypoints(points):
    def change(task):
        task["annotations"][0]["result"] = [
            {
                **REGION,
                "type": "keypointlabels",
                "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": ["card"]},
            }
            for x, y in points
        ]

    return change


def rectangle(**value):
    return region(type="rectanglelabels", value={"rectanglelabels": ["card"], **value})


def test_points_are_percent_of_the_picture(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "label_studio"), QUAD_PX)


def test_a_rectangle_is_turned_about_its_top_left_corner(tmp_path):
    change = rectangle(x=50, y=25, width=25, height=50, rotation=90)
    expected = np.array([[20, 30], [80, 30], [80, 70], [20, 70]]) - 0.5
    assert np.allclose(card_px(export(tmp_path, change), "label_studio"), expected)


def test_four_keypoints_are_the_corners(tmp_path):
    change = keypoints((SHARES * 100)[[2, 0, 1, 3]].tolist())
    assert np.allclose(card_px(export(tmp_path, change), "label_studio"), QUAD_PX)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("/data/upload/3/0a1b2c3d-a.jpg", "images/0a1b2c3d-a.jpg"),
        ("/data/upload/0a1b2c3d-a.jpg", "a.jpg"),
        ("/data/local-files/?d=photos%2Fa%20b.jpg", "photos/a b.jpg"),
        ("s3://bucket/photos/a.jpg", "a.jpg"),
        ("https://host/data/upload/1/0a1b2c3d-a.jpg", "a.jpg"),
    ],
)
def test_the_pictures_of_all_its_storages_are_found(tmp_path, reference, name):
    folder = export(tmp_path, lambda task: task["data"].update(image=reference), {name: picture()})
    assert len(scenes(folder, "label_studio")) == 1


def test_an_empty_annotation_says_no_card_and_none_at_all_nothing(tmp_path):
    empty = copy.deepcopy(GOOD)
    empty["annotations"][0]["result"] = []
    undone = {**copy.deepcopy(GOOD), "annotations": []}
    skipped = copy.deepcopy(GOOD)
    skipped["annotations"][0]["was_cancelled"] = True
    folder = write(tmp_path, {"x.json": [empty, undone, skipped], "a.jpg": picture()})
    tally = Tally()
    assert [len(r.cards) for r in scenes(folder, "label_studio", (), tally)] == [0]
    assert tally.left_out["tasks that nobody annotated"] == 2


def test_regions_that_are_no_shapes_are_ignored(tmp_path):
    def change(task):
        task["annotations"][0]["result"].append({"type": "choices", "value": {"choices": ["x"]}})

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (region(type="brushlabels", value={"brushlabels": ["card"]}), "brushlabels is no card's"),
        (region(image_rotation=90), "image_rotation"),
        (region(original_width=None), "original_width: expected a number"),
        (region(original_width=320, original_height=240), "made at 320x240 px"),
        (rectangle(x=1, y=2, width=3), "height: expected a number, got nothing"),
        (keypoints([[1, 2], [3, 4]]), "has 2 points; a card has four corners"),
        (lambda task: task.update(data={"text": "x"}), "data: expected one picture"),
        (lambda task: task.pop("annotations"), "tasks without 'data', 'annotations'"),
        (
            lambda task: task["annotations"].append({"result": []}),
            "2 annotations that differ; keep the one that is right",
        ),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, change, words):
    assert words in refusal(export(tmp_path, change), "label_studio")


def test_its_small_export_is_refused(tmp_path):
    row = {"image": "a.jpg", "id": 1, "label": [], "annotation_id": 1, "lead_time": 2.0}
    folder = write(tmp_path, {"project-1.json": [row], "a.jpg": picture()})
    assert "it is JSON-MIN; export as JSON" in refusal(folder, "label_studio")
