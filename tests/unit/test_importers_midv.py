import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, card_px, picture, refusal, scenes, write

IMAGE = "01_alb_id/images/CA/CA01_01.tif"
LABELS = "01_alb_id/ground_truth/CA/CA01_01.json"
QUAD = {"quad": QUAD_PX.astype(int).tolist()}


def export(folder, value=QUAD, files=None):
    content = picture(suffix="TIFF")
    return write(folder, {IMAGE: content, LABELS: value, **(files or {})})


def via(**shape):
    outline = {
        "name": "polygon",
        "all_points_x": QUAD_PX[:, 0].tolist(),
        "all_points_y": QUAD_PX[:, 1].tolist(),
        **shape,
    }
    regions = [
        {"shape_attributes": outline, "region_attributes": {"field_name": "doc_quad"}},
        {"shape_attributes": {"name": "rect"}, "region_attributes": {"field_name": "face"}},
    ]
    entry = {"filename": "00.jpg", "size": 1, "regions": regions}
    return {"_via_settings": {}, "_via_img_metadata": {"00.jpg1": entry}}


def test_a_quad_is_in_pixels(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "midv"), QUAD_PX)


def test_frames_of_a_document_share_its_design(tmp_path):
    (record,) = scenes(export(tmp_path), "midv")
    assert record.cards[0].design == "01_alb_id"


def test_templates_are_left_out(tmp_path):
    template = {"field01": {"value": "x", "quad": [[0, 0]]}}
    files = {
        "01_alb_id/ground_truth/01_alb_id.json": template,
        "01_alb_id/images/01_alb_id.tif": picture(seed=1, suffix="TIFF"),
    }
    tally = Tally()
    assert len(scenes(export(tmp_path, files=files), "midv", (), tally)) == 1
    assert tally.left_out["templates (fields, no quad)"] == 1


def test_the_via_files_of_midv_2020_are_read(tmp_path):
    files = {
        "photo/annotations/alb_id.json": via(),
        "photo/images/alb_id/00.jpg": picture(),
        "photo/images/esp_id/00.jpg": picture(seed=1),
    }
    assert np.allclose(card_px(write(tmp_path, files), "midv", ["doc_quad"]), QUAD_PX)


def test_via_files_of_templates_are_left_out(tmp_path):
    template = via()
    del template["_via_img_metadata"]["00.jpg1"]["regions"][0]
    files = {
        "photo/annotations/alb_id.json": via(),
        "photo/images/alb_id/00.jpg": picture(),
        "templates/annotations/alb_id.json": template,
        "templates/images/alb_id/00.jpg": picture(seed=1),
    }
    tally = Tally()
    assert len(scenes(write(tmp_path, files), "midv", (), tally)) == 1
    assert tally.left_out["pictures without doc_quad"] == 1


def test_a_picture_of_another_kind_of_file_is_found(tmp_path):
    files = {IMAGE.replace(".tif", ".jpg"): picture(), LABELS: QUAD}
    assert len(scenes(write(tmp_path, files), "midv")) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"quad": [[0, 0], [1, 1]]}, "quad: expected four corners, got 2"),
        ({"quad": "x"}, "quad: expected a list of [x, y]"),
        ({"quad": [[9, 9], [90, 9], [50, 20], [50, 90]]}, "inside the others' triangle"),
        ({"quad": [[900, 9], [990, 9], [990, 90], [900, 90]]}, "is out of range"),
        ({"box": 1}, "no MIDV annotation: no 'quad'"),
        ("{", "no MIDV annotation: not JSON"),
    ],
)
def test_what_is_no_quad_is_refused_by_name(tmp_path, value, words):
    assert words in refusal(export(tmp_path, value), "midv")


def test_a_quad_without_its_picture_is_refused(tmp_path):
    assert "no picture at all, and '01_alb_id/images/CA/CA01_01.tif' is named" in refusal(
        write(tmp_path, {LABELS: QUAD}), "midv"
    )


def test_a_via_outline_of_unequal_columns_is_refused(tmp_path):
    files = {"photo/annotations/a.json": via(all_points_x=[1]), "photo/images/a/00.jpg": picture()}
    message = refusal(write(tmp_path, files), "midv", ["doc_quad"])
    assert "regions[0]: shape_attributes: all_points_x, all_points_y: expected" in message


def test_via_of_others_is_refused_in_one_line(tmp_path):
    value = via()
    for region in value["_via_img_metadata"]["00.jpg1"]["regions"]:
        region["region_attributes"] = {"class": "card"}
    folder = write(tmp_path, {"via.json": value, "00.jpg": picture()})
    (line,) = refusal(folder, "midv").splitlines()
    assert "no region has a 'field_name': of VIA only MIDV's is read" in line
