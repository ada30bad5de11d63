"""Refinement: sides move onto the edges in the photo, and stay where there are none."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.geometry import crops
from meishi.geometry.fitting import refinement

SIZE_PX = (320, 240)
QUAD = np.array([[70.3, 60.2], [250.1, 72.4], [241.7, 180.9], [60.8, 171.3]])
UNIT_PX = 3.0
GROUND, CARD = np.array([90, 70, 60.0]), np.array([225, 220, 205.0])


def drawn(quad=QUAD, card=CARD, ground=GROUND, size_px=SIZE_PX, noise=0.0):
    """A card on a ground (a colour, or a picture), its edges covered to sub-pixel."""
    share = crops.coverage(quad, size_px)[..., None]
    picture = share * card + (1 - share) * ground
    picture = picture + np.random.default_rng(3).normal(0, 1, picture.shape) * noise
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def worst(found, quad=QUAD):
    return np.linalg.norm(found - quad, axis=1).max()


@settings(max_examples=40, deadline=None)
@given(
    shifts=st.lists(st.floats(-1, 1), min_size=8, max_size=8), card=st.sampled_from([20, 140, 250])
)
def test_a_quad_that_is_nearly_right_becomes_right(shifts, card):
    rough = QUAD + np.reshape(shifts, (4, 2)) * 0.5 * UNIT_PX
    found = refinement.refine(drawn(card=np.full(3, card)), rough, UNIT_PX)
    assert worst(found) < 0.1


@settings(max_examples=20, deadline=None)
@given(shifts=st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_one_pass_finds_what_is_near(shifts):
    picture, rough = drawn(noise=6), QUAD + np.reshape(shifts, (4, 2)) * 0.3 * UNIT_PX
    quick = refinement.refine(picture, rough, UNIT_PX, quick=True)
    assert worst(quick) < 0.2 and (quick != refinement.refine(picture, rough, UNIT_PX)).any()


def test_a_right_quad_stays():
    assert worst(refinement.refine(drawn(noise=6), QUAD, UNIT_PX)) < 0.1


def test_noise_moves_it_little():
    rough = QUAD + [[1, 0], [0, 1], [-1, 0], [0.5, -1]]
    assert worst(refinement.refine(drawn(noise=25), rough, UNIT_PX)) < 0.5


def test_a_step_that_changes_its_sign_along_a_side_is_one_edge():
    ground = np.where(np.arange(SIZE_PX[0])[None, :, None] < 150, 30.0, 250.0)
    picture = drawn(card=np.full(3, 140.0), ground=np.broadcast_to(ground, (240, 320, 3)))
    assert worst(refinement.refine(picture, QUAD + [0.8, -0.8], UNIT_PX)) < 0.3


def test_colours_of_one_brightness_have_an_edge():
    picture = drawn(card=np.array([200, 60, 60.0]), ground=np.array([60, 104, 174.0]))
    assert worst(refinement.refine(picture, QUAD + [0.8, -0.8], UNIT_PX)) < 0.3


def test_strong_letters_beside_a_faint_edge_do_not_win():
    picture = drawn(card=GROUND + 25)
    direction = (QUAD[1] - QUAD[0]) / np.linalg.norm(QUAD[1] - QUAD[0])
    for share in (0.3, 0.5, 0.7):  # white bars whose upper edge is 3.5 px inside
        at = QUAD[0] + (QUAD[1] - QUAD[0]) * share + [0, 5]
        ends = [tuple(np.round(at + direction * e).astype(int).tolist()) for e in (-5, 5)]
        cv2.line(picture, *ends, (255, 255, 255), 3)
    assert worst(refinement.refine(picture, QUAD + [0.7, -0.7], UNIT_PX)) < 0.4


def test_without_an_edge_the_quad_stays():
    picture = drawn(card=GROUND, noise=2)
    assert refinement.refine(picture, QUAD, UNIT_PX) == pytest.approx(QUAD, abs=1e-6)


def test_a_side_out_of_the_photo_stays_and_the_others_move():
    quad = QUAD - [120, 0]  # the left side at x = -50
    found = refinement.refine(drawn(quad), quad + [[0, 0.8], [0.9, 0.8], [0.9, -0.8], [0, -0.8]], 3)
    assert worst(found[1:3], quad[1:3]) < 0.3
    outward = np.array([quad[3] - quad[0]]) @ [[0, 1], [-1, 0]]
    offset = (found[[0, 3]] - quad[0]) @ (outward / np.linalg.norm(outward)).T
    assert np.abs(offset).max() < 0.3


def test_a_quad_wholly_out_of_the_photo_stays():
    quad = QUAD + [1000, 0]
    assert refinement.refine(drawn(), quad, UNIT_PX) == pytest.approx(quad, abs=1e-6)


@pytest.mark.parametrize("scale", [2, 5, 11])
def test_in_a_large_photo_it_is_as_right_by_the_card(scale):
    size_px = (SIZE_PX[0] * scale, SIZE_PX[1] * scale)
    quad = (QUAD + 0.5) * scale - 0.5
    found = refinement.refine(drawn(quad, size_px=size_px), quad + scale, UNIT_PX * scale)
    assert worst(found, quad) < 0.1 * scale


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_photo_gives_the_turned_quad(quarter):
    picture, quad = drawn(), QUAD + [0.7, -0.6]
    upright = refinement.refine(picture, quad, UNIT_PX)
    turned, size = np.ascontiguousarray(np.rot90(picture, -quarter)), np.array(SIZE_PX)
    for _ in range(quarter):
        quad = np.stack([size[1] - 1 - quad[:, 1], quad[:, 0]], axis=1)
        upright = np.stack([size[1] - 1 - upright[:, 1], upright[:, 0]], axis=1)
        size = size[::-1]
    assert refinement.refine(turned, quad, UNIT_PX) == pytest.approx(upright, abs=0.02)


def test_a_tiny_card_is_no_error():
    quad = np.array([[100.0, 100], [104, 100], [104, 103], [100, 103]])
    assert worst(refinement.refine(drawn(quad), quad, 0.1), quad) < 2


def test_the_input_is_left_as_it_was():
    picture, quad = drawn(), QUAD + 0.5
    before = picture.copy(), quad.copy()
    refinement.refine(picture, quad, UNIT_PX)
    assert (picture == before[0]).all() and (quad == before[1]).all()


def test_of_two_edges_much_alike_the_nearer_wins():
    inner = QUAD + [[3, 3], [-3, 3], [-3, -3], [3, -3]]
    rim = drawn(card=np.full(3, 150.0), ground=np.full(3, 220.0))
    picture = drawn(inner, card=np.full(3, 74.0), ground=rim.astype(float))
    assert worst(refinement.refine(picture, QUAD, UNIT_PX)) < 0.3


def test_sides_that_would_meet_far_away_leave_the_quad_as_it_was(monkeypatch):
    rough = QUAD + [[1.2, 0], [0, 1.2], [-1.2, 0], [0, -1.2]]
    monkeypatch.setattr(refinement, "MAX_SHIFT", 0.1)
    assert refinement.refine(drawn(), rough, UNIT_PX) == pytest.approx(rough, abs=1e-9)


def test_a_quad_on_the_card_has_clearer_edges_than_one_beside_it():
    at_card = refinement.edge_strength(drawn(), QUAD, UNIT_PX)
    one_side_off = refinement.edge_strength(
        drawn(), QUAD + [[0, 8], [0, 8], [0, 0], [0, 0]], UNIT_PX
    )
    beside = refinement.edge_strength(drawn(), QUAD + 12, UNIT_PX)
    assert 1 > at_card > 1.5 * one_side_off > 1.5 * beside > 0


def test_edges_are_as_clear_in_a_large_photo():
    small = refinement.edge_strength(drawn(), QUAD, UNIT_PX)
    quad, size_px = (QUAD + 0.5) * 3 - 0.5, (SIZE_PX[0] * 3, SIZE_PX[1] * 3)
    large = refinement.edge_strength(drawn(quad, size_px=size_px), quad, UNIT_PX * 3)
    assert large == pytest.approx(small, abs=0.05)


def test_sides_out_of_the_photo_count_as_faint_edges():
    left = int(QUAD[:, 0].min()) + 30
    whole = refinement.edge_strength(drawn(), QUAD, UNIT_PX)
    one_side_out = refinement.edge_strength(drawn()[:, left:], QUAD - [left, 0], UNIT_PX)
    assert one_side_out == pytest.approx(whole**0.75 * refinement.UNSEEN**0.25, abs=0.03)
    nothing = refinement.edge_strength(drawn(), QUAD - [5000, 0], UNIT_PX)
    assert nothing == pytest.approx(refinement.UNSEEN, abs=0.01)
