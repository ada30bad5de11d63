"""Masks of every tool, drawn and read back."""

import base64
import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from meishi.data.importers.brush import mask_from_brush
from meishi.data.importers.masks import pack
from meishi.data.importers.rle import RleError, mask_from_runs
from tests.exports import QUAD_PX, SIZE_PX, card_px, picture, refusal, write

WHOLE = cv2.fillConvexPoly(np.zeros(SIZE_PX[::-1], np.uint8), QUAD_PX.round().astype(int), 1) > 0
ROWS, COLUMNS = (np.flatnonzero(WHOLE.any(axis=axis)) for axis in (1, 0))
TOP, BOTTOM, LEFT, RIGHT = (int(v) for v in (ROWS[0], ROWS[-1], COLUMNS[0], COLUMNS[-1]))
PART = WHOLE[TOP : BOTTOM + 1, LEFT : RIGHT + 1]


def near(found):
    return np.abs(found - QUAD_PX).max() < 1.0


def runs(flat):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [2]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


def cvat(folder, rle=None, **values):
    given = {"left": LEFT, "top": TOP, "width": PART.shape[1], "height": PART.shape[0], **values}
    places = " ".join(f'{key}="{value}"' for key, value in given.items())
    text = rle if rle is not None else ", ".join(map(str, runs(PART.ravel())))
    xml = (
        '<annotations><version>1.1</version><image id="0" name="a.jpg" width="160" height="120">'
        f'<mask label="card" source="manual" occluded="0" rle="{text}" {places} z_order="0"/>'
        "</image></annotations>"
    )
    return write(folder, {"annotations.xml": xml, "a.jpg": picture()})


def test_a_mask_of_cvat_runs_row_by_row_from_its_corner(tmp_path):
    assert near(card_px(cvat(tmp_path), "cvat"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rle": "3, 4"}, "its runs cover 7 pixels"),
        ({"rle": "3, x"}, "rle: expected whole numbers"),
        ({"rle": ""}, "rle: expected whole numbers"),
        ({"left": "?"}, "left, top, width, height: expected whole pixels"),
        ({"width": 0}, "left, top, width, height: expected whole pixels"),
        ({"left": 100}, "its mask covers columns 100 to 18"),
    ],
)
def test_a_damaged_mask_of_cvat_is_refused(tmp_path, values, words):
    assert words in refusal(cvat(tmp_path, **values), "cvat")


