"""Whole exports as the tools write them: their folders, files and oddities."""

import base64
import copy
import json

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from meishi.geometry import quads
from tests import exports
from tests.exports import (
    EDGES_PX,
    QUAD_PX,
    SHARES,
    card_px,
    picture,
    refusal,
    scenes,
    write,
    write_zip,
)

BOM = "\ufeff"
HASH = "68cb444f62494b5756c4708d119a66da"
OTHER_HASH = "ffb357957a29cdef43f3fdfb2a13c417"


def coco(names, first=1, **extra):
    """A COCO file of one card a picture; ids count from `first`."""
    ids = range(first, first + len(names))
    return {
        "info": {"year": "2026", "version": "1"},
        "licenses": [{"id": 1, "url": "", "name": "CC BY 4.0"}],
        "categories": [
            {"id": 0, "name": "cards", "supercategory": "none"},
            {"id": 1, "name": "card", "supercategory": "cards"},
        ],
        "images": [
            {"id": i, "license": 1, "file_name": name, "height": 120, "width": 160}
            for i, name in zip(ids, names, strict=True)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [38, 30, 82, 55], "area": 4000.0,
             "segmentation": [[*EDGES_PX.ravel().tolist(), *EDGES_PX[0].tolist()]], "iscrowd": 0}
            for i in ids
        ],
        **extra,
    }  # fmt: skip


def roboflow_coco():
    names = [f"IMG_1_jpg.rf.{HASH}.jpg", f"IMG_1_jpg.rf.{OTHER_HASH}.jpg", f"b_png.rf.{HASH}.jpg"]
    folders = ("train", "train", "valid")
    files = {
        f"{f}/{n}": picture(seed=i) for i, (f, n) in enumerate(zip(folders, names, strict=True))
    }
    return files | {
        "train/_annotations.coco.json": coco(names[:2], first=0),
        "valid/_annotations.coco.json": coco(names[2:], first=0),
        "README.dataset.txt": "# cards > 1\nhttps://universe.roboflow.com/\n",
        "README.roboflow.txt": "cards - v1\n",
        "__MACOSX/train/._a.jpg": b"\0\5\x16\7",
        "__MACOSX/._train": b"\0\5\x16\7",
    }


def test_roboflow_coco_in_a_zip_made_on_a_mac(tmp_path):
    path = write_zip(tmp_path / "cards.v1.coco.zip", roboflow_coco())
    found = scenes(path, "coco", ["card"])
    assert [len(record.cards) for record in found] == [1, 1, 1]


def test_versions_that_roboflow_made_of_a_photo_share_its_design(tmp_path):
    found = scenes(write(tmp_path, roboflow_coco()), "coco", ["card"])
    designs = {record.attributes["photo"]: record.cards[0].design for record in found}
    assert len(designs) == 3 and len(set(designs.values())) == 2
    assert len({record.backgrounds for record in found}) == 2


def test_frames_that_roboflow_takes_from_a_video_share_its_design(tmp_path):
    names = [
        f"desk_{kind}_jpg.rf.{HASH}.jpg" for kind in ("mp4-0001", "mp4-0014", "MOV-1", "shot-7")
    ]
    files = {f"train/{name}": picture(seed=i) for i, name in enumerate(names)}
    found = scenes(
        write(tmp_path, files | {"train/_annotations.coco.json": coco(names, 0)}), "coco"
    )
    assert len({record.cards[0].design for record in found}) == 3
    assert len({record.backgrounds for record in found}) == 3


ROW = "0 " + " ".join(f"{v:.6f}" for v in SHARES.ravel())
ROBOFLOW_YAML = (
    "train: ../train/images\r\nval: ../valid/images\r\ntest: ../test/images\r\n\r\nnc: 1\r\n"
    "names: ['card']\r\n\r\nroboflow:\r\n  workspace: x\r\n  version: 1\r\n"
)


