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
        (region(type="ellipselabels", value={"ellipselabels": ["card"]}), "ellipselabels is no c"),
        (region(type="brushlabels", value={"brushlabels": ["card"]}), "format, rle: expected"),
        (region(value={"points": [[1, 2]], "closed": False, "polygonlabels": ["card"]}), "is open"),
        (region(image_rotation=90), "image_rotation"),
        (region(value={**REGION["value"], "closed": "false"}), "closed: expected true or false"),
        (
            lambda task: task["annotations"][0].update(was_cancelled="false"),
            "annotations[0]: was_cancelled: expected true or false, got 'false'",
        ),
        (region(original_width=None), "original_width: expected a number"),
        (region(original_width=320, original_height=240), "made at 320x240 px"),
        (rectangle(x=1, y=2, width=3), "height: expected a number, got nothing"),
        (keypoints([[1, 2], [3, 4]]), "has 2 points; a card has four corners"),
        (lambda task: task.update(data={"text": "x"}), "data: expected one picture"),
        (lambda task: task.pop("annotations"), "tasks without 'annotations'"),
        (
            lambda task: task["annotations"].append({"result": []}),
            "2 annotations that differ; keep the one that is right, or mark it as ground truth",
        ),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, change, words):
    assert words in refusal(export(tmp_path, change), "label_studio")


def test_of_annotations_that_differ_the_ground_truth_is_taken(tmp_path):
    def change(task):
        other = {"result": [], "ground_truth": False}
        task["annotations"] = [other, {**task["annotations"][0], "ground_truth": True}]

    assert np.allclose(card_px(export(tmp_path, change), "label_studio"), QUAD_PX)


def test_two_ground_truths_that_differ_are_refused(tmp_path):
    def change(task):
        task["annotations"].append({"result": []})
        for annotation in task["annotations"]:
            annotation["ground_truth"] = True

    assert "2 annotations that differ" in refusal(export(tmp_path, change), "label_studio")


def test_annotations_that_agree_are_one(tmp_path):
    def change(task):
        task["annotations"].append(copy.deepcopy(task["annotations"][0]))

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 1


def test_a_cancelled_annotation_does_not_count(tmp_path):
    def change(task):
        task["annotations"].append({"was_cancelled": True, "result": []})

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 1


def test_what_a_model_predicted_is_no_annotation(tmp_path):
    def change(task):
        task["predictions"] = [{"result": [{**REGION, "type": "ellipselabels"}]}]

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 1
    only = {**copy.deepcopy(GOOD), "annotations": [], "predictions": GOOD["annotations"]}
    tally = Tally()
    folder = write(tmp_path / "b", {"x.json": [only, GOOD], "a.jpg": picture()})
    assert len(scenes(folder, "label_studio", (), tally)) == 1
    assert tally.left_out["tasks that nobody annotated"] == 1


def test_labels_in_a_region_of_their_own_are_those_of_its_id(tmp_path):
    def change(task):
        value = {"points": REGION["value"]["points"], "closed": True}
        task["annotations"][0]["result"] = [
            {**REGION, "type": "polygon", "value": value},
            {**REGION, "type": "labels", "value": {**value, "labels": ["card"]}},
            {**REGION, "id": "r2", "type": "polygon", "value": value},
            {**REGION, "id": "r2", "type": "labels", "value": {"labels": ["hand"]}},
        ]

    tally = Tally()
    (record,) = scenes(export(tmp_path, change), "label_studio", ["card"], tally)
    assert len(record.cards) == 1 and tally.ignored_labels == {"hand": 1}


def test_keypoints_of_several_cards_are_told_apart_by_their_parents(tmp_path):
    def change(task):
        points = (SHARES * 100).tolist()
        task["annotations"][0]["result"] = [
            {**REGION, "type": "keypointlabels", "parentID": parent, "id": f"{parent}{x}",
             "value": {"x": x / scale, "y": y / scale, "width": 0.3, "keypointlabels": ["card"]}}
            for x, y in points for parent, scale in (("p", 1), ("q", 4))
        ]  # fmt: skip

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 2


def small_row(**values):
    row = {
        "image": "/data/upload/3/0a1b2c3d-a.jpg",
        "id": 1,
        "label": [{**REGION["value"], "original_width": 160, "original_height": 120}],
        "annotator": 1,
        "annotation_id": 5,
        "created_at": "2026-11-02T10:00:00Z",
        "updated_at": "2026-11-02T10:00:00Z",
        "lead_time": 2.0,
    }
    return {**row, **values}


