"""Every mess in every format: one photo and its card, written as each tool would."""

import codecs
import json

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from meishi.geometry import quads
from tests.exports import QUAD_PX, SIZE_PX, card_px, picture, refusal, scenes, write, write_zip

HAND_PX = np.array([[5.0, 5.0], [20.0, 6.0], [19.0, 20.0], [6.0, 19.0]])
SIZE = {"imageWidth": 160, "imageHeight": 120}


def coco(shapes, path):
    labels = sorted({label for label, _ in shapes} | {"card"})
    return {
        "annotations/instances_default.json": json.dumps({
            "images": [{"id": 1, "file_name": path, "width": 160, "height": 120}],
            "categories": [{"id": i, "name": label} for i, label in enumerate(labels)],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": labels.index(label), "iscrowd": 0,
                 "segmentation": [(px + 0.5).ravel().tolist()]}
                for i, (label, px) in enumerate(shapes)
            ],
        })
    }  # fmt: skip


def labelme(shapes, path):
    found = [{"label": label, "points": (px + 0.5).tolist()} for label, px in shapes]
    return {"a.json": json.dumps({"imagePath": path, **SIZE, "shapes": found})}


def cvat(shapes, path):
    texts = [(label, ";".join(f"{x:.3f},{y:.3f}" for x, y in px + 0.5)) for label, px in shapes]
    inner = "\n".join(f'<polygon label="{label}" points="{text}"/>' for label, text in texts)
    image = f'<image id="0" name="{path}" width="160" height="120">\n{inner}</image>'
    return {"annotations.xml": f"<annotations><version>1.1</version>\n{image}</annotations>"}


def yolo(shapes, path):
    labels = sorted({label for label, _ in shapes} | {"card"})
    rows = [
        f"{labels.index(label)} "
        + " ".join(f"{v:.8f}" for v in quads.to_relative(px, SIZE_PX).ravel())
        for label, px in shapes
    ]
    return {"labels/a.txt": "\n".join(rows), "data.yaml": f"train: {path}\nnames: {labels}\n"}


def label_studio(shapes, path, small=False):
    sized = {"original_width": 160, "original_height": 120}
    values = [
        {"points": (quads.to_relative(px, SIZE_PX) * 100).tolist(), "polygonlabels": [label]}
        for label, px in shapes
    ]
    result = [{"type": "polygonlabels", **sized, "value": value} for value in values]
    task = {"id": 1, "data": {"image": path}, "annotations": [{"result": result}]}
    row = {"id": 1, "image": path, "annotation_id": 1, "lead_time": 1.0}
    row["label"] = [{**value, **sized} for value in values]
    return {"project-1.json": json.dumps([row if small else task])}


def label_studio_min(shapes, path):
    return label_studio(shapes, path, small=True)


def midv(shapes, path):
    regions = [
        {"shape_attributes": {"all_points_x": px[:, 0].tolist(), "all_points_y": px[:, 1].tolist()},
         "region_attributes": {"field_name": "doc_quad" if label == "card" else label}}
        for label, px in shapes
    ]  # fmt: skip
    entry = {"filename": path, "regions": regions}
    return {"annotations/x.json": json.dumps({"_via_img_metadata": {"a": entry}})}


WRITERS = {
    "coco": coco,
    "labelme": labelme,
    "cvat": cvat,
    "yolo": yolo,
    "label_studio": label_studio,
    "label_studio_min": label_studio_min,
    "midv": midv,
}
each_format = pytest.mark.parametrize("kind", WRITERS)
SIZED = [kind for kind in WRITERS if kind not in ("yolo", "midv")]


def files(kind, shapes=(("card", QUAD_PX),), path="a.jpg", name="images/a.jpg", turn=1):
    if kind == "labelme":  # beside its picture
        return {name: picture(turn=turn)} | {
            f"{name.rpartition('/')[0]}/{file}".lstrip("/"): content
            for file, content in labelme(shapes, path).items()
        }
    return {name: picture(turn=turn), **WRITERS[kind](shapes, path)}


def reader(kind):
    return kind.removesuffix("_min")


def near(found, quad_px=QUAD_PX):
    return np.allclose(found, quad_px, atol=0.01)


@each_format
def test_the_same_photo_gives_the_same_quad(tmp_path, kind):
    assert near(card_px(write(tmp_path, files(kind)), reader(kind)))


