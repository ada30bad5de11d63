import base64
import copy

import numpy as np
import pytest
from PIL import Image

from meishi.data.importers.labelled import Tally
from tests import exports
from tests.exports import EDGES_PX, QUAD_PX, card_px, picture, refusal, scenes, write

GOOD = {
    "version": "5.5.0",
    "imagePath": "a.jpg",
    "imageData": None,
    "imageWidth": 160,
    "imageHeight": 120,
    "shapes": [
        {"label": "card", "points": EDGES_PX.tolist(), "shape_type": "polygon", "group_id": None}
    ],
}


def export(folder, change=lambda root: None, files=None):
    root = copy.deepcopy(GOOD)
    change(root)
    return write(folder, {"a.json": root, "a.jpg": picture(), **(files or {})})


def shape(**values):
    return lambda root: root["shapes"][0].update(values)


def top(**values):
    return lambda root: root.update(values)


def test_a_polygon_counts_from_pixel_edges(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "labelme"), QUAD_PX)


def test_a_rectangle_is_two_corners_in_any_order(tmp_path):
    change = shape(shape_type="rectangle", points=[[100.5, 20.5], [20.5, 80.5]])
    expected = [[20, 20], [100, 20], [100, 80], [20, 80]]
    assert np.allclose(card_px(export(tmp_path, change), "labelme"), expected)


def test_four_points_of_a_group_are_the_corners(tmp_path):
    def change(root):
        root["shapes"] = [
            {"label": "card", "points": [p], "shape_type": "point", "group_id": 1}
            for p in EDGES_PX[[0, 2, 1, 3]].tolist()
        ]

    assert np.allclose(card_px(export(tmp_path, change), "labelme"), QUAD_PX)


def test_polygons_of_one_label_and_group_are_parts_of_one_card(tmp_path):
    halves = [
        [[40.5, 30.5], [76, 32.7], [76, 83], [38.5, 80.5]],
        [[84, 33.2], [120.5, 35.5], [115.5, 85.5], [84, 83.5]],
    ]

    def change(root):
        root["shapes"] = [{"label": "card", "points": half, "group_id": 0} for half in halves]
        root["shapes"].append({"label": "hand", "points": halves[0], "group_id": 0})

    assert np.abs(card_px(export(tmp_path, change), "labelme", ["card"]) - QUAD_PX).max() < 1


def test_what_a_group_cannot_hold_is_refused(tmp_path):
    def change(root):
        root["shapes"][0]["group_id"] = 1
        root["shapes"].append({"label": "card", "points": [[1, 2]], "shape_type": "point",
                               "group_id": 1})  # fmt: skip

    assert "corners and polygon in one group" in refusal(export(tmp_path, change), "labelme")


def test_an_embedded_picture_stands_in_for_a_missing_file(tmp_path):
    root = {**GOOD, "imageData": base64.b64encode(picture()).decode()}
    assert np.allclose(card_px(write(tmp_path, {"x.json": root}), "labelme"), QUAD_PX)


def test_the_picture_beside_is_taken_when_its_path_leads_nowhere(tmp_path):
    assert len(scenes(export(tmp_path, top(imagePath="..\\old\\IMG_1.jpg")), "labelme")) == 1


def test_labels_in_a_folder_of_their_own_find_the_picture(tmp_path):
    root = {**GOOD, "imagePath": "..\\images\\a.jpg"}
    files = {"labels/a.json": root, "images/a.jpg": picture(), "other/a.jpg": picture(seed=1)}
    (record,) = scenes(write(tmp_path, files), "labelme")
    assert record.attributes["photo"] == "images/a.jpg"


def test_a_picture_without_a_file_holds_no_card_and_is_counted(tmp_path):
    tally = Tally()
    found = scenes(export(tmp_path, files={"b.jpg": picture(seed=1)}), "labelme", (), tally)
    assert [len(record.cards) for record in found] == [1, 0]
    assert any("taken as scenes without cards: 1" in line for line in tally.lines())


