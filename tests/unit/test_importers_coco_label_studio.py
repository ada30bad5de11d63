"""Keypoints in Label Studio's COCO: one set a picture, however many cards it shows."""

import numpy as np
import pytest

from meishi.geometry import quads
from tests.exports import QUAD_PX, SHARES, card_px, picture, refusal, scenes
from tests.unit import test_importers_coco as coco

POINTS_PX = quads.to_px(SHARES, (120, 160))  # of the upright picture, where EXIF turns it
FAR_PX = np.array([[2, 2], [20, 2], [20, 12], [2, 12]])


def keypoints(corners_px, **more):
    """An annotation of four corners, in our pixels."""
    row = np.hstack([corners_px + 0.5, np.full((4, 1), 2)]).ravel().tolist()
    return {"image_id": 1, "category_id": 4, "keypoints": row, "iscrowd": 0, **more}


def box(corners_px, **more):
    """An annotation of the rectangle around corners, in our pixels."""
    low, size = corners_px.min(axis=0) + 0.5, np.ptp(corners_px, axis=0)
    row = {"image_id": 1, "category_id": 3, "segmentation": [], "iscrowd": 0}
    return row | {"bbox": [*low.tolist(), *size.tolist()], **more}


def export(folder, rows, turn=1):
    def change(root):
        root.update(info={"contributor": "Label Studio"})
        root["annotations"] = [{"id": i, **row} for i, row in enumerate(rows)]

    return coco.export(folder, change, {"a.jpg": picture(turn=turn)})


@pytest.mark.parametrize("labels", [(), ("card",), ("hand",)])
@pytest.mark.parametrize("first", [0, 1])
def test_four_points_in_the_only_rectangle_are_a_card(tmp_path, labels, first):
    rows = [box(QUAD_PX), keypoints(QUAD_PX)]
    folder = export(tmp_path, [rows[first], rows[1 - first]])
    assert np.allclose(card_px(folder, "coco", labels), QUAD_PX)


def test_they_are_pixels_of_the_upright_picture(tmp_path):
    folder = export(tmp_path, [box(POINTS_PX), keypoints(POINTS_PX)], turn=6)
    assert np.allclose(card_px(folder, "coco"), POINTS_PX)


@pytest.mark.parametrize(
    "rows",
    [
        [keypoints(QUAD_PX)],
        [box(QUAD_PX), box(FAR_PX), keypoints(QUAD_PX)],
        [{**coco.GOOD["annotations"][0], "category_id": 3}, keypoints(FAR_PX)],
    ],
    ids=["no rectangle", "two rectangles", "a polygon"],
)
def test_points_that_may_be_of_several_cards_are_refused(tmp_path, rows):
    message = refusal(export(tmp_path, rows), "coco", ["hand"])
    assert "one set of keypoints a picture" in message and "export its JSON" in message


def test_points_that_are_mixed_from_two_cards_are_refused(tmp_path):
    mixed = np.vstack([FAR_PX[:1], QUAD_PX[1:]])
    message = refusal(export(tmp_path, [box(QUAD_PX), keypoints(mixed)]), "coco")
    assert "the box and the four points of its group disagree" in message


def test_points_of_a_label_that_is_not_asked_for_are_ignored(tmp_path):
    rows = [{**coco.GOOD["annotations"][0], "category_id": 3}, keypoints(FAR_PX)]
    assert len(scenes(export(tmp_path, rows), "coco", ["card"])[0].cards) == 1


@pytest.mark.parametrize("turn", [1, 6])
def test_beside_a_polygon_they_are_read_if_nothing_turns_the_picture(tmp_path, turn):
    polygon = {**coco.GOOD["annotations"][0], "category_id": 3}
    folder = export(tmp_path, [polygon, box(FAR_PX), keypoints(FAR_PX)], turn)
    if turn == 1:
        assert len(scenes(folder, "coco")[0].cards) == 2
    else:
        assert "EXIF orientation 6" in refusal(folder, "coco")
