"""The quick crop of a live frame: the same picture as the exact one, its homography exact."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import crops, cutting

SIZE_PX = (400, 300)
NOISE = np.random.default_rng(3).integers(0, 256, (15, 20, 3), dtype=np.uint8)
PICTURE = cv2.resize(NOISE, SIZE_PX, interpolation=cv2.INTER_CUBIC)


@given(
    low=st.tuples(st.floats(-0.1, 0.6), st.floats(-0.1, 0.6)),
    size=st.tuples(st.floats(0.05, 0.7), st.floats(0.05, 0.7)),
    margin=st.floats(0, 0.4),
)
def test_the_crop_is_that_of_its_homography(low, size, margin):
    box = np.array([*low, low[0] + size[0], low[1] + size[1]])
    crop, crop_from_image = cutting.cut(PICTURE, box, 64, margin)
    exact = crops.crop_from_image(box, SIZE_PX, 64, margin)
    warped = crops.warp(PICTURE, crop_from_image, (64, 64))
    assert np.abs(crop.astype(int) - warped).mean() < 2
    corners = np.array([[0, 0], [63, 63]])
    moved = crops.transform(corners, np.linalg.inv(crop_from_image))
    wanted = crops.transform(corners, np.linalg.inv(exact))
    halves = int(np.log2(max(1 / exact[0, 0], 1)))
    assert np.abs(moved - wanted).max() <= 0.6 + 2**halves / 2


def test_a_square_of_whole_pixels_is_taken_as_it_is():
    box = np.array([100, 60, 228, 188]) / np.tile(SIZE_PX, 2)
    crop, crop_from_image = cutting.cut(PICTURE, box, 128, 0.0)
    np.testing.assert_array_equal(crop, PICTURE[60:188, 100:228])
    np.testing.assert_allclose(crop_from_image, [[1, 0, -100], [0, 1, -60], [0, 0, 1]])


def test_beyond_the_frame_it_is_grey():
    crop, _ = cutting.cut(PICTURE, np.array([-0.2, -0.2, 0.3, 0.3]), 64, 0.0)
    assert (crop[:8, :8] == crops.PADDING).all() and (crop[-8:, -8:] != crops.PADDING).any()


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_a_small_square_is_enlarged_as_in_training(margin):
    box = np.array([0.4, 0.4, 0.45, 0.47])
    crop, crop_from_image = cutting.cut(PICTURE, box, 64, margin)
    exact = crops.crop_from_image(box, SIZE_PX, 64, margin)
    np.testing.assert_array_equal(crop_from_image, exact)
    np.testing.assert_array_equal(crop, crops.warp(PICTURE, exact, (64, 64)))


@pytest.mark.parametrize("size_px", [(400, 300), (256, 256), (401, 299), (100, 75), (64, 300)])
def test_halves_first_give_what_one_mean_gives(size_px):
    picture = cv2.resize(PICTURE, size_px, interpolation=cv2.INTER_CUBIC)
    at_once = cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA)
    found = cutting.scale_down(picture, (64, 48))
    assert found.shape == (48, 64, 3)
    assert np.abs(found.astype(int) - at_once).mean() < 1.5


@pytest.mark.parametrize(
    ("size_px", "fine_px"),
    [
        ((100, 100), (128, 128)),  # 1.56 pixels are left for one
        ((100, 79), (128, 64)),  # 1.56 and 1.23
        ((81, 64), (128, 64)),  # 1.27
        ((202, 198), (128, 128)),  # halved to 101 x 99
    ],
)
def test_an_axis_that_shrinks_by_a_part_is_first_scaled_to_twice_the_pixels(size_px, fine_px):
    picture = np.random.default_rng(2).integers(0, 256, (*size_px[::-1], 3), dtype=np.uint8)
    found = cutting.scale_down(picture, (64, 64))
    if min(size_px) >= 128:
        picture = picture.reshape(size_px[1] // 2, 2, size_px[0] // 2, 2, 3).mean(axis=(1, 3))
    fine = cv2.resize(picture.astype(np.float32), fine_px, interpolation=cv2.INTER_LINEAR)
    expected = fine.reshape(64, fine_px[1] // 64, 64, fine_px[0] // 64, 3).mean(axis=(1, 3))
    assert np.abs(found - expected).max() <= 2
