"""COCO files of bare boxes beside the file that has the outlines, as Datumaro writes them."""

import copy

import numpy as np
import pytest

from meishi.data.importers.coco_boxes import BOXES
from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, picture, refusal, scenes, write
from tests.unit.test_importers_coco import GOOD

KEYPOINTS = np.hstack([QUAD_PX, np.full((4, 1), 2)]).ravel().tolist()


def export(folder, change=lambda boxes: None):
    """Keypoints, and their boxes once more in two files; `change` is made to the first of these."""
    root = copy.deepcopy(GOOD)
    root["images"].append({"id": 2, "file_name": "b.jpg", "width": 160, "height": 120})
    root["annotations"][0].update(segmentation=[])
    boxes, stuff = copy.deepcopy(root), copy.deepcopy(root)
    root["annotations"][0].update(keypoints=KEYPOINTS)
    change(boxes)
    files = {"person_keypoints": root, "instances": boxes, "stuff": stuff}
    pictures = {"a.jpg": picture(), "b.jpg": picture(seed=2), "c.jpg": picture(seed=3)}
    return write(
        folder,
        {f"annotations/{kind}_val.json": value for kind, value in files.items()}
        | {f"images/val/{name}": content for name, content in pictures.items()},
    )


def test_boxes_that_another_file_outlines_are_left_out_and_counted(tmp_path):
    tally = Tally()
    found = scenes(export(tmp_path), "coco", tally=tally)
    assert [len(record.cards) for record in found] == [1, 0]
    assert tally.left_out[BOXES] == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda boxes: boxes["annotations"][0].update(bbox=[9, 9, 5, 5]),
        lambda boxes: boxes["annotations"].append(
            boxes["annotations"][0] | {"id": 9, "bbox": [90, 9, 5, 5]}
        ),
        lambda boxes: boxes["images"].append(
            {"id": 3, "file_name": "c.jpg", "width": 160, "height": 120}
        ),
        lambda boxes: boxes["categories"][0].update(name="other"),
    ],
    ids=["another box", "one more box", "one more picture", "another label"],
)
def test_boxes_that_say_more_are_refused(tmp_path, change):
    assert "instances_val.json" in refusal(export(tmp_path, change), "coco")