def small_export(folder, *rows):
    return write(folder, {"project-1-at-2026-11-02.json": list(rows), "a.jpg": picture()})


def test_its_small_export_says_the_same(tmp_path):
    assert np.allclose(card_px(small_export(tmp_path, small_row()), "label_studio"), QUAD_PX)


def test_a_row_of_the_small_export_without_regions_holds_no_card(tmp_path):
    row = small_row()
    del row["label"]
    assert [len(r.cards) for r in scenes(small_export(tmp_path, row), "label_studio")] == [0]


def test_a_turned_rectangle_and_a_choice_stand_in_the_small_export(tmp_path):
    box = {"x": 50, "y": 25, "width": 25, "height": 50, "rotation": 90}
    sized = {**box, "original_width": 160, "original_height": 120, "rectanglelabels": ["card"]}
    row = small_row(label=[sized], quality="good", notes=["a", "b"], meta=[{"k": 1}])
    expected = np.array([[20, 30], [80, 30], [80, 70], [20, 70]]) - 0.5
    assert np.allclose(card_px(small_export(tmp_path, row), "label_studio"), expected)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([small_row(), small_row(annotation_id=6, label=[])], "2 annotations that differ"),
        ([small_row(label=[{"points": [[1, 2]], "polygonlabels": ["card"]}])], "no original_width"),
        ([small_row(label=[{"x": 1, "y": 1, "original_width": 160, "original_height": 120,
                            "ellipselabels": ["card"]}])], "ellipselabels is no card's"),
        ([small_row(), {"image": "a.jpg"}], "tasks without 'data', 'annotations'"),
        ([small_row(), 3], "a list of other things"),
    ],
)  # fmt: skip
def test_what_the_small_export_leaves_open_is_refused(tmp_path, rows, words):
    assert words in refusal(small_export(tmp_path, *rows), "label_studio")


def test_annotators_who_agree_in_another_order_count_once(tmp_path):
    small = {**REGION["value"], "points": (SHARES * 30).tolist()}
    regions = [REGION, {**REGION, "id": "r2", "value": small}]

    def change(task):
        task["annotations"] = [{"result": regions}, {"result": regions[::-1]}]

    assert len(scenes(export(tmp_path, change), "label_studio")[0].cards) == 2


def test_the_only_path_of_a_picture_is_taken_with_its_query(tmp_path):
    data = {"pic": "https://example.org/a.jpg?sig=3", "text": "a card"}
    assert len(scenes(export(tmp_path, lambda task: task.update(data=data)), "label_studio")) == 1


@pytest.mark.parametrize("kind", ["polygonlabels", "polygon"])
def test_a_region_without_a_label_is_refused_where_labels_are_asked_for(tmp_path, kind):
    unnamed = {**REGION, "type": kind, "value": {**REGION["value"], "polygonlabels": []}}
    second = {**GOOD, "data": {"image": "b.jpg"}, "annotations": [{"result": [unnamed]}]}
    files = {"project-1.json": [GOOD, second], "a.jpg": picture(), "b.jpg": picture(seed=1)}
    folder = write(tmp_path, files)
    assert refusal(folder, "label_studio", ["card"]).endswith(
        "project-1.json: task[1]: annotations[0]: result[0]: it has no label: a card, or not?"
    )
    assert [len(record.cards) for record in scenes(folder, "label_studio")] == [1, 1]


def test_labels_in_a_region_of_their_own_stand_in_the_small_export(tmp_path):
    drawn = {"original_width": 160, "original_height": 120, "closed": True}
    drawn["points"] = (SHARES * 100).tolist()
    row = {"image": "a.jpg", "id": 1, "annotation_id": 5, "lead_time": 2.0, "outline": [drawn]}
    row["label"] = [{**drawn, "labels": ["card"]}]
    folder = write(tmp_path, {"project-1.json": [row], "a.jpg": picture()})
    assert np.allclose(card_px(folder, "label_studio", ["card"]), QUAD_PX)


@pytest.mark.parametrize("labels", [["tl", "tr", "br", "bl"], ["card"] * 4])
def test_keypoints_in_a_rectangle_are_the_cards_corners_and_it_is_not(tmp_path, labels):
    box = {"x": 23, "y": 24, "width": 53, "height": 49, "rotation": 0}
    frame = {**REGION, "type": "rectanglelabels", "value": {**box, "rectanglelabels": ["card"]}}

    def change(task):
        keypoints((SHARES * 100).tolist())(task)
        points = task["annotations"][0]["result"]
        for index, (point, label) in enumerate(zip(points, labels, strict=True)):
            point["value"]["keypointlabels"] = [label]
            point.update(id=f"k{index}", parentID="r1")
        points.append(frame)

    folder = export(tmp_path, change)
    assert np.allclose(card_px(folder, "label_studio", ["card"]), QUAD_PX)