def test_cards_of_a_photo_share_its_design_and_no_other_has_it(tmp_path):
    def change(root):
        root["shapes"].append({"label": "card", "points": [[2, 2], [30, 2], [30, 20], [2, 20]]})

    second = {**copy.deepcopy(GOOD), "imagePath": "b.jpg"}
    files = {"b.json": second, "b.jpg": picture(seed=1)}
    found = scenes(export(tmp_path, change, files), "labelme")
    names = [{c.design for c in record.cards} | set(record.backgrounds) for record in found]
    assert [len(own) for own in names] == [1, 1] and not names[0] & names[1]


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_the_stated_size_tells_which_picture_was_labelled(tmp_path, turn):
    upright = exports.write(tmp_path / "u", {})
    stored = {"a.json": GOOD, "a.jpg": picture(turn=turn)}
    (record,) = scenes(write(upright, stored), "labelme")
    assert record.size_px == (120, 160)
    on_upright = {**GOOD, "imageWidth": 120, "imageHeight": 160}
    on_upright["shapes"] = [{"label": "card", "points": [[9, 9], [99, 9], [99, 70], [9, 70]]}]
    folder = write(tmp_path / "v", {"a.json": on_upright, "a.jpg": picture(turn=turn)})
    assert np.allclose(card_px(folder, "labelme")[0], [8.5, 8.5])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shape(shape_type="circle"), "shapes[0]: a circle is no card's outline"),
        (shape(points=[[1, 2], [3]]), "shapes[0]: points: expected a list of [x, y]"),
        (shape(label=None), "shapes[0]: label: expected a text"),
        (shape(points=(EDGES_PX - [150, 0]).tolist()), "inside the frame"),
        (top(imageWidth=1600), "made at 1600x120 px, the picture is 160x120 px"),
        (top(shapes=[*GOOD["shapes"] * 1, {"label": "card", "points": (EDGES_PX + 0.4).tolist()}]),
         "one card labelled twice?"),
        (top(shapes=None), "a.json: no labelme file: no list 'shapes'"),
        (top(shapes=[{"label": "card", "points": (np.array([[0, 0], [9, 0], [9, 9], [0, 9]])
                      + [12 * i, 0]).tolist()} for i in range(5)]), "5 cards; 4 at most"),
    ],
)  # fmt: skip
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, change, words):
    assert words in refusal(export(tmp_path, change), "labelme")


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_a_half_turn_in_exif_cannot_be_decided(tmp_path, turn):
    message = refusal(export(tmp_path, files={"a.jpg": picture(turn=turn)}), "labelme")
    assert f"EXIF orientation {turn}, and the stated size fits" in message


def test_a_broken_file_is_refused_one_of_another_kind_left_out(tmp_path):
    files = {"b.json": "{", "b.jpg": picture(seed=1), "settings.json": {"theme": "dark"}}
    message = refusal(export(tmp_path, files=files), "labelme")
    assert "b.json: no labelme file: not JSON" in message and "settings" not in message


def test_a_damaged_picture_is_refused(tmp_path):
    message = refusal(export(tmp_path, files={"a.jpg": picture()[:900]}), "labelme")
    assert "a.jpg: cannot be decoded in full" in message


def test_a_picture_that_is_damaged_inside_is_refused(tmp_path):
    whole = picture()
    half = len(whole) // 2
    message = refusal(
        export(tmp_path, files={"a.jpg": whole[:half] + whole[half + 400 :]}), "labelme"
    )
    assert "a.jpg: damaged inside; get the picture anew (" in message


def test_another_version_of_a_labelled_picture_is_no_scene_without_cards(tmp_path):
    files = {"a.png": picture(seed=1, suffix="PNG")}
    assert [len(r.cards) for r in scenes(export(tmp_path, files=files), "labelme")] == [1]


def test_a_path_that_names_another_picture_than_the_one_beside_is_refused(tmp_path):
    folder = export(tmp_path, top(imagePath="b.jpg"), {"b.jpg": picture(seed=1)})
    message = refusal(folder, "labelme")
    assert "a.json: imagePath: it names b.jpg, and a.jpg stands beside the file" in message


@pytest.mark.parametrize("move", [0, -60])
def test_a_polygon_that_repeats_its_first_point_is_what_it_is_without(tmp_path, move):
    points = np.concatenate([EDGES_PX, EDGES_PX[:1]]) + [move, 0]
    found = card_px(export(tmp_path, shape(points=points.tolist())), "labelme")
    assert np.allclose(found, QUAD_PX + [move, 0])


def posed(box, labels):
    """Write a rectangle and four points of one group, as X-AnyLabeling does of poses."""
    points = [
        {"label": label, "points": [p], "shape_type": "point", "group_id": 1}
        for label, p in zip(labels, EDGES_PX.tolist(), strict=True)
    ]
    frame = {"label": "card", "points": box, "shape_type": "rectangle", "group_id": 1}
    return top(shapes=[frame, *points])


