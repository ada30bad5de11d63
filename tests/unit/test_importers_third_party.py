"""Exports as third-party libraries write them: darwin, Datumaro, labelme, supervision, ..."""

import base64
import copy

import cv2
import numpy as np
import pytest

from meishi.data.importers.coco import CROWDS
from meishi.data.importers.coco_subsets import EMPTY_SUBSET
from meishi.data.importers.labelled import Tally
from meishi.data.importers.orientation import as_stored
from meishi.data.importers.tracing import mask_of_trace
from meishi.pictures import images
from tests.exports import QUAD_PX, SIZE_PX, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_labelme as labelme
from tests.unit.test_importers_yolo import ROW, YAML

NOTES = {"categories": [{"id": 0, "name": "card"}], "info": {"contributor": "Label Studio"}}


def yolo(folder, turn, **files):
    upright = SIZE_PX if turn < 5 else SIZE_PX[::-1]
    photo = {"images/a.jpg": picture(upright, turn=turn), "labels/a.txt": ROW}
    return write(folder, photo | {"classes.txt": "card\n"} | files)


@pytest.mark.parametrize("more", [{}, {"data.yaml": YAML}], ids=["alone", "beside data.yaml"])
@pytest.mark.parametrize("turn", [3, 6])
def test_label_studios_texts_are_of_the_upright_photo(tmp_path, turn, more):
    folder = yolo(tmp_path, turn, **{"notes.json": NOTES}, **more)
    assert np.abs(card_px(folder, "yolo", ["card"]) - QUAD_PX).max() < 0.001


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {"notes.json": {"info": {"contributor": "somebody"}}},
        {"notes.json": []},
        {"other/notes.json": NOTES},
    ],
)
def test_texts_of_others_do_not_say_of_which_photo_they_are(tmp_path, notes):
    assert "the labels state no size" in refusal(yolo(tmp_path, 6, **notes), "yolo")


