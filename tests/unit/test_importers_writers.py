"""What single tools write into formats that others write otherwise."""

import copy

import numpy as np
import pytest

from meishi.data.importers.cvat import OF_VIDEO
from meishi.data.importers.importing import import_scenes
from meishi.data.importers.labelled import Tally
from tests.exports import EDGES_PX, QUAD_PX, SHARES, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme

UPRIGHT_PX = [20, 30, 140, 90]  # left, top, width, height of a box
BOX = [20, 30, 160, 30, 160, 120, 20, 120]


def two_photos(folder, *attributes):
    """COCO of a photo for each of some attributes of its card."""
    root = copy.deepcopy(coco.GOOD)
    (image,), (card,) = root["images"], root["annotations"]
    root["images"] = [{**image, "id": n, "file_name": f"{n}.jpg"} for n in range(len(attributes))]
    root["annotations"] = [
        {**card, "id": n, "image_id": n, "attributes": own} for n, own in enumerate(attributes)
    ]
    pictures = {f"{n}.jpg": picture(seed=n) for n in range(len(attributes))}
    return write(folder, {"annotations.json": root, **pictures})


def test_frames_of_cvats_tracks_in_coco_count_where_somebody_set_them(tmp_path):
    set_here, between = ({"track_id": 0, "keyframe": value} for value in (True, False))
    tally = Tally()
    found = scenes(two_photos(tmp_path, set_here, between, set_here), "coco", (), tally)
    assert [record.attributes["photo"] for record in found] == ["0.jpg", "2.jpg"]
    assert tally.left_out["frames with shapes that CVAT interpolated, left out"] == 1
    assert len({card.design for record in found for card in record.cards}) == 1
    assert len({record.backgrounds for record in found}) == 1


def test_clips_that_coco_calls_alike_are_those_of_their_source(tmp_path):
    export = two_photos(tmp_path, *[{"track_id": 0, "keyframe": True}] * 2)
    desk, cafe = (
        [r for r, _ in import_scenes(export, "coco", (), name, [], Tally())]
        for name in ("desk", "cafe")
    )
    assert {r.backgrounds for r in desk}.isdisjoint(r.backgrounds for r in cafe)
    assert {c.design for r in desk for c in r.cards}.isdisjoint(
        c.design for r in cafe for c in r.cards
    )


def test_a_number_that_encord_gives_in_each_photo_is_no_video(tmp_path):
    found = scenes(two_photos(tmp_path, *[{"track_id": 0, "encord_track_uuid": "a"}] * 2), "coco")
    assert len({card.design for record in found for card in record.cards}) == 2
    assert len({record.backgrounds for record in found}) == 2


def test_a_keyframe_of_no_track_says_nothing(tmp_path):
    found = scenes(two_photos(tmp_path, {"keyframe": False}, {}), "coco")
    assert len(found) == 2
    assert len({card.design for record in found for card in record.cards}) == 2


@pytest.mark.parametrize("stated", [{"attributes": {"rotation": 31.5}}, {"rotation": 0.55}])
def test_a_turned_box_whose_outline_is_not_turned_is_refused(tmp_path, stated):
    change = coco.annotation(segmentation=[BOX], bbox=UPRIGHT_PX, **stated)
    folder = coco.export(tmp_path, change)
    assert "but the outline is an upright box; export polygons" in refusal(folder, "coco")


@pytest.mark.parametrize("outline", [BOX, EDGES_PX.ravel().tolist()])
def test_a_rotation_of_nothing_or_of_a_turned_outline_is_none(tmp_path, outline):
    turn = 0.0 if outline is BOX else 31.5
    change = coco.annotation(segmentation=[outline], attributes={"rotation": turn})
    assert len(scenes(coco.export(tmp_path, change), "coco")[0].cards) == 1


@pytest.mark.parametrize("margin", [0, 6, -5])
def test_a_box_drawn_by_hand_around_four_keypoints_frames_them(tmp_path, margin):
    low, high = QUAD_PX.min(axis=0) - margin, QUAD_PX.max(axis=0) + margin
    box = [low[0], low[1], high[0], low[1], high[0], high[1], low[0], high[1]]
    points = np.column_stack([QUAD_PX, np.full(4, 2)]).ravel().tolist()
    change = coco.annotation(segmentation=[box], keypoints=points, isbbox=True)
    assert np.allclose(card_px(coco.export(tmp_path, change), "coco"), QUAD_PX)