def test_roboflow_yolo_with_splits_that_do_not_resolve(tmp_path):
    files = {
        "data.yaml": ROBOFLOW_YAML,
        "README.roboflow.txt": "cards - v1\n",
        f"train/images/a_jpg.rf.{HASH}.jpg": picture(),
        f"train/labels/a_jpg.rf.{HASH}.txt": f"{ROW}\r\n",
        f"valid/images/b_jpg.rf.{HASH}.jpg": picture(seed=1),
        f"valid/labels/b_jpg.rf.{HASH}.txt": BOM + ROW,
        f"test/images/c_jpg.rf.{HASH}.jpg": picture(seed=2),
        f"test/labels/c_jpg.rf.{HASH}.txt": "",
    }
    found = scenes(write_zip(tmp_path / "x.zip", files), "yolo", ["card"])
    assert [len(record.cards) for record in found] == [0, 1, 1]


def test_ultralytics_yolo_in_one_top_folder_with_numbers_as_text(tmp_path):
    files = {
        "cards/data.yaml": "path: C:\\data\\cards\nnames:\n  '0': card\n  '1': hand\n",
        "cards/images/train/A.JPG": picture(),
        "cards/labels/train/A.TXT": ROW.replace("0 ", "0.0 ", 1) + " \n\n",
        "cards/labels/train.cache": b"\x80\x04",
        "cards/train.txt": "./images/train/A.JPG\n",
    }
    assert len(scenes(write(tmp_path, files), "yolo", ["card"])[0].cards) == 1


def test_yolo_shares_a_little_out_of_range_and_with_exponents_are_kept(tmp_path):
    row = "0 -1.2e-03 0.2 0.7 0.2 0.7 1.004 -0.0012 1.004"
    folder = write(tmp_path, {"a.jpg": picture(), "a.txt": row, "data.yaml": ROBOFLOW_YAML})
    found = card_px(folder, "yolo")
    assert np.allclose(found[3], [-0.0012 * 160 - 0.5, 1.004 * 120 - 0.5])


def test_yolo_classes_that_count_from_one_are_refused(tmp_path):
    files = {"a.jpg": picture(), "a.txt": "1" + ROW[1:], "data.yaml": ROBOFLOW_YAML}
    assert "class 1: there are [0]" in refusal(write(tmp_path, files), "yolo")


@pytest.mark.parametrize("visible", [1, 2])
def test_yolo_poses_whose_corners_are_hidden_or_seen_are_read(tmp_path, visible):
    box = [*(SHARES.min(axis=0) + SHARES.max(axis=0)) / 2, *np.ptp(SHARES, axis=0)]
    points = np.hstack([SHARES, np.full((4, 1), visible)]).ravel()
    row = "0 " + " ".join(f"{v:.6f}" for v in [*box, *points])
    yaml = ROBOFLOW_YAML + "kpt_shape: [4, 3]\r\nflip_idx: [1, 0, 3, 2]\r\n"
    folder = write(tmp_path, {"a.jpg": picture(), "a.txt": row, "data.yaml": yaml})
    assert np.abs(card_px(folder, "yolo") - QUAD_PX).max() < 0.001


def test_yolo_rows_with_a_confidence_are_predictions_and_refused(tmp_path):
    files = {"a.jpg": picture(), "a.txt": f"{ROW} 0.97", "data.yaml": ROBOFLOW_YAML}
    assert "10 numbers" in refusal(write(tmp_path, files), "yolo")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_json_of_windows_is_read_in_every_encoding(tmp_path, encoding):
    text = json.dumps(coco(["bilder/\u00fcber.jpg"]), ensure_ascii=False, indent=1)
    content = text.replace("\n", "\r\n").encode(encoding)
    files = {"instances_default.json": content, "bilder/\u00fcber.jpg": picture()}
    assert len(scenes(write(tmp_path, files), "coco", ["card"])) == 1


