import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import EDGES_PX, QUAD_PX, card_px, picture, refusal, scenes, write

POINTS = ";".join(f"{x:.2f},{y:.2f}" for x, y in EDGES_PX)
POLYGON = f'<polygon label="card" occluded="0" points="{POINTS}" z_order="0"></polygon>'
IMAGE = '<image id="0" name="a.jpg" width="160" height="120">{}</image>'


def document(inner=POLYGON, image=IMAGE):
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
        f"<meta><task><id>1</id></task></meta>{image.format(inner)}</annotations>"
    )


def export(folder, inner=POLYGON, image=IMAGE, files=None):
    return write(
        folder,
        {"annotations.xml": document(inner, image), "a.jpg": picture(), **(files or {})},
    )


def test_a_polygon_counts_from_pixel_edges(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "cvat"), QUAD_PX)


def test_four_points_are_corners_in_any_order(tmp_path):
    points = ";".join(f"{x},{y}" for x, y in EDGES_PX[[3, 1, 0, 2]])
    inner = f'<points label="card" points="{points}"/>'
    assert np.allclose(card_px(export(tmp_path, inner), "cvat"), QUAD_PX)


def test_a_box_is_turned_clockwise_about_its_centre(tmp_path):
    inner = '<box label="card" xtl="50" ytl="40" xbr="110" ybr="80" rotation="90"/>'
    expected = np.array([[60, 30], [100, 30], [100, 90], [60, 90]]) - 0.5
    assert np.allclose(card_px(export(tmp_path, inner), "cvat"), expected)
    turned = '<box label="card" xtl="50" ytl="40" xbr="110" ybr="80" rotation="30"/>'
    top_edge = np.diff(card_px(export(tmp_path / "b", turned), "cvat")[:2], axis=0)[0]
    assert np.isclose(np.degrees(np.arctan2(top_edge[1], top_edge[0])), 30)


def test_a_tag_and_other_labels_are_ignored(tmp_path):
    inner = POLYGON + '<tag label="blurred"/><ellipse label="coin" cx="1"/>'
    tally = Tally()
    (record,) = scenes(export(tmp_path, inner), "cvat", ["card"], tally)
    assert len(record.cards) == 1 and tally.ignored_labels == {"coin": 1}


def test_an_image_without_shapes_holds_no_card(tmp_path):
    assert [len(r.cards) for r in scenes(export(tmp_path, ""), "cvat")] == [0]


def test_a_stated_design_is_kept(tmp_path):
    inner = POLYGON.replace("></", '><attribute name="design">acme</attribute></')
    (record,) = scenes(export(tmp_path, inner), "cvat")
    assert record.cards[0].design == "acme"


def test_pictures_in_folders_of_their_own_are_found(tmp_path):
    files = {"images/default/a.jpg": picture()}
    folder = write(tmp_path, {"annotations.xml": document(), **files})
    assert len(scenes(folder, "cvat")) == 1


def test_rounded_corners_are_fitted(tmp_path):
    points = []
    for index, corner in enumerate(EDGES_PX):
        for other in (EDGES_PX[index - 1], EDGES_PX[(index + 1) % 4]):
            points.append(corner + (other - corner) / np.linalg.norm(other - corner) * 3)
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    inner = f'<polygon label="card" points="{text}"/>'
    assert np.abs(card_px(export(tmp_path, inner), "cvat") - QUAD_PX).max() < 0.1


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ('<polyline label="card" points="1,2;3,4"/>', "a polyline is no card's outline"),
        ('<cuboid label="card" xtl1="1"/>', "a cuboid is no card's outline"),
        ('<polygon label="card" points="1,2;3;4"/>', "points: expected x,y;x,y"),
        ('<points label="card" points="1,2;3,4;50,60"/>', "has 3 points; a card has four"),
        ('<points label="card" points="0,0;90,0;45,60;45,20"/>', "inside the others' triangle"),
        ('<box label="card" xtl="5" ytl="" xbr="9" ybr="9"/>', "xtl, ytl, xbr, ybr, rotation"),
        ('<polygon points="1,2"/>', "polygon[0]: label: expected a text"),
    ],
)
def test_what_is_no_card_is_refused_by_name(tmp_path, inner, words):
    assert words in refusal(export(tmp_path, inner), "cvat")


def test_a_skeleton_of_four_points_is_the_corners(tmp_path):
    corners = "".join(
        f'<points label="{name}" occluded="0" outside="0" points="{x},{y}"></points>'
        for name, (x, y) in zip("abcd", EDGES_PX[[1, 3, 0, 2]], strict=True)
    )
    inner = f'<skeleton label="card" source="manual" z_order="0">{corners}</skeleton>'
    assert np.allclose(card_px(export(tmp_path, inner), "cvat"), QUAD_PX)
    hidden = inner.replace('outside="0"', 'outside="1"', 1)
    assert "['a'] are outside" in refusal(export(tmp_path / "b", hidden), "cvat")
    inner = inner.replace(corners, corners * 2)
    assert "a skeleton of 8 points" in refusal(export(tmp_path / "c", inner), "cvat")


