"""Flat views by wrong quads: where the card lies in them, and how the quads are drawn."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.data import wrong_quads
from meishi.data.flat_views import make_flat_views
from meishi.data.shards import ShardReader, write_shards
from meishi.geometry import crops, flat_views, quads
from meishi.geometry.homography import homography
from meishi.params import load_params
from tests.tiny_data import scenes

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
    lengths = flat_views.side_lengths(begun)
    assert lengths[0] + lengths[2] > lengths[1] + lengths[3]
    assert any((np.roll(begun, turn, axis=0) == CARD_PX).all() for turn in range(4))


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


def test_views_are_the_same_for_any_number_of_workers_and_change_with_the_seed(reader):
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