def test_ids_and_numbers_that_became_text_are_read(tmp_path):
    value = coco(["a.jpg"])
    value["images"][0].update(id="1", width="160", height=120.0)
    value["annotations"][0].update(
        image_id=1.0, category_id="1", segmentation=[[str(v) for v in EDGES_PX.ravel()]]
    )
    folder = write(tmp_path, {"annotations.json": value, "a.jpg": picture()})
    assert np.allclose(card_px(folder, "coco"), QUAD_PX)


@pytest.mark.parametrize("text", ["1,5", "nan", "inf", "1_0", "", "0x1", "1e999"])
def test_text_that_is_no_plain_number_is_refused(tmp_path, text):
    value = coco(["a.jpg"])
    value["annotations"][0]["segmentation"] = [[text, *EDGES_PX.ravel().tolist()[1:]]]
    message = refusal(write(tmp_path, {"annotations.json": value, "a.jpg": picture()}), "coco")
    assert "segmentation[0]: expected x, y, x, y" in message


def test_categories_that_count_from_zero_are_read(tmp_path):
    value = coco(["a.jpg"], first=0, categories=[{"id": 0, "name": "card"}])
    value["annotations"][0]["category_id"] = 0
    folder = write(tmp_path, {"result.json": value, "a.jpg": picture()})
    assert len(scenes(folder, "coco", ["card"])[0].cards) == 1


@pytest.mark.parametrize("name", ["a.jpeg", "A.JPG", "a.png", "x/a.HEIC", "a"])
def test_a_picture_that_was_converted_or_renamed_is_found_if_it_is_the_only_one(tmp_path, name):
    folder = write(tmp_path / "x", {"annotations.json": coco([name]), "images/a.jpg": picture()})
    assert len(scenes(folder, "coco", ["card"])) == 1
    write(folder, {"more/a.webp": picture(seed=1, suffix="WEBP")})
    if name != "A.JPG":
        assert "may be 'images/a.jpg' or 'more/a.webp'" in refusal(folder, "coco")


def test_two_stated_pictures_do_not_become_one_by_their_suffix(tmp_path):
    folder = write(tmp_path, {"annotations.json": coco(["a.png", "a.jpg"]), "a.jpg": picture()})
    assert "no picture 'a.png': the nearest is a.jpg" in refusal(folder, "coco")


LABELME = {
    "imagePath": "a.jpg",
    "imageWidth": 160,
    "imageHeight": 120,
    "shapes": [{"label": "card", "points": EDGES_PX.tolist()}],
}


def test_labelme_files_of_version_3_state_neither_size_nor_kind(tmp_path):
    value = {
        "version": "3.16.7",
        "flags": {},
        "shapes": [{"label": "card", "line_color": None, "points": EDGES_PX.tolist()}],
        "lineColor": [0, 255, 0, 128],
        "imagePath": "a.jpg",
        "imageData": base64.b64encode(picture()).decode(),
    }
    folder = write(tmp_path / "x", {"a.json": value, "a.jpg": picture()})
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)
    # The size of what it carries tells which picture was labelled.
    turned = write(tmp_path / "y", {"a.json": value, "a.jpg": picture(turn=6)})
    assert scenes(turned, "labelme")[0].size_px == (120, 160)


@pytest.mark.parametrize("path", ["IMG_1.DNG", "..\\x\\IMG_1.jpg", "IMG_1.JPG"])
def test_an_embedded_picture_gets_a_name_that_is_read(tmp_path, path):
    value = {**LABELME, "imagePath": path, "imageData": base64.b64encode(picture()).decode()}
    (record,) = scenes(write(tmp_path, {"IMG_1.json": value}), "labelme")
    assert record.image.endswith((".png", ".jpg")) and record.id.startswith("IMG_1-")