@each_format
def test_in_a_zip_of_macos_with_a_folder_around_it(tmp_path, kind):
    packed = {f"my export/{name}": content for name, content in files(kind).items()}
    packed |= {f"__MACOSX/my export/{name}": b"\0\5\x16\7" for name in files(kind)}
    packed |= {f"__MACOSX/my export/._{name.split('/')[-1]}": b"\0\5" for name in files(kind)}
    packed["my export/.DS_Store"] = b"\0"
    assert near(card_px(write_zip(tmp_path / "x.zip", packed), reader(kind)))


@each_format
def test_with_a_byte_order_mark_and_windows_ends(tmp_path, kind):
    found = {
        name: content
        if isinstance(content, bytes)
        else codecs.BOM_UTF8 + content.replace("\n", "\r\n").encode()
        for name, content in files(kind).items()
    }
    assert near(card_px(write(tmp_path, found), reader(kind)))


@each_format
@pytest.mark.parametrize(
    "path",
    [
        "images/a.jpg",
        "./a.jpg",
        "../images/a.jpg",
        "/home/bob/images/a.jpg",
        "C:\\Users\\bob\\images\\a.jpg",
        "file:///C:/Users/bob/a.jpg",
        "https://example.org/x/images/a.jpg?sig=1",
        "images%2Fa.jpg",
        "a.JPG",
        "a.jpeg",
        "A.png",
    ],
)
def test_paths_that_differ_from_the_disk_lead_to_the_picture(tmp_path, kind, path):
    assert near(card_px(write(tmp_path, files(kind, path=path)), reader(kind)))


@each_format
def test_a_picture_in_upper_case_is_read(tmp_path, kind):
    assert near(card_px(write(tmp_path, files(kind, name="IMAGES/A.JPG")), reader(kind)))


@each_format
def test_other_labels_are_ignored(tmp_path, kind):
    shapes = (("hand", HAND_PX), ("card", QUAD_PX), ("hand", HAND_PX + 2))
    tally = Tally()
    label = "doc_quad" if kind == "midv" else "card"
    folder = write(tmp_path, files(kind, shapes))
    (record,) = scenes(folder, reader(kind), [label], tally)
    assert len(record.cards) == 1 and tally.ignored_labels == {"hand": 2}


@each_format
def test_corners_outside_the_frame_are_kept(tmp_path, kind):
    outside = QUAD_PX - [60, 0]
    assert near(card_px(write(tmp_path, files(kind, (("card", outside),))), reader(kind)), outside)


@each_format
def test_a_picture_without_shapes_holds_no_card(tmp_path, kind):
    folder = write(tmp_path, files(kind, ()))
    if kind == "midv":  # its templates mark no document
        assert "the export is empty" in refusal(folder, "midv")
    else:
        assert [len(record.cards) for record in scenes(folder, reader(kind))] == [0]


@each_format
def test_an_outline_that_crosses_itself_is_refused(tmp_path, kind):
    folder = write(tmp_path, files(kind, (("card", QUAD_PX[[0, 2, 1, 3]]),)))
    assert "the outline crosses itself" in refusal(folder, reader(kind))


@pytest.mark.parametrize("kind", SIZED)
def test_labels_of_the_stored_picture_turn_with_it(tmp_path, kind):
    (record,) = scenes(write(tmp_path, files(kind, turn=6)), reader(kind))
    turned = np.stack([119 - QUAD_PX[:, 1], QUAD_PX[:, 0]], axis=1)
    found = quads.to_px(record.cards[0].quad, record.size_px)
    assert record.size_px == (120, 160) and near(found, quads.canonical(turned))


@pytest.mark.parametrize("kind", ["yolo", "midv"])
def test_a_turned_picture_without_a_stated_size_is_refused(tmp_path, kind):
    message = refusal(write(tmp_path, files(kind, turn=6)), kind)
    assert "EXIF orientation 6, and the labels state no size" in message


@each_format
def test_a_picture_that_is_missing_is_refused(tmp_path, kind):
    found = files(kind, path="images/a.jpg")
    del found["images/a.jpg"]
    if kind == "yolo":  # it names no pictures
        found["other/b.jpg"] = picture(seed=1)
    assert "a" in refusal(write(tmp_path, found), reader(kind))
