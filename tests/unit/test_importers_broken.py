"""No value in a label file, however odd, ends in a traceback: it is read, or refused in words."""

import copy
import json
import random
import re

import pytest

from meishi.data.importers.importing import import_scenes
from meishi.data.importers.registry import READERS
from tests.exports import EDGES_PX, QUAD_PX, SHARES, picture, write

ODD = (None, True, False, 0, -1, 1e308, 10**400, float("nan"), "", "x", "7", [], {}, [[]], [None],
       [{}], {"a": 1}, [1, [2]], "\ud800", "\0", "../..", -1e-320)  # fmt: skip
ODD_WORDS = ("", "x", "-1", "nan", "1e400", "1,2;3", "\u0662", "99999999999", "0", "a b", "-0.5;7")
SIZED = {"original_width": 160, "original_height": 120}
PERCENT = (SHARES * 100).tolist()
SHAPE = {"label": "card", "shape_type": "polygon", "points": EDGES_PX.tolist(), "group_id": 1}
MASK = {"label": "card", "shape_type": "mask", "points": [[1, 1], [9, 9]], "mask": "iVBORw0KGgo="}
LABELS = {
    "coco": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 120}],
        "categories": [{"id": 1, "name": "card"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3, 4, 5, 6]],
             "keypoints": [1, 2, 2] * 4, "iscrowd": 0, "attributes": {"design": "a"}},
            {"id": 2, "image_id": 1, "category_id": 1,
             "segmentation": {"size": [120, 160], "counts": "PPYo1"}},
        ],
    },
    "labelme": {"imagePath": "a.jpg", "imageWidth": 160, "imageHeight": 120, "imageData": "eA==",
                "shapes": [SHAPE, {**SHAPE, "shape_type": "point"}, MASK]},
    "label_studio": [
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"was_cancelled": False, "result": [
            {"id": "r", "type": "polygonlabels", **SIZED, "image_rotation": 0,
             "value": {"points": PERCENT, "closed": True, "polygonlabels": ["card"]}},
            {"id": "q", "type": "rectanglelabels", **SIZED, "parentID": "r",
             "value": {"x": 1, "y": 2, "width": 9, "height": 9, "rotation": 3,
                       "rectanglelabels": ["card"]}},
            {"id": "p", "type": "brush", **SIZED, "value": {"format": "rle", "rle": [0, 0, 1]}},
            {"id": "p", "type": "labels", "value": {"labels": ["card"]}},
        ]}]}
    ],
    "midv": {"quad": QUAD_PX.tolist()},
}  # fmt: skip
ROW = {"image": "a.jpg", "id": 1, "annotation_id": 1, "lead_time": 1.5, "label": [
    {**SIZED, "points": PERCENT, "polygonlabels": ["card"]}]}  # fmt: skip
VIA = {"_via_img_metadata": {"a.jpg1": {"filename": "a.jpg", "regions": [
    {"shape_attributes": {"all_points_x": [1, 9, 9, 1], "all_points_y": [1, 1, 9, 9]},
     "region_attributes": {"field_name": "doc_quad"}}]}}}  # fmt: skip
CASES = [*LABELS.items(), ("label_studio", [ROW]), ("midv", VIA)]
CVAT = (
    '<annotations><version>1.1</version><meta><task><mode>interpolation</mode><start_frame>0'
    "</start_frame><stop_frame>9</stop_frame><original_size><width>160</width><height>120</height>"
    "</original_size></task></meta>{}</annotations>"
)  # fmt: skip
ELEMENTS = (
    '<polygon label="card" frame="0" points="1,2;90,2;90,60;1,60" group_id="1" keyframe="1"/>'
    '<box label="card" frame="1" xtl="1" ytl="2" xbr="50" ybr="60" rotation="20" outside="0"/>'
    '<mask label="card" frame="2" rle="3, 6" left="1" top="2" width="3" height="3"/>'
    '<skeleton label="card" frame="3"><points label="a" outside="0" points="1,2"/></skeleton>'
)
TEXTS = [
    ("cvat", "annotations.xml", CVAT.format(
        f'<image id="0" name="a.jpg" width="160" height="120" subset="x">{ELEMENTS}</image>')),
    ("cvat", "annotations.xml", CVAT.format(f'<track label="card">{ELEMENTS}</track>')),
    ("smartdoc", "frame.gt.xml", '<a><segmentation_results><frame index="1" rejected="false">'
     '<point name="tl" x="1" y="2"/><point name="tr" x="90" y="2"/><point name="br" x="90" y="60"/>'
     '<point name="bl" x="1" y="60"/></frame></segmentation_results></a>'),
    ("yolo", "frame_000001.txt", '"0" "0.1" "0.1" "0.9" "0.1" "0.9" "0.8" "0.1" "0.8"'),
]  # fmt: skip


def places(value, path=()):
    """List every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from places(inner, (*path, key))


def changed(value, path, new):
    if not path:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


def read(folder, kind):
    faults = []
    found = list(import_scenes(folder, kind, (), "src", faults))
    assert found or faults


@pytest.mark.parametrize(("kind", "good"), CASES)
def test_no_json_value_ends_in_a_traceback(tmp_path, kind, good):
    rng = random.Random(0)
    folder = write(tmp_path, {"a.jpg": picture(), "frame_000000.jpg": picture(seed=1)})
    for path in places(good):
        for new in rng.sample(ODD, 2):
            (folder / "a.json").write_text(json.dumps(changed(good, path, new)))
            read(folder, kind)


@pytest.mark.parametrize(("kind", "name", "text"), TEXTS)
def test_no_text_value_ends_in_a_traceback(tmp_path, kind, name, text):
    files = {f"frame_00000{i}.jpg": picture(seed=i) for i in range(3)}
    folder = write(tmp_path, {"a.jpg": picture(seed=9), **files})
    rng = random.Random(0)
    for match in re.finditer(r'"([^"]*)"|(?<=>)(\w+)(?=<)', text):
        start, end = match.span(1 if match[1] is not None else 2)
        for new in rng.sample(ODD_WORDS, 2):
            odd = text[:start] + new + text[end:]
            (folder / name).write_text(odd.replace('"', "") if kind == "yolo" else odd)
            read(folder, kind)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"[" * 100_000, b"<a" * 50, b"1e999"])
def test_no_file_ends_in_a_traceback(tmp_path, kind, content):
    names = ("a.json", "annotations.xml", "a.gt.xml", "a.txt", "data.yaml")
    read(write(tmp_path, {"a.jpg": picture(), **dict.fromkeys(names, content)}), kind)
