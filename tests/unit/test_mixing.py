"""Copy-paste and background swap: edges exactly along the quads, whatever the shape."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.data import cutout
from meishi.data.mixing import Mixer
from meishi.data.paste import find_place, paste
from meishi.data.pool import Donor, Pool
from meishi.data.records import Card, Record
from meishi.data.swap import can_swap, swap
from meishi.geometry import crops, quads
from meishi.params import load_params
from meishi.pictures import images
from meishi.recipe import DropShadowParams, PasteParams
from tests.unit.test_scenes import edge_offset_px

SIZE_PX = (320, 240)
NO_SHADOW = DropShadowParams(0.0, 0.0, 0.01, 0.01)
PASTE = PasteParams(1.0, 1.0, 0.5, 0.25, 0.5, 180.0, 35.0, NO_SHADOW)
WHITE = Donor(images.encode(np.full((110, 182, 3), 255, np.uint8), ".png"), "white", 1.0)
QUAD = np.array([[0.3, 0.3], [0.7, 0.28], [0.72, 0.68], [0.28, 0.7]])
seeds = st.integers(0, 2**31)


def black():
    return np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)


def assert_drawn_at(image, quad):
    bright = image[..., 0].astype(np.float32) * 255 / image.max()  # whatever the matched light
    offsets = edge_offset_px(bright, quads.to_px(quad, SIZE_PX))
    assert np.abs(offsets.reshape(4, -1).mean(axis=1)).max() <= 0.1


def scene(quad):
    mask = crops.coverage(quads.to_px(quad, SIZE_PX), SIZE_PX)
    return np.repeat(np.rint(mask * 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_pasted_card_has_its_edges_where_its_quad_says(seed):
    rng = np.random.default_rng(seed)
    image, found = paste(black(), np.zeros((0, 4, 2)), WHITE, PASTE, rng)
    assert len(found) == 1
    quad_px = quads.to_px(found[0], SIZE_PX)
    np.testing.assert_allclose(quad_px, quads.canonical(quad_px))
    # Within 7 px of the frame there is no black to measure an edge against.
    if quad_px.min() > 7 and (SIZE_PX - quad_px).min() > 8:
        assert_drawn_at(image, found[0])


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_place_is_whole_and_free_even_when_it_touches(seed):
    quad_px = find_place(QUAD[None], (182, 110), SIZE_PX, PASTE, np.random.default_rng(seed))
    if quad_px is not None:
        placed = quads.to_relative(quad_px, SIZE_PX)
        assert quads.fault(placed) is None
        assert quads.visible_share(placed) > 0.999
        assert quads.iou(placed, QUAD) < 0.001


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_swapped_card_keeps_its_edges(seed):
    quad = QUAD + np.random.default_rng(seed).uniform(-0.08, 0.08, (4, 2))
    image = swap(scene(quad), quad[None], black(), NO_SHADOW, np.random.default_rng(seed))
    assert_drawn_at(image, quad)


def test_cards_that_overlap_or_leave_the_frame_are_not_swapped():
    assert can_swap(QUAD[None], SIZE_PX)
    assert not can_swap(np.stack([QUAD, QUAD + 0.1]), SIZE_PX)
    assert not can_swap((QUAD + 0.4)[None], SIZE_PX)
    assert not can_swap(np.zeros((0, 4, 2)), SIZE_PX)


def test_an_inset_square_is_smaller_by_that_much_on_each_side():
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    expected = [[2, 2], [8, 2], [8, 8], [2, 8]]
    np.testing.assert_allclose(cutout.inset(square, 2), expected, atol=1e-12)


@pytest.mark.parametrize(("old", "new"), [(1.0, 255.0), (255.0, 1.0), (100.0, 100.0)])
def test_brightness_is_matched_within_bounds(old, new):
    assert cutout.GAIN[0] <= cutout.gain(old, new) <= cutout.GAIN[1]


@pytest.mark.parametrize(("donor", "cards"), [("white", 2), ("scene", 1)])
def test_a_card_is_pasted_onto_other_scenes_than_its_own(workspace, donor, cards):
    params = load_params("augment").augment
    small = replace(PASTE, touch=0.0, scale_low=0.2, scale_high=0.3)  # there is room
    params = replace(params, paste=small, zoom=replace(params.zoom, frame_probability=0.0))
    mixer = Mixer(params, Pool((replace(WHITE, scene=donor),)))
    quad = quads.FRAME * 0.18 + 0.02
    of_scene = ((Card(quad, "design"),), ("desk",), {"held": False})
    record = Record("scene", "", "scene.png", "", *SIZE_PX, *of_scene)
    assert {len(mixer.frame(scene(quad), record, [seed])[1]) for seed in range(8)} == {cards}
