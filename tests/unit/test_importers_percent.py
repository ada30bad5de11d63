import copy

import numpy as np
import pytest

from tests.exports import EDGES_PX, SHARES, card_px, picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_labelme as labelme

LARGE_PX = (800, 600)
PERCENT = (SHARES * 100).ravel().tolist()


def export(folder, points, size_px=LARGE_PX, photos=1):
    root = copy.deepcopy(coco.GOOD)
    root["images"][0].update(width=size_px[0], height=size_px[1])
    root["annotations"][0]["segmentation"] = [points]
    files = {"a.jpg": picture(size_px)}
    for number in range(1, photos):
        name = f"{number}.jpg"
        root["images"].append({**root["images"][0], "id": number + 1, "file_name": name})
        files[name] = picture(size_px, seed=number)
    return write(folder, {"annotations.json": root, **files}), root


def test_outlines_in_percent_are_refused(tmp_path):
    folder, _ = export(tmp_path, PERCENT)
    told = refusal(folder, "coco")
    assert "all 1 outlines lie in the first 101 px of photos of 600 px and more" in told
    assert "percent" in told


def test_labelme_in_percent_is_refused(tmp_path):
    root = copy.deepcopy(labelme.GOOD)
    root.update(imageWidth=800, imageHeight=600)
    root["shapes"][0]["points"] = (SHARES * 100).tolist()
    folder = write(tmp_path, {"a.json": root, "a.jpg": picture(LARGE_PX)})
    assert "percent" in refusal(folder, "labelme")


def test_one_card_elsewhere_says_that_they_are_pixels(tmp_path):
    folder, root = export(tmp_path, PERCENT, photos=2)
    beyond = {**root["annotations"][0], "id": 2, "image_id": 2}
    beyond["segmentation"] = [(EDGES_PX * 2).ravel().tolist()]
    root["annotations"].append(beyond)
    write(folder, {"annotations.json": root})
    assert [len(record.cards) for record in scenes(folder, "coco")] == [1, 1]


def test_photos_without_cards_do_not_count(tmp_path):
    folder, _ = export(tmp_path, PERCENT, photos=3)
    assert "percent" in refusal(folder, "coco")


def test_a_small_photo_may_show_a_card_there(tmp_path):
    folder, _ = export(tmp_path, PERCENT, size_px=(390, 300))
    expected = SHARES * 100 - 0.5
    assert np.abs(card_px(folder, "coco") - expected).max() < 1e-6


@pytest.mark.parametrize(
    "segmentation",
    [
        [EDGES_PX.tolist()],
        EDGES_PX.tolist(),
        [EDGES_PX[:3].tolist(), EDGES_PX[[2, 3, 0]].ravel().tolist()],
    ],
    ids=["pairs in a list", "pairs", "two parts, one of each kind"],
)
def test_coco_outlines_of_pairs_are_outlines(tmp_path, segmentation):
    folder = coco.export(tmp_path, coco.annotation(segmentation=segmentation))
    flat = coco.export(tmp_path / "flat", coco.annotation(segmentation=[EDGES_PX.ravel().tolist()]))
    assert np.allclose(card_px(folder, "coco"), card_px(flat, "coco"), atol=0.5)


@pytest.mark.parametrize(
    "segmentation", [[[[1, 2], [3]]], [[[1, 2], 3, 4]], [[[1, 2], ["x", 4]]], [[[[1, 2]]]]]
)
def test_points_that_are_neither_pairs_nor_numbers_are_refused(tmp_path, segmentation):
    folder = coco.export(tmp_path, coco.annotation(segmentation=segmentation))
    assert "segmentation[0]: expected" in refusal(folder, "coco")


def test_a_size_of_zeros_is_not_stated(tmp_path):
    folder = coco.export(tmp_path, coco.image(width=0, height=0))
    assert len(scenes(folder, "coco")[0].cards) == 1


def test_one_zero_is_a_fault(tmp_path):
    folder = coco.export(tmp_path, coco.image(width=0))
    assert "expected whole pixels" in refusal(folder, "coco")
