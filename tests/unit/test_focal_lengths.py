"""The shape of a card by a quad that was measured, and is off by a pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import homography
from meishi.geometry.focal_lengths import likely_aspect, likely_focal
from tests.pinhole import pinhole_view

SIZE_PX = (4032, 3024)
MOVES_PX = np.arange(-4, 4.1, 0.5)


@pytest.mark.parametrize("tilt_deg", [20, 30, 40])
@pytest.mark.parametrize("turn_deg", [0, 1, 2, 5, 20])
def test_a_corner_that_is_off_by_pixels_hardly_changes_the_shape(tilt_deg, turn_deg):
    view = pinhole_view(1.6, tilt_deg, turn_deg, SIZE_PX, focal=homography.TYPICAL_FOCAL)
    for move in MOVES_PX:
        moved = view + np.array([[0, 0], [move, move], [0, 0], [0, 0]])
        assert likely_aspect(moved, SIZE_PX) == pytest.approx(1.6, rel=0.06)


def test_believing_each_view_would_change_it():
    view = pinhole_view(1.6, 30, 1, SIZE_PX, focal=homography.TYPICAL_FOCAL)
    moved = [view + np.array([[0, 0], [move, move], [0, 0], [0, 0]]) for move in MOVES_PX]
    assert min(homography.aspect(quad_px, SIZE_PX) for quad_px in moved) < 1.1


@given(st.floats(0.5, 2.0), st.floats(8, 45), st.floats(10, 35))
def test_a_view_that_tells_its_focal_length_is_believed(aspect, tilt_deg, turn_deg):
    view = pinhole_view(aspect, tilt_deg, turn_deg, SIZE_PX, focal=0.9)
    assert likely_aspect(view, SIZE_PX) == pytest.approx(aspect, rel=0.012)


def test_one_that_does_not_has_the_typical_one():
    view = pinhole_view(1.6, 35, 0, SIZE_PX, focal=1.3)
    focal = likely_focal(homography.centred(view, SIZE_PX))
    assert focal == pytest.approx(homography.TYPICAL_FOCAL, rel=1e-3)


def test_a_quad_without_a_shape_is_refused():
    view = pinhole_view(1.6, 20, 5, SIZE_PX)
    with pytest.raises(ValueError, match="self-crossing"):
        likely_aspect(view[[0, 2, 1, 3]], SIZE_PX)


@pytest.mark.parametrize("turn_deg", [0, 1, 5, 30])
@pytest.mark.parametrize("focal", [0.38, 1.4, 2.2])
def test_a_focal_length_that_is_told_settles_the_shape(turn_deg, focal):
    view = pinhole_view(1.6, 40, turn_deg, SIZE_PX, focal=focal, distance=4 * focal)
    moved = view + np.array([[0, 0], [3, 3], [0, 0], [0, 0]])
    assert likely_aspect(moved, SIZE_PX, focal) == pytest.approx(1.6, rel=0.02)


def test_a_view_that_tells_its_own_corrects_one_that_is_told_wrong():
    view = pinhole_view(1.6, 40, 35, SIZE_PX, focal=0.9)
    wrong = homography.aspect(view, SIZE_PX, 0.9 * 1.3)
    error = abs(likely_aspect(view, SIZE_PX, 0.9 * 1.3) / 1.6 - 1)
    assert error < abs(wrong / 1.6 - 1) / 2
