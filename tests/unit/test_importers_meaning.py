"""What tools mean by what they write: boxes in groups, two pictures, numbers of other starts."""

import copy
import gzip
import json

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from meishi.geometry import quads
from tests.exports import EDGES_PX, QUAD_PX, SHARES, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_cvat_video as cvat_video
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme
from tests.unit import test_importers_yolo as yolo

UPRIGHT_PX = (120, 160)  # of a picture of 160x120 that EXIF turns by a quarter
LABEL_STUDIO = {"info": {"contributor": "Label Studio"}}
NAMES = ("tl", "tr", "br", "bl")
(LEFT, TOP), (RIGHT, BOTTOM) = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)


# Label Studio's COCO: percent of the upright picture, times the size of the stored one.


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_polygons_of_label_studio_are_shares_of_the_upright_picture(tmp_path, turn):
    shares_px = (SHARES * (160, 120)).ravel().tolist()

    def change(root):
        root.update(LABEL_STUDIO)
        root["annotations"][0]["segmentation"] = [shares_px]

    found = card_px(coco.export(tmp_path, change, {"a.jpg": picture(turn=turn)}), "coco")
    size_px = UPRIGHT_PX if turn >= 5 else (160, 120)
    assert np.allclose(found, quads.to_px(SHARES, size_px))


def test_coco_of_another_tool_is_read_as_it_was(tmp_path):
    folder = coco.export(tmp_path, files={"a.jpg": picture(turn=6)})  # the stored picture's size
    assert not np.allclose(card_px(folder, "coco"), quads.to_px(SHARES, UPRIGHT_PX))


# A box that frames the other shapes of its group.


def xml_points(points):
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in points)


def xml_box(left=LEFT, top=TOP, right=RIGHT, bottom=BOTTOM):
    return f'<box label="card" group_id="1" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"/>'


FRAMED = {
    "polygon": f'<polygon label="card" group_id="1" points="{xml_points(EDGES_PX)}"/>',
    "points": f'<points label="card" group_id="1" points="{xml_points(EDGES_PX)}"/>',
    "skeleton": '<skeleton label="card" group_id="1">'
    + "".join(f'<points label="{i}" points="{x},{y}"/>' for i, (x, y) in enumerate(EDGES_PX))
    + "</skeleton>",
    "single points": "".join(
        f'<points label="{name}" group_id="1" points="{x},{y}"/>'
        for name, (x, y) in zip(NAMES, EDGES_PX, strict=True)
    ),
}


@pytest.mark.parametrize("inner", FRAMED.values(), ids=FRAMED)
@pytest.mark.parametrize("first", [True, False])
def test_a_box_of_a_group_frames_its_outline(tmp_path, inner, first):
    both = xml_box() + inner if first else inner + xml_box()
    assert np.allclose(card_px(cvat.export(tmp_path, both), "cvat"), QUAD_PX, atol=0.01)


@pytest.mark.parametrize("inner", FRAMED.values(), ids=FRAMED)
def test_a_box_that_disagrees_with_its_group_is_refused(tmp_path, inner):
    assert "of its group disagree" in refusal(
        cvat.export(tmp_path, xml_box(right=155) + inner), "cvat"
    )


def test_a_box_frames_a_mask(tmp_path):
    runs = "0,2000"
    mask = (
        f'<mask label="card" group_id="1" left="30" top="20" width="50" height="40" rle="{runs}"/>'
    )
    box = xml_box(30, 20, 80, 60)
    alone = card_px(cvat.export(tmp_path / "a", mask), "cvat")
    assert np.allclose(card_px(cvat.export(tmp_path / "b", box + mask), "cvat"), alone)


def test_a_turned_box_and_boxes_of_other_labels_are_outlines_of_their_own(tmp_path):
    turned = '<box label="card" group_id="1" xtl="5" ytl="5" xbr="35" ybr="25" rotation="5"/>'
    logo = '<box label="logo" group_id="1" xtl="5" ytl="90" xbr="35" ybr="110"/>'
    folder = cvat.export(tmp_path, logo + FRAMED["polygon"])
    assert len(scenes(folder, "cvat")[0].cards) == 2
    both = turned + FRAMED["polygon"]  # parts of one card, as ever: they make no quad together
    assert "the outline" in refusal(cvat.export(tmp_path / "b", both), "cvat")


def test_a_box_frames_the_polygon_of_its_group_in_labelme(tmp_path):
    box = {"label": "card", "shape_type": "rectangle", "points": [[LEFT, TOP], [RIGHT, BOTTOM]]}

    def change(root):
        root["shapes"] = [{**shape, "group_id": 3} for shape in (*root["shapes"], box)]

    assert np.allclose(card_px(labelme.export(tmp_path, change), "labelme"), QUAD_PX)


