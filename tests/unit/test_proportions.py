"""A card's proportions, and the sides that a photo does not show."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meishi.geometry import quads
from meishi.geometry.fitting import proportions

SIZE_PX = (400, 300)


def rectangle(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


@pytest.mark.parametrize(("width", "height", "ratio"), [(90, 30, 3), (30, 90, 3), (50, 50, 1)])
def test_the_side_ratio_is_of_the_longer_sides(width, height, ratio):
    quad_px = rectangle(5, 7, 5 + width, 7 + height)
    assert proportions.side_ratio(quad_px) == pytest.approx(ratio)


def test_the_side_ratio_of_a_trapezium_takes_the_pairs_means():
    trapezium = np.array([[20, 0], [60, 0], [80, 30], [0, 30]], float)
    legs = np.hypot(20, 30)
    assert proportions.side_ratio(trapezium) == pytest.approx((40 + 80) / (2 * legs))


@pytest.mark.parametrize(
    ("guessed", "ended"),
    [
        (rectangle(-40, 50, 300, 240), rectangle(-0.5, 50, 300, 240)),
        (rectangle(60, 100, 440, 310), rectangle(60, 100, 399.5, 299.5)),  # beyond two borders
        (rectangle(-40, 50, 440, 300.4), rectangle(-0.5, 50, 399.5, 299.5)),
        (rectangle(100, -30, 250, 240), rectangle(100, -0.5, 250, 240)),  # upright
    ],
)
def test_a_card_that_came_out_too_long_ends_where_the_photo_does(guessed, ended):
    np.testing.assert_allclose(proportions.end_at_border(guessed, SIZE_PX), ended, atol=1e-9)


@pytest.mark.parametrize(
    "quad_px",
    [
        rectangle(20, 50, 300, 240),  # in the photo
        rectangle(-60, 50, 140, 180),  # cut to a square, it would be no likelier a card
        rectangle(-150, 50, 210, 240),  # far out
        np.array([[-30, 60], [300, 20], [320, 230], [5, 240]], float),  # the side is seen in part
    ],
)
def test_other_quads_stay_as_they_are(quad_px):
    assert np.array_equal(proportions.end_at_border(quad_px, SIZE_PX), quad_px)


@pytest.mark.parametrize(("beyond", "ended"), [(190, -0.5), (210, -210)])
def test_a_side_moves_by_two_fifths_of_the_card_and_no_more(beyond, ended):
    guessed = rectangle(-beyond, 50, 290, 240)  # cut to 290 x 190 it would be a likelier card
    expected = rectangle(ended, 50, 290, 240)
    np.testing.assert_allclose(proportions.end_at_border(guessed, SIZE_PX), expected, atol=1e-9)


def test_the_neighbouring_sides_stay_on_their_lines():
    guessed = np.array([[-30, 40], [330, 10], [350, 200], [-40, 250]], float)
    ended = proportions.end_at_border(guessed, SIZE_PX)
    assert ended[[0, 3], 0] == pytest.approx([-0.5, -0.5])
    assert np.array_equal(ended[1:3], guessed[1:3])
    for corner, other in ((0, 1), (3, 2)):
        along, moved = guessed[other] - guessed[corner], ended[corner] - guessed[corner]
        assert along[0] * moved[1] - along[1] * moved[0] == pytest.approx(0, abs=1e-6)


CORNERS = st.tuples(*[st.tuples(st.floats(-80, 80), st.floats(-80, 80)) for _ in range(4)]).map(
    np.array
)


@given(CORNERS, st.sampled_from([rectangle(0, 60, 330, 240), rectangle(90, 0, 400, 220)]))
def test_what_comes_out_is_a_quad_no_less_like_a_card_in_any_order_of_corners(noise, card):
    quad_px = card + noise
    assume(quads.fault(quad_px) is None)
    ended = proportions.end_at_border(quad_px, SIZE_PX)
    assert quads.fault(ended) is None
    off = [
        abs(np.log(proportions.side_ratio(q) / proportions.CARD_RATIO)) for q in (ended, quad_px)
    ]
    assert off[0] <= off[1]
    assert np.array_equal(proportions.end_at_border(ended, SIZE_PX), ended)
    turned = proportions.end_at_border(np.roll(quad_px, 1, axis=0), SIZE_PX)
    np.testing.assert_allclose(np.roll(turned, -1, axis=0), ended, atol=1e-9)
    mirrored = quad_px[::-1] * [-1, 1] + [SIZE_PX[0] - 1, 0]
    back = proportions.end_at_border(mirrored, SIZE_PX) * [-1, 1] + [SIZE_PX[0] - 1, 0]
    np.testing.assert_allclose(back[::-1], ended, atol=1e-6)
