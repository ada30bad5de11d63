"""Exports that were put among other things: below folders named as labels, beside other photos."""

import base64
import json

import pytest

from tests.exports import (
    EDGES_PX,
    QUAD_PX,
    SHARES,
    card_px,
    picture,
    refusal,
    scenes,
    write,
)
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme
from tests.unit import test_importers_yolo as yolo


def told(found):
    return [record.attributes["photo"] for record in found]


def labelled_at(path):
    root = json.loads(json.dumps(coco.GOOD))
    root["images"][0]["file_name"] = path
    return root


EXPORTS = {
    "coco": {"c.json": labelled_at("images/a.jpg")},
    "cvat": {"annotations.xml": cvat.document()},
    "labelme": {"json/a.json": {**labelme.GOOD, "imagePath": "../images/a.jpg"}},
    "yolo": {"labels/a.txt": yolo.ROW},
}


@pytest.mark.parametrize("folder", ["annotations/day1", "labels/day1"])
@pytest.mark.parametrize("kind", EXPORTS)
def test_a_whole_export_in_a_folder_named_as_labels_has_its_own_pictures(tmp_path, kind, folder):
    own = {f"{folder}/{name}": content for name, content in EXPORTS[kind].items()}
    own[f"{folder}/images/a.jpg"] = picture()
    if kind == "cvat":
        own[f"{folder}/annotations.xml"] = cvat.document(
            image=cvat.IMAGE.replace("a.jpg", "images/a.jpg")
        )
    others = {"todo/a.jpg": picture(seed=1)}
    assert told(scenes(write(tmp_path, {**own, **others}), kind)) == [f"{folder}/images/a.jpg"]


def test_each_label_studio_export_has_the_pictures_beside_it(tmp_path):
    def task(number):
        return [{**label_studio.GOOD, "data": {"image": f"/data/upload/{number}/a.jpg"}}]

    files = {
        f"day{n}/{part}": content
        for n in (1, 2)
        for part, content in (("project-1.json", task(n)), ("images/a.jpg", picture(seed=n)))
    }
    files["todo/a.jpg"] = picture(seed=3)
    found = told(scenes(write(tmp_path, files), "label_studio"))
    assert found == ["day1/images/a.jpg", "day2/images/a.jpg"]


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_a_photo_named_by_its_day_is_not_replaced_by_one_without(tmp_path, kind):
    files = {"images/1.jpg": picture(seed=2)}
    for name, shown in (("20240315-1", True), ("20240316-1", False)):
        files |= {f"images/{name}.jpg": picture()} if shown else {}
        if kind == "yolo":
            files[f"labels/{name}.txt"] = yolo.ROW
    if kind == "coco":
        root = labelled_at("20240315-1.jpg")
        root["images"].append({**root["images"][0], "id": 77, "file_name": "20240316-1.jpg"})
        root["annotations"].append({**root["annotations"][0], "id": 78, "image_id": 77})
        files["c.json"] = root
    assert "20240316-1" in refusal(write(tmp_path, files), kind)


@pytest.mark.parametrize(("one", "other"), [("scan (1)", "scan_1"), ("IMG 1", "IMG_1")])
def test_an_upload_that_two_names_may_have_become_is_refused(tmp_path, one, other):
    def change(task):
        task["data"]["image"] = f"/data/upload/1/0a1b2c3d-{other}.jpg"

    files = {f"{name}.jpg": picture(seed=seed) for seed, name in enumerate((one, other))}
    message = refusal(label_studio.export(tmp_path, change, files), "label_studio")
    assert f"may be '{one}.jpg' or '{other}.jpg'" in message


@pytest.mark.parametrize("address", ["s3://bucket/desk/a.jpg", "desk/a.jpg"])
@pytest.mark.parametrize("way", ["/tasks/1/resolve/?fileuri=", "/tasks/1/presign/?fileuri="])
def test_an_address_that_label_studio_packed_is_read(tmp_path, way, address):
    packed = base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")

    def change(task):
        task["data"]["image"] = way + packed

    files = {"desk/a.jpg": picture(), "shop/a.jpg": picture(seed=1)}
    assert told(scenes(label_studio.export(tmp_path, change, files), "label_studio")) == [
        "desk/a.jpg"
    ]


@pytest.mark.parametrize("packed", ["a", "%FF%FE", "_w=="])
def test_an_address_that_is_packed_otherwise_leads_nowhere(tmp_path, packed):
    def change(task):
        task["data"]["image"] = f"/tasks/1/resolve/?fileuri={packed}"

    assert "no picture '/tasks/1/resolve/" in refusal(
        label_studio.export(tmp_path, change), "label_studio"
    )