def small_pose(**own):
    """Make a row of JSON-MIN: a rectangle and four keypoints; `own` maps a field to one of each."""
    sized = {"original_width": 160, "original_height": 120}
    box = {"x": 23, "y": 24, "width": 53, "height": 49, "rotation": 0, "rectanglelabels": ["card"]}
    points = [
        {"x": x, "y": y, "width": 0.3, "keypointlabels": [label], **sized}
        for (x, y), label in zip((SHARES * 100).tolist(), ("tl", "tr", "br", "bl"), strict=True)
    ]
    for field, (of_box, of_point) in own.items():
        box[field] = of_box
        for index, point in enumerate(points):
            point[field] = of_point.format(index)
    return small_row(label=[{**box, **sized}], kp=points)


def test_keypoints_of_a_rectangle_stand_in_the_small_export(tmp_path):
    row = small_pose(id=("r1", "k{}"), parentID=(None, "r1"))
    folder = small_export(tmp_path, row)
    assert np.allclose(card_px(folder, "label_studio", ["card"]), QUAD_PX)


@pytest.mark.parametrize("own", [{}, {"id": ("r1", "k{}")}])
def test_the_only_rectangle_of_a_small_row_frames_the_four_points_that_end_at_it(tmp_path, own):
    folder = small_export(tmp_path, small_pose(**own))
    assert np.allclose(card_px(folder, "label_studio", ["card"]), QUAD_PX)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row["kp"].pop(),
        lambda row: row["kp"].append(row["kp"][0]),
        lambda row: row["label"].append(row["label"][0]),
        lambda row: row["label"][0].update(width=20),
        lambda row: row["label"][0].update(x="?"),
        lambda row: row["label"][0].update(rotation=20),
    ],
    ids=["three", "five", "two boxes", "another place", "no number", "turned"],
)
def test_keypoints_and_rectangles_of_unknown_parents_are_refused(tmp_path, change):
    row = small_pose()
    change(row)
    told = refusal(small_export(tmp_path, row), "label_studio")
    assert "without 'parentID'" in told and "export JSON, not JSON-MIN" in told


def test_rows_of_another_tool_are_said_to_lack_what_they_lack(tmp_path):
    rows = [{"image": "a.jpg", "annotations": [{"label": "card", "coordinates": {"x": 1}}]}]
    told = refusal(small_export(tmp_path, *rows), "label_studio")
    assert "tasks without 'data'; is it of another tool" in told


CORNERS = ("tl", "tr", "br", "bl")


def labelled_points(places):
    """Four keypoints of each card: (x, y) of its top left corner, and the label of each corner."""

    def change(task):
        task["annotations"][0]["result"] = [
            {
                **REGION,
                "id": f"{number}-{corner}",
                "type": "keypointlabels",
                "value": {"x": x + right, "y": y + down, "keypointlabels": [label]},
            }
            for number, (x, y, labels) in enumerate(places)
            for corner, (label, (right, down)) in enumerate(
                zip(labels, ((0, 0), (35, 3), (35, 30), (0, 28)), strict=True)
            )
        ]

    return change


def test_corners_of_four_cards_are_no_cards_by_their_labels(tmp_path):
    places = [(x, y, CORNERS) for x in (5, 55) for y in (5, 55)]
    message = refusal(export(tmp_path, labelled_points(places)), "label_studio")
    assert len(message.splitlines()) == 4
    assert "keypoints of one label, which overlap those of another: corners of several" in message


def test_keypoints_of_cards_beside_each_other_each_with_a_label_are_cards(tmp_path):
    places = [(5, 5, ["one"] * 4), (55, 55, ["two"] * 4)]
    (record,) = scenes(export(tmp_path, labelled_points(places)), "label_studio")
    assert len(record.cards) == 2


def test_four_cards_each_of_a_label_of_its_own_are_no_corners(tmp_path):
    places = [(x, y, [f"{x} {y}"] * 4) for x in (5, 55) for y in (5, 55)]
    (record,) = scenes(export(tmp_path, labelled_points(places)), "label_studio")
    assert len(record.cards) == 4


def test_keypoints_of_a_photo_on_a_card_are_another_label(tmp_path):
    places = [(5, 5, ["card"] * 4), (8, 8, ["photo"] * 4)]
    (record,) = scenes(export(tmp_path, labelled_points(places)), "label_studio", ["card"])
    assert len(record.cards) == 1