@pytest.mark.parametrize("labels", [["tl", "tr", "br", "bl"], ["corner"] * 4, ["card"] * 4])
def test_four_points_in_the_group_of_a_rectangle_are_the_cards_corners(tmp_path, labels):
    folder = export(tmp_path, posed([[36, 29], [122, 88]], labels))
    assert np.allclose(card_px(folder, "labelme", ["card"]), QUAD_PX)
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)


def test_a_rectangle_that_goes_beyond_the_points_of_its_group_is_refused(tmp_path):
    folder = export(tmp_path, posed([[1, 1], [150, 110]], ["logo"] * 4))
    assert "shapes[0]: the box and the four points" in refusal(folder, "labelme", ["card"])


def test_a_box_around_a_card_is_not_one_more_card(tmp_path):
    def change(root):
        # Turned, so that the box is much larger than the card.
        root["shapes"][0]["points"] = [[80, 10], [140, 60], [110, 100], [50, 50]]
        box = {"label": "card", "points": [[51, 9], [139, 101]], "shape_type": "rectangle"}
        root["shapes"].append(box)

    folder = export(tmp_path, change)
    words = "shapes[1]: the outline and that of"
    assert words in refusal(folder, "labelme") and "shapes[0]" in refusal(folder, "labelme")


@pytest.mark.parametrize("points", [[[20, 20], [140, 100]], [[24, 22], [124, 88]]])
def test_a_card_that_lies_on_another_is_one_of_its_own(tmp_path, points):
    def change(root):
        pile = [[[20, 20], [120, 85]], points]
        root["shapes"] = [{"label": "card", "points": p, "shape_type": "rectangle"} for p in pile]

    (record,) = scenes(export(tmp_path, change), "labelme")
    assert len(record.cards) == 2


def test_a_carried_picture_may_be_a_data_url(tmp_path):
    data = "data:image/jpeg;base64," + base64.b64encode(picture()).decode()
    folder = write(tmp_path, {"a.json": {**GOOD, "imageData": data}})
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)


def carried(content):
    return {**GOOD, "imageData": base64.b64encode(content).decode()}


def test_a_carried_picture_is_not_replaced_by_another_of_its_name_elsewhere(tmp_path):
    dark = Image.new("RGB", exports.SIZE_PX, (20, 60, 20))
    dark.save(tmp_path / "dark.png")
    root = carried((tmp_path / "dark.png").read_bytes())
    (tmp_path / "dark.png").unlink()
    folder = write(tmp_path, {"one/a.json": root, "two/a.jpg": picture()})
    assert "one/a.json: imageData: another picture than two/a.jpg" in refusal(folder, "labelme")


@pytest.mark.parametrize("suffix", ["JPEG", "PNG"])
def test_a_carried_picture_that_was_compressed_anew_is_its_file(tmp_path, suffix):
    root = carried(picture(suffix=suffix))
    folder = write(tmp_path, {"json/a.json": root, "images/a.jpg": picture()})
    (record,) = scenes(folder, "labelme")
    assert record.attributes["photo"] == "images/a.jpg"


def box_and_points(points, **values):
    """A box, and points that are set in it, of a group or of none."""
    ends = [EDGES_PX.min(axis=0).tolist(), EDGES_PX.max(axis=0).tolist()]
    box = {"label": "card", "points": ends, "shape_type": "rectangle", **values}
    single = [
        {"label": "corner", "points": [point], "shape_type": "point", **values}
        for point in np.asarray(points).tolist()
    ]
    return lambda root: root.update(shapes=[box, *single])


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("labels", [(), ("card",)])
def test_a_pose_with_a_corner_too_few_or_too_many_is_no_box(tmp_path, count, labels):
    points = np.vstack([EDGES_PX, EDGES_PX.mean(axis=0)])[:count]
    folder = export(tmp_path, box_and_points(points, group_id=1))
    said = f"shapes[0]: a box and {count} points in its group; expected its four corners"
    assert said in refusal(folder, "labelme", labels)


def test_four_points_in_a_box_that_nothing_joins_are_not_left_out(tmp_path):
    folder = export(tmp_path, box_and_points(EDGES_PX))
    message = refusal(folder, "labelme", ["card"])
    assert "shapes[0]: a box, and in it four points that belong to no card; group them" in message


@pytest.mark.parametrize("points", [EDGES_PX[:3], EDGES_PX * 0.3 + [40, 30]])
def test_other_points_in_a_box_say_nothing_of_it(tmp_path, points):
    folder = export(tmp_path, box_and_points(points))
    assert len(scenes(folder, "labelme", ["card"])) == 1
