"""The segmenter's crop: geometry, resampling, soft masks."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.geometry import crops, quads

SIZE_PX = (640, 480)


@given(
    st.floats(0.0, 0.6),
    st.floats(0.0, 0.6),
    st.floats(0.05, 0.4),
    st.floats(0.05, 0.4),
    st.floats(0, 0.5),
)
def test_the_box_lies_centred_in_its_crop(x, y, w, h, margin):
    matrix = crops.crop_from_image(np.array([x, y, x + w, y + h]), SIZE_PX, 192, margin)
    corners_px = quads.to_px(np.array([[x, y], [x + w, y + h]]), SIZE_PX)
    moved = quads.to_relative(crops.transform(corners_px, matrix), (192, 192))
    np.testing.assert_allclose(moved.mean(axis=0), 0.5, atol=1e-9)
    assert np.ptp(moved, axis=0).max() == pytest.approx(1 / (1 + 2 * margin))


def test_stretch_fills_the_square():
    matrix = crops.stretch(SIZE_PX, 256)
    corners = quads.to_px(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]), SIZE_PX)
    moved = quads.to_relative(crops.transform(corners, matrix), (256, 256))
    np.testing.assert_allclose(moved, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-12)


@pytest.mark.parametrize("shrink", [1, 2, 3, 5])
def test_warp_keeps_an_edge_where_the_homography_puts_it(shrink):
    image = np.zeros((240, 240, 3), np.uint8)
    image[:, 120:] = 200  # the edge lies between pixels 119 and 120: relative 0.5
    out = crops.warp(image, crops.stretch((240, 240), 240 // shrink), (240 // shrink,) * 2)
    # The brightness integrated along a row gives the edge's place to a fraction of a pixel.
    share = 1 - out[10 // shrink, :, 0].astype(float).sum() / 200 / out.shape[1]
    assert share == pytest.approx(0.5, abs=0.004)


@pytest.mark.parametrize("side", [256, 1000, 3000, 6000])
def test_warp_does_not_alias_a_fine_pattern(side):
    stripes = ((np.arange(side) // 2) % 2 * 255).astype(np.uint8)
    image = np.broadcast_to(stripes[None, :, None], (side, side, 3)).copy()
    out = crops.warp(image, crops.stretch((side, side), 64), (64, 64))
    assert out.std() < 25


def test_warp_of_a_huge_photo_keeps_an_edge_in_its_place():
    image = np.zeros((3001, 4003, 3), np.uint8)
    image[:, 1000:] = 200
    out = crops.warp(image, crops.stretch((4003, 3001), 64), (64, 64))
    share = 1 - out[10, :, 0].astype(float).sum() / 200 / 64
    assert share == pytest.approx(1000 / 4003, abs=0.002)


@given(st.floats(0, 6.28), st.floats(0.2, 0.45), st.floats(0.2, 0.45))
def test_the_soft_mask_holds_the_area_of_its_quad(angle, w, h):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = 0.5 + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) @ turn.T / 1.5
    mask = crops.soft_mask(quad, 96)
    assert mask.mean() == pytest.approx(quads.area(quad), abs=0.012)
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_inside_marks_the_photo_and_not_the_padding():
    matrix = crops.crop_from_image(np.array([0.0, 0.25, 0.5, 0.75]), SIZE_PX, 192, 0.25)
    marked = crops.inside(192, 96, np.linalg.inv(matrix), SIZE_PX)
    # 320 px wide box, margin 80 px: the photo begins after 80 / 480 of the crop.
    assert marked[48].tolist() == [False] * 16 + [True] * 80


@given(st.floats(-0.3, 0.7), st.floats(-0.3, 0.7), st.floats(0.05, 0.6), st.floats(0, 0.5))
def test_inside_are_the_mask_pixels_whose_middles_lie_within_the_photos_outer_edges(
    x, y, w, margin
):
    box = np.array([x, y, x + w, y + w])
    marked = crops.inside(
        192, 96, np.linalg.inv(crops.crop_from_image(box, SIZE_PX, 192, margin)), SIZE_PX
    )
    side = w * SIZE_PX[0] * (1 + 2 * margin)  # the photo is wider than high
    middles = (np.arange(96) + 0.5) / 96 - 0.5
    columns, rows = (
        (centre + w / 2) * length + middles * side
        for centre, length in zip((x, y), SIZE_PX, strict=True)
    )
    shown = [
        (places > 0) & (places < length)
        for places, length in zip((columns, rows), SIZE_PX, strict=True)
    ]
    edges = [
        np.minimum(np.abs(places), np.abs(places - length)) < 1e-6
        for places, length in zip((columns, rows), SIZE_PX, strict=True)
    ]
    told = ~(edges[1][:, None] | edges[0])  # what lies on an edge may count as either
    np.testing.assert_array_equal(marked[told], (shown[1][:, None] & shown[0])[told])


def test_a_quad_travels_into_the_crop_and_back():
    quad = np.array([[0.2, 0.3], [0.6, 0.25], [0.65, 0.7], [0.18, 0.66]])
    matrix = crops.crop_from_image(np.array([0.18, 0.25, 0.65, 0.7]), SIZE_PX, 192, 0.2)
    moved = crops.quad_in_crop(quad, SIZE_PX, matrix, 192)
    back_px = crops.transform(quads.to_px(moved, (192, 192)), np.linalg.inv(matrix))
    np.testing.assert_allclose(quads.to_relative(back_px, SIZE_PX), quad, atol=1e-9)


@pytest.mark.parametrize(
    ("size_px", "times"),
    [
        ((79, 79), 1),  # 1.23 pixels a step
        ((81, 81), 2),  # 1.27
        ((143, 143), 2),  # 2.23
        ((145, 145), 3),  # 2.27
        ((81, 145), 3),  # of the two steps the longer one
        ((300, 70), 5),
        ((510, 510), 8),  # 7.97
    ],
)
def test_warp_takes_the_mean_of_as_many_samples_each_way_as_pixels_are_crossed(size_px, times):
    image = np.random.default_rng(2).integers(0, 256, (*size_px[::-1], 3), dtype=np.uint8)
    fine = cv2.warpPerspective(
        image,
        crops.stretch(size_px, 64 * times),
        (64 * times, 64 * times),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(crops.PADDING,) * 3,
    )
    expected = fine.reshape(64, times, 64, times, 3).mean(axis=(1, 3))
    found = crops.warp(image, crops.stretch(size_px, 64), (64, 64))
    assert np.abs(found - expected).max() <= 1