def test_four_points_of_a_group_need_no_common_label(tmp_path):
    assert np.allclose(card_px(cvat.export(tmp_path, FRAMED["single points"]), "cvat"), QUAD_PX)
    shapes = [
        {"label": name, "shape_type": "point", "points": [corner], "group_id": 1}
        for name, corner in zip(NAMES, EDGES_PX.tolist(), strict=True)
    ]
    found = labelme.export(tmp_path / "b", lambda root: root.update(shapes=shapes))
    assert np.allclose(card_px(found, "labelme", ["tl"]), QUAD_PX)


def test_keypoints_with_a_label_for_each_corner_are_one_card(tmp_path):
    def change(task):
        label_studio.keypoints((SHARES * 100).tolist())(task)
        for name, region in zip(NAMES, task["annotations"][0]["result"], strict=True):
            region["value"] = {**region["value"], "keypointlabels": [name]}

    assert np.allclose(card_px(label_studio.export(tmp_path, change), "label_studio"), QUAD_PX)


# Label Studio: whose picture, and whose work.


def test_rows_that_nobody_annotated_are_no_scenes_without_cards(tmp_path):
    row = {"image": "a.jpg", "id": 1, "annotation_id": 5, "lead_time": 2.0}
    row["label"] = [{**label_studio.REGION["value"], "original_width": 160, "original_height": 120}]
    nobody = {"image": "b.jpg", "id": 2, "annotation_id": None, "lead_time": None}
    empty = {"image": "c.jpg", "id": 3, "annotation_id": 6, "lead_time": 1.0}
    files = {f"{name}.jpg": picture(seed=seed) for seed, name in enumerate("abc")}
    tally = Tally()
    folder = write(tmp_path, {"project-1.json": [row, nobody, empty], **files})
    found = scenes(folder, "label_studio", (), tally)
    assert [record.attributes["photo"] for record in found] == ["a.jpg", "c.jpg"]
    assert tally.left_out["tasks that nobody annotated"] == 1


TWO = {"image": "/data/upload/1/0a1b2c3d-front.jpg", "back": "/data/upload/1/0a1b2c3e-back.jpg"}
TWO_FILES = {"front.jpg": picture(), "back.jpg": picture(seed=1)}


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ({"to_name": "back"}, "back.jpg"),
        ({"to_name": "image"}, "front.jpg"),
        ({"to_name": "img-1", "source": "$back"}, "back.jpg"),
    ],
)
def test_of_two_pictures_the_one_that_was_drawn_on_is_taken(tmp_path, stated, name):
    def change(task):
        task["data"] = TWO
        label_studio.region(**stated)(task)

    (record,) = scenes(label_studio.export(tmp_path, change, TWO_FILES), "label_studio")
    assert record.attributes["photo"] == name


def test_of_two_pictures_none_is_guessed(tmp_path):
    def change(task):
        task["data"] = TWO
        label_studio.region(to_name="img-2")(task)

    message = refusal(label_studio.export(tmp_path, change, TWO_FILES), "label_studio")
    assert "image, back: several pictures" in message


def test_a_task_without_cards_shows_the_picture_that_the_others_show(tmp_path):
    first, empty = copy.deepcopy(label_studio.GOOD), copy.deepcopy(label_studio.GOOD)
    first["data"] = {"front": "a.jpg", "thumb": "t.jpg"}
    first["annotations"][0]["result"][0]["to_name"] = "front"
    empty |= {"id": 2, "data": {"front": "b.jpg", "thumb": "u.jpg"}}
    empty["annotations"][0]["result"] = []
    files = {f"{name}.jpg": picture(seed=seed) for seed, name in enumerate("abtu")}
    found = scenes(write(tmp_path, {"project-1.json": [first, empty], **files}), "label_studio")
    assert [record.attributes["photo"] for record in found] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "data",
    [
        {"image": "/data/upload/1/0a1b2c3d-a.jpg", "original": "a.jpg"},
        {"pages": ["a.jpg"]},
        {"image": "https://labels.example.org/storage-data/uploaded/?filepath=upload/1/a.jpg"},
    ],
)
def test_one_picture_is_one_however_it_is_stated(tmp_path, data):
    folder = label_studio.export(tmp_path, lambda task: task.update(data=data))
    assert len(scenes(folder, "label_studio")) == 1


@pytest.mark.parametrize("kind", ["ranker", "pairwise", "hypertextlabels"])
def test_what_is_said_of_texts_and_pairs_is_no_shape(tmp_path, kind):
    def change(task):
        task["annotations"][0]["result"].append(
            {"id": "x", "type": kind, "value": {kind: ["card"]}}
        )

    assert len(scenes(label_studio.export(tmp_path, change), "label_studio")[0].cards) == 1


