"""Homographies and rectified cards against pinhole views with known answers."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import homography, quads
from tests.pinhole import pinhole_view

SIZE_PX = (640, 480)
QUAD_PX = np.array([[110.0, 90.0], [520.0, 60.0], [560.0, 400.0], [80.0, 380.0]])


def project(points, matrix):
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def test_homography_takes_corners_to_corners():
    target = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 5.0], [0.0, 5.0]])
    np.testing.assert_allclose(
        project(QUAD_PX, homography.homography(QUAD_PX, target)), target, atol=1e-9
    )


def test_homography_agrees_with_opencv():
    target = np.array([[0.0, 0.0], [90.0, 0.0], [90.0, 50.0], [0.0, 50.0]])
    expected = cv2.getPerspectiveTransform(QUAD_PX.astype(np.float32), target.astype(np.float32))
    ours = homography.homography(QUAD_PX, target)
    np.testing.assert_allclose(ours / ours[2, 2], expected, rtol=1e-5, atol=1e-8)


def test_homography_of_a_quad_to_itself_is_the_identity():
    ours = homography.homography(QUAD_PX, QUAD_PX)
    np.testing.assert_allclose(ours / ours[2, 2], np.eye(3), atol=1e-9)


def test_homography_rejects_three_corners_on_a_line():
    flat = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="one line"):
        homography.homography(flat, QUAD_PX)


@given(st.floats(0.5, 2.0), st.floats(8, 45), st.floats(10, 35))
def test_aspect_of_a_noiseless_view_is_exact(aspect, tilt_deg, turn_deg):
    view = pinhole_view(aspect, tilt_deg, turn_deg, SIZE_PX)
    assert homography.aspect(view, SIZE_PX) == pytest.approx(aspect, rel=1e-3)


def test_aspect_from_the_front_is_the_ratio_of_the_sides():
    assert homography.aspect(pinhole_view(1.6, 0, 20, SIZE_PX), SIZE_PX) == pytest.approx(1.6)


def test_aspect_is_right_when_one_pair_of_sides_looks_parallel_and_focal_is_typical():
    # Tilted about its own axis: the view cannot tell the focal length.
    view = pinhole_view(1.6, 35, 0, SIZE_PX, focal=homography.TYPICAL_FOCAL)
    assert homography.aspect(view, SIZE_PX) == pytest.approx(1.6, rel=1e-6)


def test_aspect_of_a_noisy_front_view_stays_near():
    rng = np.random.default_rng(0)
    view = pinhole_view(1.6, 2, 5, SIZE_PX)
    noisy = [homography.aspect(view + rng.normal(0, 0.5, (4, 2)), SIZE_PX) for _ in range(100)]
    np.testing.assert_allclose(noisy, 1.6, rtol=0.04)


def test_aspect_rejects_a_self_crossing_quad():
    with pytest.raises(ValueError, match="self-crossing"):
        homography.aspect(QUAD_PX[[0, 2, 1, 3]], SIZE_PX)


def test_rectify_of_the_whole_image_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    whole = quads.to_px([[0, 0], [1, 0], [1, 1], [0, 1]], (50, 30))
    np.testing.assert_array_equal(homography.rectify(image, whole), image)


def test_rectify_of_a_rolled_quad_turns_the_picture():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    turned = quads.to_px([[0, 1], [0, 0], [1, 0], [1, 1]], (50, 30))
    np.testing.assert_array_equal(homography.rectify(image, turned), np.rot90(image, -1))


def test_rectify_keeps_the_true_aspect_of_a_slanted_card():
    view = pinhole_view(1.6, 35, 20, SIZE_PX)
    crop = homography.rectify(np.zeros((480, 640, 3), np.uint8), view, long_side_px=320)
    assert crop.shape == (200, 320, 3)


def test_rectify_recovers_a_drawn_card():
    rng = np.random.default_rng(1)
    card = cv2.resize(rng.integers(0, 256, (5, 8, 3), dtype=np.uint8), (320, 200))
    view = pinhole_view(1.6, 25, 15, SIZE_PX)
    whole = quads.to_px([[0, 0], [1, 0], [1, 1], [0, 1]], (320, 200))
    photo = cv2.warpPerspective(card, homography.homography(whole, view), SIZE_PX)
    crop = homography.rectify(photo, view, long_side_px=320)
    difference = np.abs(crop.astype(int) - card)[4:-4, 4:-4]
    assert difference.mean() < 3


@pytest.mark.parametrize(("long_side_px", "off"), [(20, 2), (32, 6)])
def test_rectify_averages_when_it_makes_the_card_smaller(long_side_px, off):
    # A checkerboard of single pixels: point samples at every fifth would be black or white, the
    # means of 5 x 5 are of 12 or 13 white ones.
    image = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (60, 80))[..., None].repeat(3, axis=2)
    whole = quads.to_px([[0, 0], [1, 0], [1, 1], [0, 1]], (160, 120))
    crop = homography.rectify(image, whole, long_side_px=long_side_px)
    assert crop.shape == (long_side_px * 3 // 4, long_side_px, 3)
    np.testing.assert_allclose(crop, 127.5, atol=off)


def test_rectify_rejects_a_long_side_of_zero():
    with pytest.raises(ValueError, match="long_side_px"):
        homography.rectify(np.zeros((480, 640, 3), np.uint8), QUAD_PX, long_side_px=0)