def pairs(points, count=4):
    return coco.annotation(
        segmentation=[], keypoints=np.ravel(points).tolist(), num_keypoints=count
    )


def test_four_keypoints_without_visibilities_are_corners(tmp_path):
    assert np.allclose(card_px(coco.export(tmp_path, pairs(QUAD_PX)), "coco"), QUAD_PX)


@pytest.mark.parametrize(
    "change", [pairs([*QUAD_PX[:3], (0, 0)]), pairs(QUAD_PX, 3), pairs(QUAD_PX, None)]
)
def test_one_that_is_not_set_is_refused(tmp_path, change):
    assert "expected four corners as x, y, visib" in refusal(coco.export(tmp_path, change), "coco")


def test_an_outline_of_empty_lists_is_none(tmp_path):
    points = np.column_stack([QUAD_PX, np.full(4, 2)]).ravel().tolist()
    folder = coco.export(tmp_path, coco.annotation(segmentation=[[]], keypoints=points))
    assert np.allclose(card_px(folder, "coco"), QUAD_PX)
    folder = coco.export(tmp_path / "bare", coco.annotation(segmentation=[[]]))
    assert "only a box" in refusal(folder, "coco")


def test_pieces_of_a_mask_that_came_one_by_one_are_refused(tmp_path):
    halves = [[40, 30, 80, 33, 78, 83, 38, 80], [82, 33, 120, 35, 115, 85, 80, 83]]

    def change(root):
        root["info"] = {"contributor": "Label Studio Converter"}
        (card,) = root["annotations"]
        root["annotations"] = [
            {**card, "id": n, "segmentation": [half]} for n, half in enumerate(halves)
        ]
        root["annotations"] += [{**card, "id": n, "category_id": 4} for n in (2, 3)]

    message = refusal(coco.export(tmp_path, change), "coco", ["card"])
    assert message.count("makes an annotation of each piece of a mask") == 2


def test_a_mask_of_one_piece_is_a_card(tmp_path):
    def change(root):
        root["info"] = {"contributor": "Label Studio Converter"}
        root["annotations"].append({**root["annotations"][0], "id": 2, "category_id": 4})

    assert np.allclose(card_px(coco.export(tmp_path, change), "coco", ["card"]), QUAD_PX)


CORNERS = ("tl", "tr", "br", "bl")


def of_labelme(folder, labels):
    shapes = [
        {"label": label, "points": [point], "shape_type": "point", "group_id": None}
        for label, point in zip(labels, EDGES_PX.tolist(), strict=False)
    ]
    return labelme.export(folder, lambda root: root.update(shapes=shapes))


def of_cvat(folder, labels):
    points = "".join(
        f'<points label="{label}" points="{x},{y}"/>'
        for label, (x, y) in zip(labels, EDGES_PX, strict=False)
    )
    image = cvat.IMAGE.replace("{}", points)
    return write(folder, {"annotations.xml": cvat.document(image=image), "a.jpg": picture()})


@pytest.mark.parametrize(("kind", "make"), [("labelme", of_labelme), ("cvat", of_cvat)])
def test_four_points_with_a_label_for_each_corner_are_one_card(tmp_path, kind, make):
    assert np.allclose(card_px(make(tmp_path, CORNERS), kind), QUAD_PX, atol=0.01)
    for number, labels in enumerate((("tl", "tr", "br"), ("tl", "tr", "br", "br"))):
        assert "a card has four corners" in refusal(make(tmp_path / str(number), labels), kind)


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_label_studio_shows_a_photo_as_browsers_do(tmp_path, turn):
    folder = label_studio.export(tmp_path, files={"a.jpg": picture(turn=turn)})
    assert np.allclose(card_px(folder, "label_studio"), QUAD_PX)