def png(part):
    stream = io.BytesIO()
    Image.fromarray(part.astype(np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def labelme(folder, root=None, **values):
    given = {
        "label": "card",
        "shape_type": "mask",
        "points": [[float(LEFT), float(TOP)], [float(RIGHT), float(BOTTOM)]],
        "mask": png(PART),
        **values,
    }
    size = {"imageWidth": 160, "imageHeight": 120} if root is None else root
    value = {"version": "5.8.1", "imagePath": "a.jpg", "shapes": [given], **size}
    return write(folder, {"a.json": value, "a.jpg": picture()})


def test_a_mask_of_labelme_lies_between_its_points(tmp_path):
    assert near(card_px(labelme(tmp_path), "labelme"))


def test_a_mask_of_labelme_may_stand_over_the_frame_by_a_pixel(tmp_path):
    shift = 160 - RIGHT
    points = [[LEFT + shift, TOP], [RIGHT + shift, BOTTOM]]
    found = card_px(labelme(tmp_path, points=points), "labelme")
    assert np.abs(found - QUAD_PX - [shift, 0]).max() < 1.5


def test_a_fitted_side_that_the_photo_does_not_show_is_refused(tmp_path):
    # The left side runs along the border and is cut by it: no more than a few pixels tell of it.
    points = [[-1, TOP], [RIGHT - LEFT - 1, BOTTOM]]
    message = refusal(labelme(tmp_path, points=points), "labelme")
    assert "has a side of which the photo shows 6%: where the card goes on cannot" in message


def test_a_fitted_side_that_runs_along_the_border_and_beyond_it_is_refused(tmp_path):
    corners = np.array([[134, 52], [180, 75], [144, 148], [98, 126]])
    whole = cv2.fillConvexPoly(np.zeros(SIZE_PX[::-1], np.uint8), corners, 1) > 0
    message = refusal(label_studio(tmp_path, rle=brush(whole)), "label_studio")
    assert "where the card goes on cannot be told; mark its four corners" in message


@pytest.mark.parametrize(
    ("root", "values", "words"),
    [
        (None, {"mask": "?"}, "mask: expected a PNG in base64"),
        (None, {"mask": None}, "mask: expected a PNG in base64"),
        (None, {"mask": base64.b64encode(b"x").decode()}, "mask: expected a PNG in base64"),
        (None, {"points": [[0, 0], [9, 9]]}, "its points span 10x10"),
        (None, {"points": [[0, 0]]}, "a mask has two points, got 1"),
        ({}, {}, "a mask, and no imageWidth and imageHeight"),
        (
            None,
            {"points": [[100, TOP], [100 + RIGHT - LEFT, BOTTOM]]},
            "its mask leaves the frame: [[100",
        ),
    ],
)
def test_a_damaged_mask_of_labelme_is_refused(tmp_path, root, values, words):
    assert words in refusal(labelme(tmp_path, root, **values), "labelme")


def brush(mask, literal=False):
    """Pack a mask as Label Studio does: runs of one value, or values one by one."""
    values = np.repeat(mask.astype(int)[..., None] * 255, 4, axis=-1).ravel()
    bits = f"{len(values):032b}{8 - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    if literal:
        for start in range(0, len(values), 256):
            chunk = values[start : start + 256]
            bits += f"010{len(chunk) - 1:08b}" + "".join(f"{v:08b}" for v in chunk)
    else:
        edges = np.flatnonzero(np.diff(values)) + 1
        for chunk in np.split(values, edges):
            for start in range(0, len(chunk), 65536):
                bits += f"111{len(chunk[start : start + 65536]) - 1:016b}{chunk[0]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def label_studio(folder, kind="brushlabels", **value):
    given = {"format": "rle", "rle": brush(WHOLE), "brushlabels": ["card"], **value}
    region = {"type": kind, "original_width": 160, "original_height": 120, "value": given}
    task = {"data": {"image": "a.jpg"}, "annotations": [{"result": [region]}]}
    return write(folder, {"project-1.json": [task], "a.jpg": picture()})


def test_a_brush_of_label_studio_is_read(tmp_path):
    assert near(card_px(label_studio(tmp_path), "label_studio"))


def test_a_brush_of_its_small_export_is_read(tmp_path):
    region = {"format": "rle", "rle": brush(WHOLE), "brushlabels": ["card"]}
    sized = {**region, "original_width": 160, "original_height": 120}
    row = {"image": "a.jpg", "id": 1, "label": [sized], "annotation_id": 1, "lead_time": 1.0}
    folder = write(tmp_path, {"project-1.json": [row], "a.jpg": picture()})
    assert near(card_px(folder, "label_studio"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"rle": brush(WHOLE)[:40]}, "its run lengths end early"),
        ({"rle": brush(WHOLE[:9])}, "of 5760 values of 8 bits"),
        ({"rle": [300]}, "its run lengths are no bytes"),
        ({"rle": "x"}, "format, rle: expected"),
        ({"format": "png"}, "format, rle: expected"),
        ({"rle": brush(np.zeros_like(WHOLE))}, "is empty, or less than a pixel"),
    ],
)
def test_a_damaged_brush_is_refused(tmp_path, value, words):
    assert words in refusal(label_studio(tmp_path, **value), "label_studio")


@pytest.mark.parametrize("literal", [True, False])
def test_brushes_are_unpacked_exactly(literal):
    assert np.array_equal(mask_from_brush(brush(WHOLE, literal), SIZE_PX), WHOLE)


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), max_size=60))
def test_no_bytes_break_the_brush(packed):
    with pytest.raises(RleError):
        mask_from_brush(packed, (17, 3))


@settings(deadline=None)
@given(st.integers(0, 2**24), st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
def test_a_packed_mask_is_unpacked_exactly(seed, width, height, offset):
    part = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(bool)
    whole = np.pad(part, ((offset, 2), (1, offset)))
    size_px = (whole.shape[1], whole.shape[0])
    assert np.array_equal(pack(part, size_px, (1, offset)).whole(), whole)


def test_a_mask_beyond_the_size_of_pictures_is_refused_before_it_fills_the_memory():
    with pytest.raises(RleError, match="pixels at most are read"):
        mask_from_runs([10**10], (100_000, 100_000))
