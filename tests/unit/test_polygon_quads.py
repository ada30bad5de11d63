import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.geometry import polygons, quads
from meishi.geometry.polygon_quads import (
    NoQuadError,
    quad_from_corners,
    quad_from_mask_outline,
    quad_from_outline,
)

SIZE_PX = (640, 480)
BASE = np.array([[120.0, 100.0], [480.0, 110.0], [470.0, 340.0], [115.0, 330.0]])
shifts = st.lists(st.floats(-40, 40), min_size=8, max_size=8)
seeds = st.integers(0, 2**32 - 1)


def quad_of(shift):
    return quads.canonical(BASE + np.reshape(shift, (4, 2)))


def rounded(quad, radius_px, steps=6):
    share = np.linspace(0, 1, steps)[:, None]
    corners = []
    for index, corner in enumerate(quad):
        ends = [
            corner + (other - corner) / np.linalg.norm(other - corner) * radius_px
            for other in (quad[index - 1], quad[(index + 1) % 4])
        ]
        curve = (1 - share) ** 2 * ends[0] + 2 * share * (1 - share) * corner
        corners.append(curve + share**2 * ends[1])
    return np.concatenate(corners)


@given(shifts, st.permutations(range(4)))
def test_four_corners_in_any_order_are_the_quad(shift, order):
    quad = quad_of(shift)
    assert np.array_equal(quad_from_corners(quad[order]), quad)


@given(shifts, st.integers(0, 3), st.booleans())
def test_a_polygon_of_four_points_stays_as_it_is(shift, roll, backwards):
    quad = quad_of(shift)
    drawn = np.roll(quad, roll, axis=0)[:: -1 if backwards else 1]
    assert np.array_equal(quad_from_outline([drawn], SIZE_PX), quad)


@given(shifts, st.floats(2, 30))
def test_rounded_corners_do_not_move_the_sides(shift, radius_px):
    quad = quad_of(shift)
    assert np.abs(quad_from_outline([rounded(quad, radius_px)], SIZE_PX) - quad).max() < 0.01


@settings(max_examples=60)
@given(shifts, st.floats(5, 25), seeds)
def test_jitter_moves_a_corner_by_little_more_than_itself(shift, radius_px, seed):
    quad = quad_of(shift)
    samples = polygons.along(rounded(quad, radius_px), 8.0)
    drawn = samples + np.random.default_rng(seed).uniform(-1, 1, samples.shape)
    assert np.abs(quad_from_outline([drawn], SIZE_PX) - quad).max() < 2.5


@settings(max_examples=25)
@given(shifts)
def test_a_mask_gives_its_quad_to_two_pixels(shift):
    # Half a pixel in most; a side that runs along few rows of pixels says little of its slope.
    quad = quad_of(shift)
    grid = np.stack(np.meshgrid(np.arange(640), np.arange(480)), axis=-1)
    mask = np.ones((480, 640), bool)
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along, offset = end - start, grid - start
        mask &= along[0] * offset[..., 1] - along[1] * offset[..., 0] >= 0
    assert np.abs(quad_from_mask_outline(mask, SIZE_PX) - quad).max() < 2.0


def test_a_notch_of_a_finger_leaves_the_sides():
    notched = np.insert(BASE, 3, [[330, 335.9], [310, 290], [290, 335.0]], axis=0)
    assert np.abs(quad_from_outline([notched], SIZE_PX) - BASE).max() < 1.5


def test_a_corner_that_the_frame_cuts_off_is_restored():
    quad = np.array([[-30.0, 60.0], [240.0, -20.0], [300.0, 140.0], [40.0, 230.0]])
    cut = quad
    border = quads.to_px(quads.FRAME, SIZE_PX)
    for start, end in zip(border, np.roll(border, -1, axis=0), strict=True):
        cut = quads._clip_by_line(cut, start, end)
    assert len(cut) == 6
    assert np.abs(quad_from_outline([cut], SIZE_PX) - quad).max() < 0.01


def test_the_border_gives_way_to_a_side_of_which_the_frame_shows_less():
    quad = np.array([[300.0, 100.0], [690.0, 140.0], [630.0, 380.0], [280.0, 350.0]])
    beyond = quad[1, 0] - 639.5
    upper = quad[1] - (quad[1] - quad[0]) * beyond / 390
    lower = quad[1] + (quad[2] - quad[1]) * beyond / 60  # below it a sixth of the right side shows
    cut = np.array([quad[0], upper, lower, quad[2], quad[3]])
    assert np.abs(quad_from_outline([cut], SIZE_PX) - quad).max() < 0.01


@pytest.mark.parametrize("corners", [3, 5, 6, 7, 8, 40])
def test_another_regular_polygon_is_no_card(corners):
    angles = np.arange(corners) * 2 * np.pi / corners
    with pytest.raises(NoQuadError):
        circle = 300 + 100 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        quad_from_outline([circle], SIZE_PX)


@pytest.mark.parametrize(
    "drawn",
    [
        BASE[[0, 2, 1, 3]],
        np.full((5, 2), 3.0),
        np.array([[0, 0], [9, 0], [18, 0], [27, 0.0]]),
        np.vstack([BASE, [np.nan, 1]]),
    ],
    ids=["bow tie", "one point", "a line", "no number"],
)
def test_what_is_no_quadrilateral_is_refused(drawn):
    with pytest.raises(NoQuadError):
        quad_from_outline([drawn], SIZE_PX)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_any_points_are_a_sound_quad_or_refused(points):
    try:
        quad = quad_from_outline([np.array(points)], SIZE_PX)
    except NoQuadError:
        return
    assert quads.fault(quad) is None


def test_a_box_turns_clockwise_about_its_pivot():
    corner = np.array([10.0, 20.0])
    turned = polygons.rotated_box(corner, (4, 2), corner, 90)
    assert np.allclose(turned, [[10, 20], [10, 24], [8, 24], [8, 20]])