def test_a_picture_in_an_address_is_not_printed(tmp_path):
    data = {"image": "data:image/jpeg;base64," + "/9j4" * 400}
    message = refusal(label_studio.export(tmp_path, lambda t: t.update(data=data)), "label_studio")
    assert "no picture 'data:image/jpeg;base64," in message and len(message) < 400


@pytest.mark.parametrize("prefix", ["1a2b3c4d__", "1a2b3c__", "0a1b2c3d-", "1a2b3c4d__0a1b2c3d-"])
def test_what_label_studio_puts_before_a_name_does_not_count(tmp_path, prefix):
    change = coco.image(file_name=f"images/{prefix}a.jpg")
    assert len(scenes(coco.export(tmp_path / "c", change), "coco")) == 1
    files = {"images/a.jpg": picture(), f"labels/{prefix}a.txt": yolo.ROW}
    assert len(scenes(write(tmp_path / "y", files), "yolo")[0].cards) == 1


def test_two_texts_of_one_upload_are_refused(tmp_path):
    files = {f"labels/{prefix}-a.txt": yolo.ROW for prefix in ("0a1b2c3d", "0a1b2c3e")}
    message = refusal(write(tmp_path, {"images/a.jpg": picture(), **files}), "yolo")
    assert "labels in labels/0a1b2c3d-a.txt and in labels/0a1b2c3e-a.txt" in message


# Frames and subsets that are numbered or named otherwise.


def test_tracks_over_pictures_are_refused(tmp_path):
    meta = cvat_video.META.replace("interpolation", "annotation")
    folder = cvat_video.export(tmp_path, cvat_video.shape(0), meta=meta)
    assert "CVAT for images 1.1" in refusal(folder, "cvat")


@pytest.mark.parametrize(
    ("frames", "sound"), [(range(10), True), (range(1, 11), False), ([3], True)]
)
def test_pictures_that_are_numbered_from_one_are_refused(tmp_path, frames, sound):
    shapes = [cvat_video.shape(frame) for frame in range(10)]
    folder = cvat_video.export(tmp_path, *shapes, frames=frames)
    if sound:
        assert len(scenes(folder, "cvat")) == len(frames)
    else:
        assert "from another start, to 10" in refusal(folder, "cvat")


@pytest.mark.parametrize("place", ["images/{}", "{}"])
def test_coco_of_two_subsets_may_have_pictures_of_one_name(tmp_path, place):
    files = {}
    for seed, subset in enumerate(("Train", "Validation")):
        files[f"annotations/instances_{subset}.json"] = coco.GOOD
        files[f"{place.format(subset)}/a.jpg"] = picture(seed=seed)
    assert len(scenes(write(tmp_path, files), "coco")) == 2


@pytest.mark.parametrize("rows", [{"caption": "a card"}, {"category_id": 3}, {"segments_info": []}])
def test_datumaros_other_lists_are_left_out(tmp_path, rows):
    other = {**coco.GOOD, "annotations": [{"id": 1, "image_id": 1, **rows}]}
    tally = Tally()
    folder = coco.export(tmp_path, files={"labels_default.json": other})
    assert len(scenes(folder, "coco", (), tally)) == 1
    assert tally.left_out[".json files that are no COCO annotation"] == 1


def test_a_row_with_a_confidence_is_told(tmp_path):
    assert "is it a prediction" in refusal(yolo.export(tmp_path, f"{yolo.ROW} 0.9"), "yolo")


# SmartDoc's frames as they are published.


def table(**values):
    corners = dict(zip([f"{n}_{a}" for n in NAMES for a in "xy"], QUAD_PX.ravel(), strict=True))
    row = {
        "bg_name": "background01",
        "model_name": "datasheet001",
        "image_path": "background01/datasheet001/frame_0001.jpeg",
        "frame_index": 1,
        **corners,
        **values,
    }
    return ",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n"


def smartdoc(folder, text, name="metadata.csv"):
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    return write(folder, {name: content, "background01/datasheet001/frame_0001.jpeg": picture()})


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.csv.gz", "Metadata.CSV"])
def test_smartdocs_table_is_read(tmp_path, name):
    tally = Tally()
    (record,) = scenes(smartdoc(tmp_path, table(), name), "smartdoc", (), tally)
    assert np.allclose(quads.to_px(record.cards[0].quad, record.size_px), QUAD_PX)
    assert (record.cards[0].design, *record.backgrounds) == ("datasheet001", "background01")
    assert not tally.left_out["archives inside the export, left out"]


