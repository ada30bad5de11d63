"""Capture by slices: hand-made cards of known overlap."""

import numpy as np
import pytest

from meishi.data.records import Card, Record
from meishi.slices import capture_slices

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
    return capture_slices(records, [[truths[0][0]], [half], []], truths)


def test_a_slice_holds_its_cards_and_a_missed_one_counts_nothing(slices):
    assert slices["layout single"] == {"cards": 1, "iou_mean": 1.0, "iou_p05": 1.0, "recall50": 1.0}
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
    slices = capture_slices(scenes, truths, truths)
    assert slices["upright yes"]["cards"] == slices["sleeved yes"]["cards"] == 1


def test_a_scene_without_cards_makes_no_slice(slices):
    assert "layout empty" not in slices