def test_boxes_of_another_label_say_nothing_of_masks_that_are_all_crowds(tmp_path):
    def change(root):
        coco.masks_as_crowds()(root)
        box = {"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        root["annotations"] += [box | {"id": 7, "segmentation": []}, box | {"id": 8}]

    folder, tally = coco.export(tmp_path, change, {"b.jpg": picture(seed=3)}), Tally()
    assert [len(r.cards) for r in scenes(folder, "coco", ["card"], tally)] == [1, 1]
    assert tally.left_out[CROWDS] == 2


def many(root):
    root["images"] = [{**root["images"][0], "id": n, "file_name": f"{n}.jpg"} for n in range(30)]
    root["annotations"] = []


def test_a_source_without_any_picture_is_one_fault(tmp_path):
    root = copy.deepcopy(coco.GOOD)
    many(root)
    told = refusal(write(tmp_path / "annotations", {"instances.json": root}), "coco")
    assert told.endswith(
        "annotations: holds no picture at all, and 30 are named (the first: '0.jpg'); export with "
        "images, or name the folder around both"
    )
    assert len(refusal(coco.export(tmp_path / "some", many), "coco").splitlines()) == 30


def test_photos_that_are_not_read_are_told_one_by_one(tmp_path):
    change = coco.image(file_name="a.dng")
    folder = coco.export(tmp_path, change, {"a.dng": b"raw"})
    (folder / "a.jpg").unlink()
    assert "no picture 'a.dng' in the source; .dng is not read" in refusal(folder, "coco")


def test_a_folder_of_texts_alone_is_one_fault(tmp_path):
    files = {f"{n}.txt": ROW for n in range(30)} | {"classes.txt": "card\n", "empty.txt": ""}
    told = refusal(write(tmp_path / "labels", files), "yolo")
    assert "labels: holds no picture at all, and 30 are named (the first: '0')" in told
    assert len(told.splitlines()) == 1


def darwin(folder, row):
    files = {"images/a.jpg": picture(), "labels/a.jpg.txt": row}
    return write(folder, files | {"labels/darknet.labels": "card\nlogo\n"})


def test_darwins_list_of_classes_is_read(tmp_path):
    assert np.abs(card_px(darwin(tmp_path, ROW), "yolo", ["card"]) - QUAD_PX).max() < 0.001


def test_texts_that_are_all_empty_are_said_to_be(tmp_path):
    told = refusal(darwin(tmp_path, ""), "yolo")
    assert "all 1 texts with the name of a picture are empty (the first: labels/a.jpg.txt)" in told


def bridged(mask):
    """Trace a mask of two contours, and join them to one ring by a step over and back."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    first, second = sorted((part[:, 0] for part in found), key=len)[::-1]
    return np.concatenate([first, first[:1], second, second[:1]]).astype(float)


def with_hole():
    mask = coco.drawn_mask()
    cv2.circle(hole := np.zeros(mask.shape, np.uint8), (80, 57), 7, 1, -1)
    return mask & (hole == 0)


def in_two_parts():
    mask = coco.drawn_mask()
    mask[:, 76:81] = False
    return mask


@pytest.mark.parametrize("make", [with_hole, in_two_parts])
@pytest.mark.parametrize("start", [0, 100, -20])
def test_contours_that_are_bridged_to_one_ring_mean_the_mask(tmp_path, make, start):
    ring = np.roll(bridged(make()), start, axis=0)
    assert np.array_equal(mask_of_trace([ring], SIZE_PX), make())
    outline = coco.annotation(segmentation=[ring.ravel().tolist()])
    runs = {"size": [120, 160], "counts": coco.mask_runs(make())}
    masked = coco.annotation(segmentation=runs)
    found = card_px(coco.export(tmp_path / "a", outline), "coco")
    assert np.allclose(found, card_px(coco.export(tmp_path / "b", masked), "coco"))


def test_a_long_step_that_does_not_come_back_is_no_bridge():
    ring = bridged(with_hole())
    assert mask_of_trace([ring[:-1]], SIZE_PX) is None


def datumaro(folder, **more):
    listed = copy.deepcopy(coco.GOOD) | {"annotations": []}
    files = {"instances_train": coco.GOOD, "image_info_train": listed, "image_info_test": listed}
    labels = {f"annotations/{name}.json": value for name, value in (files | more).items()}
    photos = {"images/train/a.jpg": picture(), "images/test/a.jpg": picture(seed=4)}
    return write(folder, labels | photos)


def test_a_subset_that_only_a_list_names_holds_no_card(tmp_path):
    tally = Tally()
    found = scenes(datumaro(tmp_path), "coco", (), tally)
    cards = {record.attributes["photo"]: len(record.cards) for record in found}
    assert cards == {"images/test/a.jpg": 0, "images/train/a.jpg": 1}
    assert tally.left_out[EMPTY_SUBSET] == 1


@pytest.mark.parametrize("sibling", ["labels_test", "captions_test"])
def test_a_list_beside_a_file_of_its_subset_says_nothing(tmp_path, sibling):
    found = scenes(datumaro(tmp_path, **{sibling: {"images": []}}), "coco")
    assert [record.attributes["photo"] for record in found] == ["images/train/a.jpg"]


def test_lists_without_labels_beside_them_say_nothing(tmp_path):
    folder = datumaro(tmp_path)
    (folder / "annotations" / "instances_train.json").unlink()
    assert "it names no picture; lists of pictures without labels" in refusal(folder, "coco")


def square(turn, seed=0):
    """A photo that EXIF turns, and the same turned upright."""
    content = picture((120, 120), seed, turn)
    return content, images.encode(images.decode(content), ".png")


def carrying(folder, content, carried, size_px=SIZE_PX):
    root = copy.deepcopy(labelme.GOOD) | {"imageData": base64.b64encode(carried).decode()}
    root |= {"imageWidth": size_px[0], "imageHeight": size_px[1]}
    return write(folder, {"a.json": root, "a.jpg": content})


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_the_carried_picture_tells_that_the_upright_one_was_labelled(tmp_path, turn):
    content = picture(turn=turn)
    upright = images.encode(images.decode(content), ".jpg")
    assert np.allclose(card_px(carrying(tmp_path, content, upright), "labelme"), QUAD_PX)


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_so_it_does_of_a_square(tmp_path, turn):
    content, upright = square(turn)
    folder = carrying(tmp_path, content, upright, (120, 120))
    assert np.allclose(card_px(folder, "labelme"), QUAD_PX)


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_carried_picture_that_is_the_stored_or_another_one_tells_nothing(tmp_path, turn):
    content, upright = square(turn)
    stored = images.encode(as_stored(images.decode(upright), turn), ".png")
    other = images.encode(np.full((120, 120, 3), 128, np.uint8), ".png")
    for name, carried in {"stored": stored, "other": other, "same": content}.items():
        folder = carrying(tmp_path / name, content, carried, (120, 120))
        assert f"EXIF orientation {turn}, and the stated size fits" in refusal(folder, "labelme")


def test_a_picture_that_looks_alike_both_ways_tells_nothing(tmp_path):
    plain = np.full((120, 160, 3), 90, np.uint8)
    turned = images.encode(plain, ".jpg")
    exif = (
        b"\xff\xd8\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0"
    )
    content = exif + b"\0\0\0\0" + turned[2:]
    folder = carrying(tmp_path, content, turned)
    assert "EXIF orientation 3, and the stated size fits" in refusal(folder, "labelme")


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_stored_picture_is_had_back(turn):
    content = picture(turn=turn, suffix="PNG")
    raw = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_IGNORE_ORIENTATION | 1)
    assert np.array_equal(as_stored(images.decode(content), turn), raw[:, :, ::-1])