def test_frames_of_a_video_that_cvat_exports_one_by_one_share_their_design(tmp_path):
    files = {
        f"{part}/train/frame_{n:06d}.{suffix}": content
        for n in range(3)
        for part, suffix, content in (
            ("images", "png", picture(seed=n, suffix="PNG")),
            ("labels", "txt", yolo.ROW),
        )
    }
    found = scenes(write(tmp_path, files), "yolo")
    assert {card.design for record in found for card in record.cards} == {"src-images-train-frames"}
    assert {record.backgrounds for record in found} == {("src-images-train-frames",)}


PRINTED = '<box label="name" xtl="60" ytl="45" xbr="90" ybr="55" group_id="1"/>'


def test_a_box_around_print_on_a_card_in_its_group_frames_no_corners(tmp_path):
    corners = f'<points label="card" points="{cvat.POINTS}" group_id="1"/>'
    folder = cvat.export(tmp_path, corners + PRINTED)
    assert abs(card_px(folder, "cvat", ["card"]) - QUAD_PX).max() < 0.01


def test_a_box_of_half_a_card_and_more_in_its_group_is_refused(tmp_path):
    low, high = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    ends = f'xtl="{low[0]}" ytl="{low[1]}" xbr="{high[0] - 30}" ybr="{high[1]}"'
    corners = f'<points label="corners" points="{cvat.POINTS}" group_id="1"/>'
    folder = cvat.export(tmp_path, f'{corners}<box label="card" {ends} group_id="1"/>')
    assert "the box and the four points of its group disagree" in refusal(folder, "cvat", ["card"])


NETWORK = "nc: 80\nkpt_shape: [17, 3]\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\nhead: []\n"


def test_the_yaml_of_a_network_says_nothing_of_the_labels(tmp_path):
    folder = yolo.export(tmp_path, files={"yolov8n-pose.yaml": NETWORK, "t.yaml": "nc: 2\n"})
    assert len(scenes(folder, "yolo", ["card"])[0].cards) == 1


def test_keypoints_that_two_files_state_otherwise_are_named(tmp_path):
    others = {"two.yaml": yolo.YAML + "kpt_shape: [4, 2]\n"}
    message = refusal(yolo.export(tmp_path, yaml=yolo.YAML + yolo.POSE, files=others), "yolo")
    assert "state different keypoints (kpt_shape)" in message


@pytest.mark.parametrize("row", [yolo.ROW.replace(" ", ","), yolo.ROW.replace("0 ", "card ", 1)])
def test_rows_that_are_none_of_yolo_are_shown(tmp_path, row):
    folder = write(tmp_path, {"photos/a.jpg": picture(), "labels/a.txt": row})
    assert "labels/a.txt line 1: expected a class and numbers, with spaces" in refusal(
        folder, "yolo"
    )


def test_names_in_the_coding_of_japanese_windows_are_read(tmp_path):
    yaml = yolo.YAML.replace("card", "名刺").encode("cp932")
    assert len(scenes(yolo.export(tmp_path, yaml=yaml), "yolo", ["名刺"])[0].cards) == 1


def test_json_in_the_coding_of_japanese_windows_is_read(tmp_path):
    text = json.dumps(labelme.GOOD, ensure_ascii=False).replace("card", "名刺")
    folder = write(tmp_path, {"a.json": text.encode("cp932"), "a.jpg": picture()})
    assert len(scenes(folder, "labelme", ["名刺"])[0].cards) == 1


def test_json_in_another_coding_says_so(tmp_path):
    text = json.dumps(labelme.GOOD, ensure_ascii=False).replace("card", "é\u00ff")
    folder = write(tmp_path, {"a.json": text.encode("latin-1"), "a.jpg": picture()})
    assert "it is not in UTF-8" in refusal(folder, "labelme")


@pytest.mark.parametrize("step", [1, -1])
def test_people_who_begin_at_another_corner_agree(tmp_path, step):
    again = json.loads(json.dumps(label_studio.REGION))
    again["value"]["points"] = ((SHARES * 100).tolist()[2:] + (SHARES * 100).tolist()[:2])[::step]

    def change(task):
        task["annotations"].append({"id": 2, "was_cancelled": False, "result": [again]})

    assert len(scenes(label_studio.export(tmp_path, change), "label_studio")[0].cards) == 1
