"""Outlines that programs traced around masks, and other oddities of converters."""

import cv2
import numpy as np
import pytest

from meishi.data.importers.importing import UPRIGHT
from meishi.data.importers.labelled import Tally
from meishi.data.importers.tracing import mask_of_trace
from tests.exports import EDGES_PX, QUAD_PX, SIZE_PX, card_px, picture, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat

FRAME = np.array(SIZE_PX)


def traced():
    """The outline that OpenCV traces around the card's mask: (N, 2), indices of pixels."""
    mask = coco.drawn_mask().astype(np.uint8)
    (found,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return found[:, 0].astype(float)


def runs():
    return {"size": [120, 160], "counts": coco.mask_runs(coco.drawn_mask())}


def of_mask(folder):
    return card_px(coco.export(folder, coco.annotation(segmentation=runs())), "coco")


def staircase(points):
    """Replace each slanted step by one across and one down, as along the edges of pixels."""
    corners = np.stack([np.roll(points[:, 0], -1), points[:, 1]], axis=1)
    return np.stack([points, corners], axis=1).reshape(-1, 2)


@pytest.mark.parametrize("closed", [False, True])
def test_an_outline_that_opencv_traced_means_the_mask(tmp_path, closed):
    points = traced()
    points = np.vstack([points, points[:1]]) if closed else points
    folder = coco.export(tmp_path / "a", coco.annotation(segmentation=[points.ravel().tolist()]))
    assert np.allclose(card_px(folder, "coco"), of_mask(tmp_path / "b"))
    assert np.abs(card_px(folder, "coco") - QUAD_PX).max() < 0.6


@pytest.mark.parametrize("decimals", [4, 5, 6])
def test_a_traced_outline_in_shares_of_the_frame_means_the_mask(tmp_path, decimals):
    row = "0 " + " ".join(f"{v:.{decimals}f}" for v in (traced() / FRAME).ravel())
    files = {"images/a.jpg": picture(), "labels/a.txt": row, "data.yaml": "names: [card]"}
    found = card_px(write(tmp_path / "a", files), "yolo")
    assert np.allclose(found, of_mask(tmp_path / "b"))


def test_the_mask_comes_back_whole():
    mask = mask_of_trace([traced()], SIZE_PX)
    assert np.array_equal(mask, coco.drawn_mask())


@pytest.mark.parametrize(
    "change",
    [
        lambda points: points[:8],
        lambda points: points + 0.3,
        lambda points: points + [100, 0],
        lambda points: points[::3],
        lambda points: staircase(points),
    ],
    ids=["few", "between pixels", "outside", "thinned", "edges of pixels"],
)
def test_other_outlines_are_no_trace(change):
    assert mask_of_trace([change(traced())], SIZE_PX) is None


HALFWAY_PX = [[40.5, 30], [120, 35.5], [115, 85.5], [38.5, 80]]
FIFTYONE = {"url": "https://voxel51.com/fiftyone"}


@pytest.mark.parametrize(
    ("points", "info", "moved"),
    [
        (HALFWAY_PX, FIFTYONE, 0),
        ([[0, 0], *HALFWAY_PX[1:]], FIFTYONE, 0),  # cut at the first pixel
        (HALFWAY_PX, {}, 0.5),
        (EDGES_PX.tolist(), FIFTYONE, 0.5),
        ([[40.5, 30.2], *HALFWAY_PX[1:]], FIFTYONE, 0.5),
    ],
    ids=["traced", "cut", "another tool", "drawn on halves", "drawn"],
)
def test_outlines_that_fiftyone_traced_are_in_indices_of_pixels(tmp_path, points, info, moved):
    def change(root):
        root.update(info=info)
        root["annotations"][0].update(segmentation=[np.ravel(points).tolist()])

    found = card_px(coco.export(tmp_path, change), "coco")
    assert np.allclose(found, np.array(points) - moved)


def test_upright_boxes_that_are_taken_as_cards_are_counted(tmp_path):
    box = '<box label="card" xtl="5" ytl="90" xbr="35" ybr="110"{}/>'
    tally = Tally()
    scenes(cvat.export(tmp_path / "a", cvat.POLYGON + box.format("")), "cvat", tally=tally)
    assert tally.left_out[UPRIGHT] == 1
    tally = Tally()
    turned = box.format(' rotation="20"')
    scenes(cvat.export(tmp_path / "b", cvat.POLYGON + turned), "cvat", tally=tally)
    assert tally.left_out[UPRIGHT] == 0