def test_the_picture_beside_goes_before_the_embedded_one(tmp_path):
    # Else the picture beside would come as a second one, and without its card.
    value = {**LABELME, "imagePath": "old.jpg"}
    value["imageData"] = base64.b64encode(picture(seed=1)).decode()
    (record,) = scenes(write(tmp_path, {"a.json": value, "a.jpg": picture()}), "labelme")
    assert record.attributes == {"cards": 1, "photo": "a.jpg"}


def test_embedded_data_that_is_no_picture_is_refused(tmp_path):
    value = {**LABELME, "imageData": base64.b64encode(b"x").decode()}
    assert "a.jpg: not a picture" in refusal(write(tmp_path, {"a.json": value}), "labelme")
    value["imageData"] = "?"
    message = refusal(write(tmp_path / "b", {"a.json": value, "a.jpg": picture()}), "labelme")
    assert "a.json: imageData: expected a picture in base64" in message


@pytest.mark.parametrize("kind", ["oriented_rectangle", "rotation", "rectangle"])
def test_a_turned_rectangle_of_labelme_has_four_points(tmp_path, kind):
    value = copy.deepcopy(LABELME)
    value["shapes"][0] |= {"shape_type": kind, "direction": 0.1}
    folder = write(tmp_path, {"a.json": value, "a.jpg": picture()})
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)


@pytest.mark.parametrize(
    ("kind", "points", "words"),
    [
        ("circle", [[1, 2], [3, 4]], "a circle is no card's outline"),
        ("line", [[1, 2], [3, 4]], "a line is no card's outline"),
        ("linestrip", EDGES_PX.tolist(), "a linestrip is no card's outline"),
        ("points", EDGES_PX.tolist(), "a points is no card's outline"),
        ("point", [[1, 2]], "has 1 points; a card has four corners"),
        ("rectangle", [[1, 2], [3, 4], [5, 6]], "has"),
        ("oriented_rectangle", [[1, 2]], "has"),
    ],
)
def test_shapes_of_labelme_are_refused_if_asked_for_and_else_ignored(tmp_path, kind, points, words):
    value = copy.deepcopy(LABELME)
    value["shapes"].append({"label": "extra", "points": points, "shape_type": kind})
    folder = write(tmp_path, {"a.json": value, "a.jpg": picture()})
    tally = Tally()
    scenes(folder, "labelme", ["card"], tally)
    assert tally.ignored_labels == {"extra": 1}
    assert words in refusal(folder, "labelme", ["card", "extra"])


def test_labels_of_labelme_find_their_picture_in_another_case(tmp_path):
    value = {**LABELME, "imagePath": "gone.png"}
    assert len(scenes(write(tmp_path, {"img_1.json": value, "IMG_1.JPG": picture()}), "labelme"))


def test_cvat_for_images_with_a_byte_order_mark_and_windows_ends(tmp_path):
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in EDGES_PX)
    text = (
        f'{BOM}<?xml version="1.0" encoding="utf-8"?>\r\n<annotations>\r\n'
        "<version>1.1</version>\r\n"
        '<meta>\r\n<task><name>desk</name><mode>annotation</mode></task></meta>\r\n'
        '<image id="0" name="desk\\A 1.JPG" width="160" height="120">\r\n'
        f'<polygon label="card" source="manual" occluded="0" points="{points}" z_order="0">\r\n'
        "</polygon>\r\n</image>\r\n</annotations>\r\n"
    )  # fmt: skip
    files = {"annotations.xml": text, "images/desk/a 1.jpg": picture()}
    path = write_zip(tmp_path / "task.zip", files)
    assert np.allclose(card_px(path, "cvat", ["card"]), QUAD_PX, atol=0.01)


def test_xml_entities_are_refused_in_every_encoding(tmp_path):
    text = "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>"
    folder = write(tmp_path, {"annotations.xml": text.encode("utf-16"), "a.jpg": picture()})
    assert "it declares XML entities" in refusal(folder, "cvat")


