"""The side of a card that the photo does not show."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meishi.geometry import quads
from meishi.geometry.fitting.hidden_sides import BELIEF, place_hidden_side

SIZE_PX = (400, 300)


def rectangle(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


# A card of 240 x 150 px, of which 160 px show: it ends at -80.5, 2/3 of it to the right of -0.5.
WHOLE, BORDER = rectangle(-80.5, 70, 159.5, 220), rectangle(-0.5, 70, 159.5, 220)


def turned(quad_px, turns):
    """Turn a quad with its photo by quarters, clockwise, and give the photo's size."""
    size_px = SIZE_PX
    for _ in range(turns):
        quad_px = np.stack([size_px[1] - 1 - quad_px[:, 1], quad_px[:, 0]], axis=1)
        size_px = size_px[::-1]
    return quad_px, size_px


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("first", range(4))
def test_a_side_goes_half_of_the_way_in_logarithms_to_the_cards_end(turns, first):
    for found, share in ((BORDER, 1.0), (rectangle(-30.5, 70, 159.5, 220), 190 / 160)):
        placed = place_hidden_side(*turned(np.roll(found, first, axis=0), turns))
        length = 160 * share ** (1 - BELIEF) * 1.5**BELIEF
        expected, _ = turned(rectangle(159.5 - length, 70, 159.5, 220), turns)
        np.testing.assert_allclose(placed, np.roll(expected, first, axis=0), atol=0.02)


def test_a_card_that_is_cut_across_its_long_sides_ends_by_its_width():
    cut = rectangle(70, 189.5, 210, 299.5)  # 140 wide: lying, 87.5 high, of which 110 would show
    placed = place_hidden_side(cut, SIZE_PX)
    assert placed[2, 1] - placed[1, 1] == pytest.approx((110 * 140 * 1.6) ** 0.5, abs=0.1)


@pytest.mark.parametrize(
    "quad_px",
    [
        rectangle(20, 50, 300, 240),  # in the photo
        rectangle(-0.5, 70, 309.5, 220),  # what shows is longer than a card already
        rectangle(70, 210, 210, 299.5),  # upright it would be 2.5 times as long as what shows
        rectangle(-0.5, 100, 29.5, 112),  # 2.5 to 1, lying
        rectangle(-40, 50, 440, 240),  # beyond two borders, opposite
        rectangle(-40, -30, 140, 80),  # beyond two borders, at a corner
        np.array([[-30, 60], [300, 20], [320, 230], [5, 240]], float),  # the side is seen in part
        rectangle(3, 70, 160, 220),  # it ends within the photo, near the border
    ],
)
def test_other_quads_stay_as_they_are(quad_px):
    assert np.array_equal(place_hidden_side(quad_px, SIZE_PX), quad_px)


def seen(tilt, turn, focal=0.72):
    """A card of 1.6 x 1 as a camera sees it that looks at the middle of its left half."""
    corners = np.array([[-0.55, -0.5], [1.05, -0.5], [1.05, 0.5], [-0.55, 0.5]])
    cos, sin = np.cos(turn), np.sin(turn)
    x, y = (corners @ np.array([[cos, sin], [-sin, cos]])).T
    depth = 2.2 + x * np.sin(tilt)
    scale = focal * max(SIZE_PX)
    centre = (np.array(SIZE_PX) - 1) / 2
    return np.stack([scale * x * np.cos(tilt) / depth, scale * y / depth], axis=1) + centre


@given(st.floats(-0.6, 0.6), st.floats(-0.4, 0.4))
def test_a_tilted_card_ends_nearer_its_own_end(tilt, turn):
    whole = seen(tilt, turn)
    whole = whole + [SIZE_PX[0] - 0.5 - np.median(whole[:, 0]), 0]  # half of it lies beyond
    beyond = whole[:, 0] - (SIZE_PX[0] - 0.5)
    right = [1, 2]
    assume((beyond[right] > 8).all() and (beyond[[0, 3]] < -40).all())
    assume((whole[:, 1] > 5).all() and (whole[:, 1] < 295).all())
    found = whole.copy()
    for corner, other in ((1, 0), (2, 3)):
        found[corner] = whole[other] + (whole[corner] - whole[other]) * 0.8
    assume((found[right, 0] > SIZE_PX[0] - 0.5).all())
    placed = place_hidden_side(found, SIZE_PX)
    assert quads.iou(placed, whole) >= quads.iou(found, whole) - 0.02


CORNERS = st.tuples(*[st.tuples(st.floats(-60, 60), st.floats(-60, 60)) for _ in range(4)]).map(
    np.array
)


@given(CORNERS, st.sampled_from([rectangle(-30, 60, 150, 240), rectangle(90, 150, 300, 310)]))
def test_what_comes_out_is_a_quad_of_which_one_side_moved_along_its_neighbours(noise, card):
    quad_px = card + noise
    assume(quads.fault(quad_px) is None)
    placed = place_hidden_side(quad_px, SIZE_PX)
    assert quads.fault(placed) is None
    moved = np.flatnonzero((placed != quad_px).any(axis=1))
    if not len(moved):
        return
    side = 3 if set(moved) == {0, 3} else moved[0]
    assert set(moved) == {side, (side + 1) % 4}
    for corner, other in ((side, (side + 3) % 4), ((side + 1) % 4, (side + 2) % 4)):
        along, way = quad_px[other] - quad_px[corner], placed[corner] - quad_px[corner]
        assert along[0] * way[1] - along[1] * way[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("inside_px", "counts"), [(0.1, True), (0.7, True), (0.9, False)])
def test_a_side_a_two_hundredth_of_the_card_inside_the_border_counts_as_beyond(inside_px, counts):
    found = rectangle(-0.5 + inside_px, 70, 159.5, 220)  # 160 px long: 0.8 px are the limit
    expected = place_hidden_side(BORDER, SIZE_PX) if counts else found
    np.testing.assert_allclose(place_hidden_side(found, SIZE_PX), expected, atol=0.02)
