"""Flat views by wrong quads: where the card lies in them, and how the quads are drawn."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.data import flat_views as views_module
from meishi.data import tasks, wrong_quads
from meishi.data.flat_views import make_flat_views
from meishi.data.overprint import is_printable
from meishi.data.shards import ShardReader, write_shards
from meishi.geometry import crops, flat_views, quads
from meishi.geometry.homography import homography
from meishi.params import load_params
from tests.tiny_data import scenes
from tests.unit.test_quads import convex_quads

PARAMS = load_params("flat", "augment", path=Path(__file__).resolve().parents[2] / "params.yaml")
WRONG = PARAMS.flat.wrong
CARD_PX = np.array([[100.0, 80], [300, 110], [280, 240], [90, 210]])
SIDE_PX = 96


def test_a_quad_fills_the_middle_of_its_view():
    matrix = flat_views.view_from_image(CARD_PX, 192, 0.25)
    seen = crops.transform(CARD_PX, matrix)
    assert seen == pytest.approx(quads.FRAME * 128 + 31.5, abs=1e-6)


def test_without_a_margin_the_quad_is_the_view():
    matrix = flat_views.view_from_image(CARD_PX, 192, 0.0)
    assert matrix == pytest.approx(homography(CARD_PX, quads.to_px(quads.FRAME, (192, 192))))


@pytest.mark.parametrize("start", range(4))
def test_a_view_begins_at_a_long_side(start):
    begun = flat_views.from_a_long_side(np.roll(CARD_PX, start, axis=0))
    lengths = quads.side_lengths(begun)
    assert lengths[0] + lengths[2] > lengths[1] + lengths[3]
    assert any((np.roll(begun, turn, axis=0) == CARD_PX).all() for turn in range(4))


@given(convex_quads())
def test_a_view_begins_at_the_first_corner_or_where_its_side_is_the_shorter_at_the_second(quad):
    first, second, third, fourth = quads.side_lengths(quad)
    start = 0 if first + third >= second + fourth else 1
    begun = flat_views.from_a_long_side(quad)
    np.testing.assert_array_equal(begun, quad[[start, start + 1, start + 2, start - 1]])


@given(st.integers(0, 2**32 - 1))
def test_a_wrong_quad_is_one_and_shows_the_card(seed):
    wrong = wrong_quads.misplaced(CARD_PX, WRONG, np.random.default_rng(seed))
    assert quads.fault(wrong) is None
    card = crops.transform(CARD_PX, homography(wrong, quads.FRAME))
    assert np.abs(card - quads.FRAME).max() <= wrong_quads.MOST_OFF + 1e-6


def test_quads_that_cannot_be_wrong_are_the_cards_own():
    still = replace(WRONG.shift, probability=0.0)
    params = replace(WRONG, corner_sigmas=(0.0,), shift=still, corner=0.0)
    wrong = wrong_quads.misplaced(CARD_PX, params, np.random.default_rng(1))
    assert wrong == pytest.approx(CARD_PX)


def test_a_side_goes_inwards_with_both_its_ends():
    shift = replace(WRONG.shift, probability=1.0, low=-0.2, high=-0.2)
    params = replace(WRONG, corner_sigmas=(0.0,), shift=shift, two_sides=0.0, tilt=0.0)
    params = replace(params, far=replace(WRONG.far, probability=0.0))
    square = quads.FRAME * 100
    for seed in range(8):
        wrong = wrong_quads.misplaced(square, params, np.random.default_rng(seed))
        assert abs(quads.area(wrong)) == pytest.approx(8000)
        moved = np.abs(wrong - square).max(axis=1)
        assert sorted(moved) == pytest.approx([0, 0, 20, 20])


def test_when_no_wrong_quad_can_be_drawn_the_cards_own_is_taken():
    far = replace(WRONG.shift, probability=1.0, low=-0.99, high=-0.98)
    params = replace(WRONG, shift=far, two_sides=1.0, far=replace(WRONG.far, probability=0.0))
    assert wrong_quads.misplaced(CARD_PX, params, np.random.default_rng(1)) is CARD_PX


def drawn(count=400, **changes):
    """Wrong quads of a square of 100, by params of which everything else is off."""
    still = {"corner_sigmas": (0.0,), "two_sides": 0.0, "tilt": 0.0, "corner": 0.0}
    bounds = {
        name: replace(getattr(WRONG, name), probability=0.0, low=-0.2, high=-0.2)
        for name in ("shift", "far")
    }
    params = replace(WRONG, **still | bounds | changes)
    rngs = (np.random.default_rng(seed) for seed in range(count))
    return np.array([wrong_quads.misplaced(quads.FRAME * 100, params, rng) for rng in rngs])


def sides_off(found):
    """How far each side is inside at its ends: (N, 4, 2), the sides from the upper one on."""
    ends = np.stack([found, np.roll(found, -1, axis=1)], axis=2)  # (N, side, end, xy)
    true = np.stack([quads.FRAME, np.roll(quads.FRAME, -1, axis=0)], axis=1) * 100
    return ((true - ends) * wrong_quads.OUTWARD[:, None]).sum(axis=-1)


def test_the_share_of_quads_with_a_wrong_side_is_as_given_and_of_those_with_two():
    shift = replace(WRONG.shift, probability=0.5, low=-0.2, high=-0.2)
    wrong = (sides_off(drawn(shift=shift, two_sides=0.25)).min(axis=2) > 1).sum(axis=1)
    assert np.mean(wrong > 0) == pytest.approx(0.5, abs=0.08)
    assert np.mean(wrong[wrong > 0] == 2) == pytest.approx(0.25, abs=0.1)


def test_the_share_that_strays_more_does_so():
    shift = replace(WRONG.shift, probability=1.0, low=-0.1, high=-0.1)
    far = replace(WRONG.far, probability=0.3, low=-0.4, high=-0.4)
    off = sides_off(drawn(shift=shift, far=far)).min(axis=2).max(axis=1)
    assert set(np.unique(off.round(6))) == {10, 40}
    assert np.mean(off > 20) == pytest.approx(0.3, abs=0.08)


def test_a_wrong_side_is_tilted_about_its_middle():
    shift = replace(WRONG.shift, probability=1.0, low=-0.2, high=-0.2)
    found = drawn(shift=shift, tilt=0.04)
    off = sides_off(found)
    side = off.mean(axis=2).argmax(axis=1)
    ends = off[np.arange(len(off)), side]
    assert ends.mean(axis=1) == pytest.approx(20)
    assert (ends[:, 1] - ends[:, 0]).std() == pytest.approx(8, rel=0.2)


def test_of_the_quads_whose_sides_are_right_some_have_one_corner_off():
    moved = np.abs(drawn(corner=0.33, corner_sigma=0.1) - quads.FRAME * 100).max(axis=2) > 1e-9
    assert set(moved.sum(axis=1)) == {0, 1}
    assert np.mean(moved.any(axis=1)) == pytest.approx(0.33, abs=0.08)
    assert (moved.sum(axis=0) > 10).all()  # any of the four


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_shards(folder, scenes(groups=2))
    return ShardReader(folder)


@cache
def plain():
    """A recipe that leaves colours alone, so that a card can be told by them."""
    light = PARAMS.augment.crop_light
    off = {
        name: replace(getattr(light, name), probability=0.0)
        for name in ("color", "cast", "shadow", "illumination", "blur", "noise", "jpeg")
    }
    return replace(PARAMS.augment, crop_light=replace(light, grey=0.0, **off))


def test_views_are_the_same_for_any_number_of_workers_and_change_with_the_seed(reader, monkeypatch):
    monkeypatch.setattr(tasks, "SCENES_PER_TASK", 1)
    flat = replace(PARAMS.flat, views_per_card=2)
    one, two = (
        make_flat_views(reader, SIDE_PX, flat, replace(PARAMS.augment, workers=count), 3)
        for count in (1, 2)
    )
    assert one.jpegs == two.jpegs and one.key == two.key
    assert len(one.jpegs) == 2 * sum(len(record.quads) for record in reader.records)
    again = make_flat_views(reader, SIDE_PX, flat, replace(PARAMS.augment, workers=1), 4)
    assert again.key != one.key


def test_the_quad_of_a_view_is_the_cards(reader):
    """What lies in the quad has the card's colour, beside it the ground's."""
    flat = replace(PARAMS.flat, views_per_card=6, overprinted=0.0)
    views = make_flat_views(reader, SIDE_PX, flat, replace(plain(), workers=1), 3)
    for jpeg, [quad] in zip(views.jpegs, views.quads, strict=True):
        assert quads.fault(quad) is None
        view = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        mask = crops.soft_mask(quad, SIDE_PX)
        inner = cv2.erode(mask, np.ones((5, 5))) > 0.99
        outer = cv2.dilate(mask, np.ones((9, 9))) < 0.01
        assert inner.sum() > 500
        near = cv2.dilate(mask, np.ones((21, 21))) > 0.99
        beside = outer & near & (view != crops.PADDING).any(axis=2)
        card, ground = (np.median(view[part], axis=0) for part in (inner, beside))
        assert np.abs(card - ground).max() > 25


IN_THE_MIDDLE = quads.FRAME * 2 / 3 + 1 / 6  # of a view, by a margin of a quarter
STILL = replace(
    WRONG,
    corner_sigmas=(0.0,),
    shift=replace(WRONG.shift, probability=0.0),
    corner=0.0,
)


def test_a_card_is_seen_either_way_up_and_mirrored_and_always_upright():
    """By its own quad: a corner of another colour is then in each corner of the card alike."""
    picture = np.full((320, 400, 3), 40, np.uint8)
    cv2.fillConvexPoly(picture, CARD_PX.astype(np.int32), (200, 200, 200))
    cv2.circle(picture, (120, 100), 12, (200, 40, 40), -1)
    params = replace(PARAMS.flat, wrong=STILL)
    places = []
    for seed in range(60):
        view, seen = views_module._view(
            picture, CARD_PX, SIDE_PX, params, np.random.default_rng(seed)
        )
        assert quads.canonical(seen) == pytest.approx(IN_THE_MIDDLE, abs=1e-6)
        ys, xs = np.nonzero(view[..., 0].astype(int) - view[..., 1] > 80)
        places.append((xs.mean() > SIDE_PX / 2, ys.mean() > SIDE_PX / 2))
    counts = [places.count((right, low)) for right in (False, True) for low in (False, True)]
    assert min(counts) >= 6


def test_print_comes_as_often_as_asked_and_never_over_fingers(reader, monkeypatch):
    printed = []
    monkeypatch.setattr(views_module, "overprint", lambda image, *_: printed.append(1) or image)
    shown = [(record, image) for record, image in reader.scenes(reader.records) if record.cards]

    def share_of(overprinted, **attributes):
        printed.clear()
        told = [(replace(record, attributes=attributes), image) for record, image in shown]
        jobs = [(number, *scene) for number, scene in enumerate(told)]
        flat = replace(PARAMS.flat, views_per_card=12, overprinted=overprinted)
        made = views_module._make(jobs, SIDE_PX, flat, plain(), 3)
        return len(printed) / sum(len(scene) for scene in made)

    assert share_of(0.0, held=False) == 0 and share_of(1.0, held=False) == 1
    assert share_of(0.5, held=False) == pytest.approx(0.5, abs=0.15)
    assert share_of(1.0, held=True) == 0
    assert share_of(1.0) == 0  # nobody says


def test_what_lies_on_a_card_is_not_printed_over():
    free = np.array([[[0.1, 0.1], [0.4, 0.1], [0.4, 0.3], [0.1, 0.3]]])
    record, _ = next(scenes())
    record = replace(record, attributes={"held": False})
    pair = np.concatenate([free, free + 0.1])
    assert is_printable(record, free, 0)
    assert not is_printable(record, pair, 0) and not is_printable(record, pair, 1)
    assert is_printable(record, np.concatenate([free, free + 0.4]), 1)
