"""Figures by slices: hand-made cards of known overlap."""

import numpy as np
import pytest

from meishi.data.records import Card, Record
from meishi.evaluation.detection import Detections
from meishi.measuring.slices import sliced_metrics

QUAD = np.array([[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]])  # 16 % of the frame


def record(name, cards, **attributes):
    listed = tuple(Card(quad, "d") for quad in cards)
    return Record(name, "", f"{name}.webp", "", 100, 100, listed, ("desk",), attributes)


@pytest.fixture
def slices():
    records = [
        record("a", [QUAD], layout="single", surface="wood", light="glare gradient"),
        record("b", [QUAD, QUAD + [0.45, 0]], layout="touching", surface="wood", held=True),
        record("c", [], layout="empty"),
    ]
    truths = [[q * 100 for q in r.quads] for r in records]
    # The first card is met exactly, the second by its half, the third not at all.
    half = truths[1][0].copy()
    half[[2, 3], 1] = 30
    return sliced_metrics(records, [[truths[0][0]], [half], []], truths)


def test_a_slice_holds_its_cards_and_a_missed_one_counts_nothing(slices):
    single = slices["layout single"]
    assert {single[key] for key in ("cards", "iou_mean", "iou_p05", "recall50")} == {1}
    assert slices["layout touching"]["cards"] == 2
    assert slices["layout touching"]["iou_mean"] == pytest.approx(0.25)
    assert slices["layout touching"]["recall50"] == pytest.approx(0.5)


def test_slices_over_several_scenes_pool_their_cards(slices):
    assert slices["surface wood"]["cards"] == 3
    assert slices["surface wood"]["iou_mean"] == pytest.approx(0.5)


def test_cards_are_sliced_by_their_share_of_the_frame(slices):
    assert slices["size 10% to 25%"]["cards"] == 3


def test_flags_make_slices_only_where_they_hold(slices):
    assert slices["light glare yes"]["cards"] == 1
    assert slices["held yes"]["cards"] == 2


def test_upright_frames_and_sleeves_are_slices():
    cards = (Card(QUAD, "d"),)
    scenes = [
        Record("a", "", "a.webp", "", 60, 80, cards, ("desk",), {"sleeved": True}),
        Record("b", "", "b.webp", "", 80, 60, cards, ("desk",), {"sleeved": False}),
    ]
    truths = [[QUAD * scene.size_px] for scene in scenes]
    slices = sliced_metrics(scenes, truths, truths)
    assert slices["upright yes"]["cards"] == slices["sleeved yes"]["cards"] == 1


def test_a_scene_without_cards_makes_no_slice(slices):
    assert "layout empty" not in slices


def test_corner_errors_are_of_the_cards_found(slices):
    # Of the half card two of four corners lie 20 px off; its diagonal has 40 sqrt(2) px.
    half = 100 * 10 / (40 * 2**0.5)
    assert slices["surface wood"]["corner_error_mean_pct"] == pytest.approx(half / 2)
    assert slices["layout single"]["corner_error_mean_pct"] == 0


def test_counts_are_of_the_scenes_with_a_card_of_the_slice(slices):
    assert slices["layout single"]["exact_count"] == 1
    assert slices["layout touching"]["exact_count"] == 0  # one scene, of whose two cards one shows
    assert slices["surface wood"]["exact_count"] == 0.5


def test_empty_scenes_belong_to_the_slices_of_scenes():
    records = [
        record("a", [QUAD], surface="wood", layout="single"),
        record("b", [], surface="wood", layout="empty"),
        record("c", [], surface="wood", layout="empty"),
        record("d", [], surface="stone", layout="empty"),
    ]
    quad = QUAD * 100
    slices = sliced_metrics(records, [[quad], [quad], [], [quad]], [[quad], [], [], []])
    wood = slices["surface wood"]
    assert (wood["empty_scenes"], wood["empty_with_false_card"]) == (2, 0.5)
    assert (slices["layout single"]["empty_scenes"], "surface stone" in slices) == (0, False)
    assert slices["layout single"]["empty_with_false_card"] == 0


def test_detections_are_measured_by_slice_where_there_are_any():
    two = [QUAD, QUAD + [0.45, 0]]
    records = [record("a", two, layout="apart"), record("b", [QUAD], layout="single")]
    truths = [[quad * 100 for quad in scene.quads] for scene in records]
    boxes_xyxy = np.array([[0.1, 0.1, 0.5, 0.5]])
    seen = Detections(boxes_xyxy, np.array([0.9]))
    slices = sliced_metrics(records, truths, truths, [seen, seen])
    assert slices["layout single"]["ap50_95"] == 1
    assert slices["layout apart"]["ap50"] == pytest.approx(51 / 101)  # one of two boxes
    assert "ap50" not in sliced_metrics(records, truths, truths)["layout apart"]
