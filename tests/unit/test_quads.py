"""Quads: frames, order, faults and overlap, against values worked out by hand."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import quads

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
BOW_TIE = SQUARE[[0, 2, 1, 3]]
CHEVRON = np.array([[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]])


@st.composite
def convex_quads(draw):
    # Corners on an ellipse, one a quarter: convex whatever is drawn.
    angles = np.pi / 2 * np.arange(4) + draw(hnp.arrays(np.float64, 4, elements=st.floats(0, 1.3)))
    size = draw(hnp.arrays(np.float64, 2, elements=st.floats(0.2, 2)))
    centre = draw(hnp.arrays(np.float64, 2, elements=st.floats(-1, 1)))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * size + centre


def test_first_pixel_centre_lies_half_a_pixel_from_the_border():
    np.testing.assert_allclose(quads.to_relative([0, 0], (640, 480)), [0.5 / 640, 0.5 / 480])


def test_outer_edges_of_the_image_are_zero_and_one():
    edges = quads.to_relative([[-0.5, -0.5], [639.5, 479.5]], (640, 480))
    np.testing.assert_allclose(edges, [[0, 0], [1, 1]], atol=1e-15)


@given(hnp.arrays(np.float64, (3, 4, 2), elements=st.floats(-5, 5)))
def test_to_px_inverts_to_relative(points):
    size_px = (320, 77)
    there = quads.to_relative(points, size_px)
    np.testing.assert_allclose(quads.to_px(there, size_px), points, atol=1e-9)


def test_area_is_positive_clockwise_in_image_space():
    assert quads.area(SQUARE) == pytest.approx(1)
    assert quads.area(SQUARE[::-1]) == pytest.approx(-1)


def test_convexity_does_not_depend_on_direction():
    assert quads.is_convex(SQUARE)
    assert quads.is_convex(SQUARE[::-1])


@pytest.mark.parametrize("quad", [BOW_TIE, CHEVRON, SQUARE[[0, 0, 1, 2]]])
def test_crossed_dented_and_degenerate_quads_are_not_convex(quad):
    assert not quads.is_convex(quad)


@pytest.mark.parametrize(
    ("quad", "words"),
    [
        (SQUARE[:3], "shape"),
        (np.where(SQUARE == 1, np.nan, SQUARE), "finite"),
        (SQUARE[[0, 0, 1, 2]], "degenerate"),
        ([[0, 0], [1, 0], [2, 0], [0, 1]], "degenerate"),
        (BOW_TIE, "self-crossing"),
        (CHEVRON, "not convex"),
        (CHEVRON[::-1], "not convex"),
        (SQUARE[::-1], "counter-clockwise"),
    ],
)
def test_fault_names_what_is_wrong(quad, words):
    assert words in quads.fault(quad)


@given(convex_quads())
def test_a_clockwise_convex_quad_has_no_fault(quad):
    assert quads.fault(quad) is None


@given(convex_quads(), st.integers(0, 3), st.booleans())
def test_canonical_order_does_not_depend_on_the_input_order(quad, roll, reverse):
    shuffled = np.roll(quad, roll, axis=0)[:: -1 if reverse else 1]
    np.testing.assert_array_equal(quads.canonical(shuffled), quads.canonical(quad))


@given(convex_quads())
def test_canonical_quad_is_clockwise_with_its_first_edge_most_to_the_right(quad):
    ordered = quads.canonical(quad)
    edges = np.roll(ordered, -1, axis=0) - ordered
    rightness = edges[:, 0] / np.linalg.norm(edges, axis=1)
    assert quads.area(ordered) > 0
    assert rightness[0] >= rightness.max() - 1e-9


def test_top_left_of_a_tilted_card_is_where_the_photo_shows_it():
    # A wide card, turned clockwise by 30 degrees.
    card = np.array([[0.0, 0.0], [1.73, 1.0], [1.23, 1.87], [-0.5, 0.87]])
    np.testing.assert_array_equal(quads.canonical(card[[2, 3, 0, 1]]), card)


def test_a_square_on_its_corner_starts_at_the_top():
    diamond = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_array_equal(quads.canonical(np.roll(diamond, 2, axis=0)), diamond)


@given(st.floats(-1e-10, 1e-10), st.integers(0, 3))
def test_a_square_on_its_corner_starts_at_the_top_whatever_its_last_digits_say(off, roll):
    diamond = np.array([[1.0 + off, 0.0], [2.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_array_equal(quads.canonical(np.roll(diamond, roll, axis=0)), diamond)


def test_iou_of_shifted_squares():
    # Overlap 1/2 x 1/2, union 2 - 1/4.
    assert quads.iou(SQUARE, SQUARE + 0.5) == pytest.approx(0.25 / 1.75)


def test_iou_of_square_and_inscribed_diamond_is_a_half():
    diamond = np.array([[0.5, 0.0], [1.0, 0.5], [0.5, 1.0], [0.0, 0.5]])
    assert quads.iou(SQUARE, diamond) == pytest.approx(0.5)


def test_iou_of_distant_quads_is_zero():
    assert quads.iou(SQUARE, SQUARE + 3) == 0


@given(convex_quads())
def test_iou_with_itself_is_one_in_either_direction(quad):
    assert quads.iou(quad, quad[::-1]) == pytest.approx(1)


def contains(quad, points):
    """Which points lie to the right of all four clockwise edges."""
    edges = np.roll(quad, -1, axis=0) - quad
    offsets = points[..., None, :] - quad
    return (edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0] >= 0).all(axis=-1)


@given(convex_quads(), convex_quads())
def test_iou_agrees_with_counting_points(a, b):
    corners = np.vstack([a, b])
    axes = np.linspace(corners.min(axis=0), corners.max(axis=0), 120).T
    points = np.stack(np.meshgrid(*axes), axis=-1)
    in_a, in_b = contains(a, points), contains(b, points)
    expected = (in_a & in_b).sum() / (in_a | in_b).sum()
    # A point stands for an area: thin overlaps are counted coarsely.
    assert quads.iou(a, b) == pytest.approx(expected, abs=0.06)
    assert quads.iou(a, b) == pytest.approx(quads.iou(b, a), abs=1e-9)


def test_iou_rejects_a_quad_that_is_not_convex():
    with pytest.raises(ValueError, match="convex"):
        quads.iou(SQUARE, BOW_TIE)


def test_corner_error_of_a_shift_is_its_share_of_the_diagonal():
    # 3-4-5: each corner is off by 5, the diagonals are 100 * sqrt(2).
    shifted = SQUARE * 100 + [3, 4]
    assert quads.corner_error(shifted, SQUARE * 100) == pytest.approx(5 / (100 * np.sqrt(2)))


@pytest.mark.parametrize("start", range(4))
def test_corner_error_is_a_share_of_the_mean_of_both_diagonals(start):
    # 3-4-5: each corner is off by 5, the diagonals are 30 and 70.
    kite = np.roll([[20.0, -15.0], [50.0, 0.0], [20.0, 15.0], [-20.0, 0.0]], start, axis=0)
    assert quads.corner_error(kite + [3, 4], kite) == pytest.approx(5 / 50)


def test_corner_error_forgives_a_card_read_upside_down():
    assert quads.corner_error(np.roll(SQUARE, 2, axis=0), SQUARE) == 0


@pytest.mark.parametrize(("left", "share"), [(0.2, 1.0), (-0.2, 0.5), (-0.3, 0.25), (-0.5, 0.0)])
def test_the_visible_share_is_what_lies_in_the_frame(left, share):
    quad = np.array([[left, 0.2], [left + 0.4, 0.2], [left + 0.4, 0.6], [left, 0.6]])
    assert quads.visible_share(quad) == pytest.approx(share)


def test_a_quad_turned_inside_out_is_not_visible():
    assert quads.visible_share(np.array([[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]])) == 0