def via(filename, first=QUAD_PX):
    outline = {
        "name": "polygon",
        "all_points_x": first[:, 0].tolist(),
        "all_points_y": first[:, 1].tolist(),
    }
    region = {"shape_attributes": outline, "region_attributes": {"field_name": "doc_quad"}}
    entry = {"filename": filename, "size": -1, "regions": [region], "file_attributes": {}}
    return {"_via_settings": {}, "_via_img_metadata": {f"{filename}-1": entry}}


def test_midv_2020_photos_and_clips_of_a_document_share_its_design(tmp_path):
    files = {
        "photo/annotations/alb_id.json": via("00.jpg"),
        "photo/images/alb_id/00.jpg": picture(),
        "clips/annotations/alb_id/00.json": via("000001.jpg"),
        "clips/images/alb_id/00/000001.jpg": picture(seed=1),
        "clips/annotations/esp_id/00.json": via("000001.jpg"),
        "clips/images/esp_id/00/000001.jpg": picture(seed=2),
    }
    found = scenes(write(tmp_path, files), "midv")
    assert [record.cards[0].design for record in found] == ["alb_id-00", "esp_id-00", "alb_id-00"]


def test_midv_500_in_a_zip_with_its_top_folder_and_corners_outside(tmp_path):
    quad = (QUAD_PX - [60, 0]).tolist()
    files = {
        "midv500/01_alb_id/images/CA/CA01_01.tif": picture(suffix="TIFF"),
        "midv500/01_alb_id/ground_truth/CA/CA01_01.json": {"quad": quad},
        "midv500/01_alb_id/videos/CA/CA01.mp4": b"",
        "__MACOSX/midv500/._01_alb_id": b"",
    }
    (record,) = scenes(write_zip(tmp_path / "01_alb_id.zip", files), "midv")
    assert np.allclose(quads.to_px(record.cards[0].quad, record.size_px), quad)


def test_smartdoc_ground_truth_as_it_was_published(tmp_path):
    points = "".join(
        f'<point name="{name}" x="{x}" y="{y}"/>'
        for name, (x, y) in zip(("bl", "tl", "tr", "br"), QUAD_PX[[3, 0, 1, 2]], strict=True)
    )
    text = (
        f"{BOM}<?xml version='1.0' encoding='utf-8'?>\r\n"
        '<ground_truth generated="2015-02-22T18:37:15" version="0.3">'
        '<software_used name="gt" version="1"/>'
        "<source_sample_file>background01/datasheet001.avi</source_sample_file>"
        f'<segmentation_results><frame index="1" rejected="False">{points}</frame>'
        '<frame index="2" rejected="True"/></segmentation_results></ground_truth>'
    )
    files = {
        "gt/background01/datasheet001.gt.xml": text,
        "frames/background01/datasheet001/frame_0001.jpeg": picture(),
        "frames/background01/datasheet001/frame_0002.jpeg": picture(seed=1),
    }
    found = scenes(write(tmp_path, files), "smartdoc")
    assert len(found) == 1 and found[0].backgrounds == ("background01",)


@pytest.mark.parametrize("kind", ["coco", "labelme", "cvat", "yolo", "label_studio", "midv"])
def test_an_empty_export_is_refused(tmp_path, kind):
    write(tmp_path / "x", {"a.jpg": picture(), "package.json": {"name": "x"}})
    assert str(tmp_path / "x") in refusal(tmp_path / "x", kind)


def test_a_copy_of_a_picture_in_two_splits_comes_once(tmp_path):
    files = {f"{split}/{name}": value for split in ("train", "valid")
             for name, value in {"_annotations.coco.json": coco(["a.jpg"]),
                                 "a.jpg": picture()}.items()}  # fmt: skip
    tally = Tally()
    assert len(exports.scenes(write(tmp_path, files), "coco", ["card"], tally)) == 1
    assert tally.left_out["copies of a picture with the same labels, left out"] == 1
