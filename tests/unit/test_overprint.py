"""Overprint: what is printed over a card stays within its quad, and only lone flat cards get it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.data.mixing import Mixer
from meishi.data.overprint import overprint
from meishi.data.pool import Background, Pool
from meishi.data.records import Card, Record
from meishi.geometry import crops, quads
from meishi.params import load_params
from meishi.pictures import images
from meishi.recipe import OverprintParams

SIZE_PX = (160, 120)
QUAD = np.array([[0.3, 0.3], [0.7, 0.28], [0.72, 0.68], [0.28, 0.7]])
ALL_OVER = OverprintParams(1.0, 1.0, 1, 1.0, 0.0, 0.0, 1.0)
SOME = OverprintParams(1.0, 1.0, 3, 0.25, 0.35, 0.25, 0.6)
seeds = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(3).integers(0, 256, (SIZE_PX[1], SIZE_PX[0], 3), dtype=np.uint8)


def changed(before, after):
    return (before != after).any(axis=2)


def record(*card_quads, **attributes):
    cards = tuple(Card(quad, f"design-{n}") for n, quad in enumerate(card_quads))
    return Record("s", "", "s.webp", "", *SIZE_PX, cards, ("desk",), attributes)


def mixer(pool=None, **changes):
    params = load_params("augment").augment
    never = replace(params.swap, probability=0.0)
    printed = replace(
        params.overprint, **{"frame_probability": 1.0, "crop_probability": 1.0, **changes}
    )
    whole = replace(params.zoom, frame_probability=0.0, crop_probability=0.0)
    return Mixer(replace(params, swap=never, overprint=printed, zoom=whole), pool or Pool())


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_nothing_outside_the_quad_changes_and_the_scene_given_stays(noise, seed):
    rng = np.random.default_rng(seed)
    quad = QUAD + rng.uniform(-0.2, 0.2, (4, 2)) * [0.5, 0.5] + rng.uniform(-0.3, 0.3, 2)
    before = noise.copy()
    after = overprint(noise, quad, lambda: noise, SOME, rng)
    np.testing.assert_array_equal(noise, before)
    inside = crops.coverage(quads.to_px(quad, SIZE_PX), SIZE_PX) > 0
    assert not changed(noise, after)[~inside].any()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_whole_opaque_layer_covers_the_card_to_its_edges(noise, seed):
    after = overprint(noise, QUAD, None, ALL_OVER, np.random.default_rng(seed))
    covered = crops.coverage(quads.to_px(QUAD, SIZE_PX), SIZE_PX) == 1
    assert changed(noise, after)[covered].mean() > 0.98
    # One colour or two that run into each other, in the card's light: none of the noise is left.
    steps = np.abs(np.diff(after.astype(int), axis=1))[covered[:, 1:] & covered[:, :-1]]
    assert np.percentile(steps, 90) <= 8


def test_the_same_seed_prints_the_same_and_another_something_else(noise):
    first, again, other = (
        overprint(noise, QUAD, None, SOME, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert changed(first, other).any()


def test_parts_of_a_photo_are_printed_where_the_params_want_them():
    grey = np.full((SIZE_PX[1], SIZE_PX[0], 3), 128, np.uint8)
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    params = replace(ALL_OVER, picture=1.0)

    def redness(picture):
        found = [
            overprint(grey, QUAD, picture, params, np.random.default_rng(seed))
            for seed in range(12)
        ]
        covered = crops.coverage(quads.to_px(QUAD, SIZE_PX), SIZE_PX) == 1
        return [np.ptp(image[..., 0][covered].astype(int)) for image in found]

    assert max(redness(lambda: stripes)) > 80
    calls = []
    overprint(grey, QUAD, lambda: calls.append(1), ALL_OVER, np.random.default_rng(0))
    assert calls == []  # a photo that is not wanted is not decoded either


def test_a_colour_of_the_ground_is_that_beside_the_card():
    ground = np.full((SIZE_PX[1], SIZE_PX[0], 3), (40, 90, 200), np.uint8)
    covered = crops.coverage(quads.to_px(QUAD, SIZE_PX), SIZE_PX) == 1
    scene = ground.copy()
    scene[covered] = 255
    params = replace(ALL_OVER, ground=1.0)
    for seed in range(5):
        after = overprint(scene, QUAD, None, params, np.random.default_rng(seed))
        assert np.abs(after[covered].astype(int).mean(axis=0) - (40, 90, 200)).max() < 60


def test_a_lone_card_is_printed_on_and_its_quads_stay(workspace, noise):
    lone = record(QUAD, held=False)
    assert changed(noise, mixer().crop(noise, lone, 0, [1])[0]).any()
    mixed, found = mixer().frame(noise, lone, [1])
    assert changed(noise, mixed).any()
    np.testing.assert_array_equal(found[0], QUAD)


@pytest.mark.parametrize(
    "scene",
    [record(QUAD, held=True), record(QUAD), record(QUAD, QUAD + 0.05, held=False)],
    ids=["held", "perhaps held", "overlapped"],
)
def test_fingers_and_cards_on_top_are_not_printed_over(workspace, noise, scene):
    np.testing.assert_array_equal(mixer().crop(noise, scene, 0, [1])[0], noise)


def test_without_overprint_a_scene_stays(workspace, noise):
    lone = record(QUAD, held=False)
    np.testing.assert_array_equal(mixer(crop_probability=0.0).crop(noise, lone, 0, [1])[0], noise)


def test_the_pool_lends_photos(workspace, noise):
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 0] = 250
    pool = Pool((), (Background(images.encode(red, ".png"), "red"),))
    printed = mixer(pool, picture=1.0, whole=1.0, layers=1, opacity_low=1.0, ground=0.0)
    lone = record(QUAD, held=False)
    found = [printed.crop(noise, lone, 0, [seed])[0][60, 80] for seed in range(20)]
    assert sum(bool(r > 100 and g < 30 and b < 30) for r, g, b in found) >= 3
