"""Zoom: windows round cards, whose quads stay where the pixels are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.data.mixing import Mixer
from meishi.data.pool import Pool
from meishi.data.records import Card, Record
from meishi.data.zoom import Zoom
from meishi.geometry import boxes, crops, quads
from meishi.params import load_params
from meishi.recipe import ZoomParams

SIZE_PX = (640, 480)
CUT = (0.02, 0.35)
ZOOM = ZoomParams(1.0, 1.0, 0.15, 0.65, 1.8, 0.35)
seeds = st.integers(0, 2**31)
RIM, TIGHT = Zoom(ZOOM, CUT), Zoom(replace(ZOOM, cut=0.0), CUT)
NONE = np.zeros((0, 4, 2))


def random_quad(rng, low=0.05, high=0.75):
    """Draw a card that the scene shows whole: a box with its corners moved."""
    side = rng.uniform(0.08, 0.25, 2)
    place = rng.uniform(low, high - side)
    return place + quads.FRAME * side + rng.uniform(-0.1, 0.1, (4, 2)) * side


def scene_of(*card_quads):
    image = np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
    for quad in card_quads:
        image |= np.rint(255 * crops.coverage(quads.to_px(quad, SIZE_PX), SIZE_PX)).astype(
            np.uint8
        )[..., None]
    return image


def area_of(image):
    return image.shape[0] * image.shape[1]


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_card_fills_the_share_that_is_drawn_and_shows_whole(seed):
    rng = np.random.default_rng(seed)
    quad = random_quad(rng)
    part, moved = TIGHT.card(scene_of(quad), quad, rng)
    assert quads.fault(moved) is None
    assert quads.visible_share(moved) > 0.97  # whole pixels cut a card of 50 by less
    if area_of(part) < SIZE_PX[0] * SIZE_PX[1]:
        assert 0.14 < abs(quads.area(moved)) < 0.67


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_quad_stays_on_its_pixels(seed):
    rng = np.random.default_rng(seed)
    quad = random_quad(rng)
    part, moved = RIM.card(scene_of(quad), quad, rng)
    size_px = (part.shape[1], part.shape[0])
    drawn = np.rint(255 * crops.coverage(quads.to_px(moved, size_px), size_px))
    np.testing.assert_allclose(part[..., 0], drawn, atol=2)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_no_window_leaves_a_card_that_is_neither_there_nor_gone(seed):
    rng = np.random.default_rng(seed)
    card_quads = np.array([random_quad(rng, 0.05, 0.45), random_quad(rng, 0.5, 0.95)])
    part, moved = RIM.frame(scene_of(*card_quads), card_quads, rng)
    shares = [quads.visible_share(quad) for quad in moved]
    assert shares and min(shares) >= CUT[1]
    if len(moved) == 1:  # of the other one, next to nothing shows
        size_px = (part.shape[1], part.shape[0])
        rest = part[..., 0] * (crops.coverage(quads.to_px(moved[0], size_px), size_px) == 0)
        assert (rest > 127).sum() <= CUT[0] * 0.0625 * SIZE_PX[0] * SIZE_PX[1]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_of_a_card_that_the_scene_cuts_what_it_shows_fills_the_window(seed):
    rng = np.random.default_rng(seed)
    quad = random_quad(rng) * [1, 1] - [0.1, 0]
    part, moved = TIGHT.card(scene_of(quad), quad, rng)
    seen = quads.visible_share(quad)
    if seen > 0.3 and area_of(part) < SIZE_PX[0] * SIZE_PX[1]:
        assert quads.visible_share(moved) == pytest.approx(seen, abs=0.04)
        assert 0.13 < seen * abs(quads.area(moved)) < 0.7


def test_a_scene_without_cards_is_zoomed_too():
    rng = np.random.default_rng(5)
    sizes = set()
    for _ in range(20):
        part, moved = RIM.frame(scene_of(), NONE, rng)
        assert moved.shape == (0, 4, 2)
        sizes.add(part.shape)
    assert len(sizes) > 5


def test_windows_take_every_place_about_a_card_and_both_proportions():
    quad = np.array([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]])
    rng = np.random.default_rng(2)
    boxes_xyxy, ratios = [], []
    for _ in range(200):
        part, moved = TIGHT.card(scene_of(quad), quad, rng)
        boxes_xyxy.append(boxes.from_quads(moved[None])[0])
        ratios.append(part.shape[1] / part.shape[0])
    left, top = np.array(boxes_xyxy)[:, 0], np.array(boxes_xyxy)[:, 1]
    assert min(left.min(), top.min()) < 0.02
    assert min(left.max(), top.max()) > 0.3
    assert min(ratios) < 0.75
    assert max(ratios) > 1.5


def test_a_window_may_leave_out_a_rim_but_no_more():
    quad = np.array([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]])
    rng = np.random.default_rng(3)
    shown = [quads.visible_share(RIM.card(scene_of(quad), quad, rng)[1]) for _ in range(200)]
    assert min(shown) < 0.7
    assert min(shown) >= CUT[1]
    assert np.median(shown) > 0.9


def test_of_a_card_that_the_scene_cuts_no_window_shows_too_little():
    quad = np.array([[-0.12, 0.4], [0.1, 0.4], [0.1, 0.6], [-0.12, 0.6]])  # 0.45 of it show
    rng = np.random.default_rng(3)
    found = [RIM.card(scene_of(quad), quad, rng) for _ in range(100)]
    assert min(quads.visible_share(moved) for _, moved in found) >= CUT[1]
    assert min(area_of(part) for part, _ in found) < area_of(scene_of()) / 2


def test_a_card_that_fills_the_scene_leaves_it_as_it_is():
    quad = np.array([[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]])
    image = scene_of(quad)
    part, moved = TIGHT.card(image, quad, np.random.default_rng(0))
    assert part is image
    assert moved is quad
    assert TIGHT.frame(image, quad[None], np.random.default_rng(0))[0] is image


def test_the_same_seed_gives_the_same_window():
    quad = random_quad(np.random.default_rng(1))
    results = [RIM.card(scene_of(quad), quad, np.random.default_rng(seed))[1] for seed in (7, 7, 8)]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_scenes_are_zoomed_as_often_as_the_params_say(workspace, probability):
    params = load_params("augment").augment
    zoom = replace(ZOOM, frame_probability=probability, crop_probability=probability)
    mixer = Mixer(replace(params, zoom=zoom), Pool())
    quad = np.array([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]])
    cards = (Card(quad, "design"),)
    record = Record("s", "", "s.webp", "", *SIZE_PX, cards, ("desk",), {"held": True})
    image, whole = scene_of(quad), SIZE_PX[0] * SIZE_PX[1]
    frames = [mixer.frame(image, record, [seed])[0] for seed in range(8)]
    card_crops = [mixer.crop(image, record, 0, [seed])[0] for seed in range(8)]
    for parts in (frames, card_crops):
        assert sum(area_of(part) < whole for part in parts) == 8 * probability