@pytest.mark.parametrize(
    "answer",
    [{"rating": 4}, {"number": 2}, {"taxonomy": [["a"]]}, {"choices": ["a", "b"]}, {"text": ["x"]}],
)
def test_answers_about_a_region_are_no_regions(tmp_path, answer):
    drawn = {"points": (SHARES * 100).tolist(), "closed": True}
    sized = {**drawn, "original_width": 160, "original_height": 120}
    row = {"image": "a.jpg", "id": 1, "annotation_id": 5, "lead_time": 2.0}
    row |= {"label": [{**sized, "polygonlabels": ["card"]}], "asked": [{**sized, **answer}]}
    folder = write(tmp_path, {"rows.json": [row], "a.jpg": picture()})
    assert np.allclose(card_px(folder, "label_studio", ["card"]), QUAD_PX)


@pytest.mark.parametrize("masks", ["masks", "SegmentationClass"])
def test_masks_of_the_names_of_photos_are_none(tmp_path, masks):
    root = copy.deepcopy(coco.GOOD)
    (image,), (card,) = root["images"], root["annotations"]
    root["images"] = [{**image, "id": n, "file_name": f"{n}.png"} for n in range(3)]
    root["annotations"] = [{**card, "id": n, "image_id": n} for n in range(3)]
    files = {f"{masks}/{n}.png": picture(seed=9 - n, suffix="PNG") for n in range(3)}
    files |= {f"images/{n}.png": picture(seed=n, suffix="PNG") for n in range(3)}
    tally = Tally()
    found = scenes(write(tmp_path, {"annotations.json": root, **files}), "coco", (), tally)
    photos = [record.attributes["photo"] for record in found]
    assert photos == [f"images/{n}.png" for n in range(3)]
    assert tally.left_out["pictures in folders of masks, left out"] == 3
    (tmp_path / "images" / "1.png").unlink()
    (tmp_path / "images" / "2.png").unlink()
    message = refusal(tmp_path, "coco")
    assert "no picture '1.png'" in message and "no picture '2.png'" in message
    for n in (1, 2):  # converted, and the masks still have the names that are stated
        (tmp_path / "images" / f"{n}.jpg").write_bytes(picture(seed=n))
    assert len(scenes(tmp_path, "coco")) == 3


def test_pictures_beside_their_labels_in_a_folder_of_that_name_are_photos(tmp_path):
    files = {"labels/a.json": labelme.GOOD, "labels/a.jpg": picture(), "images/a.jpg": picture()}
    (record,) = scenes(write(tmp_path, files), "labelme")
    assert record.attributes["photo"] == "labels/a.jpg"


def test_clips_of_midv_2020_keep_their_own_frames(tmp_path):
    def clip(count):
        point = {"all_points_x": QUAD_PX[:, 0].tolist(), "all_points_y": QUAD_PX[:, 1].tolist()}
        region = {"shape_attributes": point, "region_attributes": {"field_name": "doc_quad"}}
        frames = [f"{n:06}.jpg" for n in range(count)]
        return {"_via_img_metadata": {f: {"filename": f, "regions": [region]} for f in frames}}

    files = {}
    for seed, (name, count) in enumerate({"00": 4, "01": 2, "02": 1}.items()):
        files[f"clips/annotations/alb_id/{name}.json"] = clip(count)
        for n in range(count):
            path = f"clips/images/alb_id/{name}/{n:06}.jpg"
            files[path] = picture(seed=10 * seed + n)
    found = scenes(write(tmp_path, files), "midv", ["doc_quad"])
    assert sorted(record.attributes["photo"] for record in found) == sorted(
        name for name in files if name.endswith(".jpg")
    )


@pytest.mark.parametrize(("mode", "count"), [("interpolation", 1), ("annotation", 0)])
def test_frames_of_a_video_in_the_format_for_images_are_counted(tmp_path, mode, count):
    text = cvat.document().replace("<id>1</id>", f"<id>1</id><mode>{mode}</mode>")
    folder = write(tmp_path, {"annotations.xml": text, "a.jpg": picture()})
    tally = Tally()
    assert len(scenes(folder, "cvat", (), tally)) == 1
    assert tally.left_out[OF_VIDEO] == count