def test_shapes_of_one_group_are_parts_of_one_card(tmp_path):
    halves = [
        [[40.5, 30.5], [76, 32.7], [76, 83], [38.5, 80.5]],
        [[84, 33.2], [120.5, 35.5], [115.5, 85.5], [84, 83.5]],
    ]
    texts = [";".join(f"{x},{y}" for x, y in half) for half in halves]
    inner = "".join(f'<polygon label="card" group_id="3" points="{text}"/>' for text in texts)
    inner += '<polygon label="hand" group_id="3" points="1,1;9,1;9,9"/>'
    found = card_px(export(tmp_path, inner), "cvat", ["card"])
    assert np.abs(found - QUAD_PX).max() < 1


def test_the_frames_of_a_video_share_their_design(tmp_path):
    meta = "<task><mode>interpolation</mode><source>clip.mp4</source>"
    image = '<image id="{0}" name="frame_00000{0}" width="160" height="120">' + POLYGON + "</image>"
    text = document(image="".join(image.format(i) for i in (1, 2))).replace("<task>", meta)
    files = {f"images/frame_00000{i}.PNG": picture(seed=i, suffix="PNG") for i in (1, 2)}
    found = scenes(write(tmp_path, {"annotations.xml": text, **files}), "cvat")
    assert {card.design for record in found for card in record.cards} == {"clip.mp4"}
    assert {record.backgrounds for record in found} == {("clip.mp4",)}


def test_only_the_frames_of_a_projects_videos_share_theirs(tmp_path):
    task = "<task><id>{0}</id><name>t{0}</name><mode>{1}</mode></task>"
    tasks = task.format(1, "interpolation") + task.format(2, "annotation")
    meta = f"<meta><project><name>p</name><tasks>{tasks}</tasks></project></meta>"
    image = (
        '<image id="0" task_id="{1}" name="{0}" width="160" height="120">' + POLYGON + "</image>"
    )
    names = [("frame_000000", 1), ("frame_000001", 1), ("a.jpg", 2), ("b.jpg", 2)]
    inner = "".join(image.format(*pair) for pair in names)
    text = f"<annotations><version>1.1</version>{meta}{inner}</annotations>"
    files = [f"images/{name}.PNG" if "frame" in name else name for name, _ in names]
    photos = {name: picture(seed=i, suffix="PNG") for i, name in enumerate(files)}
    found = scenes(write(tmp_path, {"annotations.xml": text, **photos}), "cvat")
    assert len(found) == 4 and len({record.cards[0].design for record in found}) == 3


def test_pictures_of_one_name_are_told_apart_by_their_subset(tmp_path):
    image = '<image id="{0}" name="a.jpg" subset="{1}" width="160" height="120">{2}</image>'
    both = image.format(0, "train", POLYGON) + image.format(1, "val", "")
    files = {f"images/{name}/a.jpg": picture(seed=i) for i, name in enumerate(("train", "val"))}
    found = scenes(write(tmp_path, {"annotations.xml": document(image=both), **files}), "cvat")
    assert [len(record.cards) for record in found] == [1, 0]


@pytest.mark.parametrize(
    "text",
    ["<annotations", "<annotation><folder/></annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"],
)
def test_xml_of_another_kind_is_refused(tmp_path, text):
    message = refusal(write(tmp_path, {"annotations.xml": text, "a.jpg": picture()}), "cvat")
    assert "annotations.xml: no CVAT export" in message


def test_a_size_that_is_no_number_is_refused(tmp_path):
    image = IMAGE.replace('"160"', '"wide"')
    assert "image[0]: width, height: expected whole" in refusal(
        export(tmp_path, image=image), "cvat"
    )


def boxed(points, label="corners"):
    low, high = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    ends = f'xtl="{low[0]}" ytl="{low[1]}" xbr="{high[0]}" ybr="{high[1]}"'
    listed = ";".join(f"{x},{y}" for x, y in points)
    return (
        f'<box label="card" {ends} group_id="1"/>'
        f'<points label="{label}" points="{listed}" group_id="1"/>'
    )


def test_four_points_in_one_element_are_the_corners_of_the_box_of_their_group(tmp_path):
    folder = export(tmp_path, boxed(EDGES_PX))
    assert np.allclose(card_px(folder, "cvat", ["card"]), QUAD_PX)


def test_three_points_in_one_element_make_no_card_of_the_box(tmp_path):
    folder = export(tmp_path, boxed(EDGES_PX[:3]))
    assert "a box and 3 points in its group; expected" in refusal(folder, "cvat", ["card"])