def test_frames_of_the_table_without_a_picture_are_counted(tmp_path):
    more = table(image_path="background02/datasheet001/frame_0001.jpeg").split("\n")[1]
    tally = Tally()
    assert len(scenes(smartdoc(tmp_path, table() + more), "smartdoc", (), tally)) == 1
    assert tally.left_out["frames of which there is no picture"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (table(tl_x="far"), "line 2: tl_x, tl_y"),
        (table().replace("br_y", "b"), "no column br_y"),
        ("", "no column image_path"),
        (table().replace("datasheet001,", '"datasheet001,', 1), "mend it, or take it out"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, words):
    assert words in refusal(smartdoc(tmp_path, text), "smartdoc")


def test_a_table_that_was_cut_is_refused(tmp_path):
    folder = smartdoc(tmp_path, table(), "metadata.csv.gz")
    file = folder / "metadata.csv.gz"
    file.write_bytes(file.read_bytes()[:-12])
    assert "mend it, or take it out" in refusal(folder, "smartdoc")


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.csv.gz"])
def test_a_table_that_was_named_is_the_only_one_that_is_read(tmp_path, name):
    folder = smartdoc(tmp_path, table(), name)
    path = "../background01/datasheet001/frame_0001.jpeg"
    write(folder, {"old/metadata.csv": table(tl_x="far", image_path=path)})
    assert "old/metadata.csv line 2" in refusal(folder, "smartdoc")
    assert len(scenes(folder / name, "smartdoc")[0].cards) == 1


def corners_outside(*more):
    points = [[-8, 30], [120, 35], [115, 85], [-10, 80], *more]
    return {**coco.GOOD["annotations"][0], "segmentation": [sum(points, [])]}


@pytest.mark.parametrize("more", [[[-10, 80]], [[-9, 55]], [[-10, 80], [-8, 30]]])
def test_a_point_twice_or_on_the_way_along_a_side_does_not_count(tmp_path, more):
    expected = card_px(coco.export(tmp_path / "four", coco.annotation(**corners_outside())), "coco")
    folder = coco.export(tmp_path / "more", coco.annotation(**corners_outside(*more)))
    np.testing.assert_allclose(card_px(folder, "coco"), expected)


def test_four_sharp_points_of_a_dense_outline_are_not_its_corners(tmp_path):
    def corner(x, y, first_deg):
        turn = np.deg2rad(first_deg + np.arange(0, 91, 6))
        return 10 * np.stack([np.cos(turn), np.sin(turn)], axis=1) + (x, y)

    notch = [[92, 90], [92, 84], [68, 84], [68, 90]]
    right, left = (
        [corner(115, 40, -90), corner(115, 80, 0)],
        [corner(45, 80, 90), corner(45, 40, 180)],
    )
    outline = np.concatenate([*right, notch, *left])
    outline = densely(outline)
    found = card_px(
        coco.export(tmp_path, coco.annotation(segmentation=[(outline + 0.5).ravel().tolist()])),
        "coco",
    )
    assert np.ptp(found, axis=0).min() > 50


def densely(outline, step=2.0):
    """Add points along an outline (N, 2), a step apart."""
    points = []
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        count = max(int(np.linalg.norm(end - start) / step), 1)
        points += [start + (end - start) * k / count for k in range(count)]
    return np.array(points)


@pytest.mark.parametrize("copied", [False, True], ids=["listed-twice", "a-copy"])
def test_the_same_cards_in_another_order_are_the_same(tmp_path, copied):
    def both(root):
        small = [[10, 10, 30, 11, 29, 20, 10, 19]]
        root["annotations"].append({**root["annotations"][0], "id": 2, "segmentation": small})

    folder = coco.export(tmp_path, both)
    root = json.loads((folder / "annotations.json").read_text())
    root["annotations"].reverse()
    root["images"][0]["file_name"] = "b.jpg" if copied else "a.jpg"
    (record,) = scenes(write(folder, {"other.json": root, "b.jpg": picture()}), "coco")
    assert len(record.cards) == 2


def test_a_missing_picture_is_named_as_the_label_file_states_it(tmp_path):
    files = {"annotations/instances_default.json": coco.GOOD, "images/default/b.jpg": picture()}
    assert "no picture 'a.jpg' in the source" in refusal(write(tmp_path, files), "coco")


def test_a_file_that_is_named_and_no_label_file_is_told(tmp_path):
    folder = coco.export(tmp_path, files={"a.jpg": picture(), "data.yaml": "names: [card]\n"})
    assert "data.yaml, which is named, is none" in refusal(folder / "data.yaml", "coco")
