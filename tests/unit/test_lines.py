"""Quads fitted to drawn masks: anti-aliased views of cards with known corners.

Cards are drawn by asking, for a fine grid of points, whether each lies on the card; rounded
corners, fingers (which hide) and bumps (which add) are drawn on the same grid.
"""

import cv2
import numpy as np
import pytest

from meishi.geometry import quads
from meishi.geometry.fitting.lines import quad_from_mask
from meishi.geometry.homography import homography

FINE = 5  # grid points a mask pixel, along each axis


def grid_px(size):
    """(n, n, 2) positions of the fine grid, in mask pixels."""
    line = (np.arange(size * FINE) + 0.5) / FINE - 0.5
    return np.stack(np.meshgrid(line, line), axis=-1)


def card_view(seed, size):
    """A card's true quad in pixels: any roll, tilted by up to 45 degrees, 55-75 % of the mask."""
    rng = np.random.default_rng(seed)
    aspect, tilt = rng.uniform(1.4, 1.8), np.radians(rng.uniform(0, 45))
    roll, turn = rng.uniform(0, 2 * np.pi, 2)
    flat = np.array([[-aspect, -1], [aspect, -1], [aspect, 1], [-aspect, 1]]) / 2
    flat = flat @ rotation(roll).T
    depth = rng.uniform(2.5, 5) + flat[:, 1] * np.sin(tilt)
    seen = (flat * [1, np.cos(tilt)] / depth[:, None]) @ rotation(turn).T
    low, high = seen.min(axis=0), seen.max(axis=0)
    scale = rng.uniform(0.55, 0.75) * size / (high - low).max()
    shift = rng.uniform(-0.05, 0.05, 2) * size
    return quads.canonical((seen - (low + high) / 2) * scale + (size - 1) / 2 + shift)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def on_card(quad, size, radius=0.0):
    """(n, n) bool: fine points on the card; radius as a share of the card's short side."""
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    width, height = (1.6, 1.0) if sides[0] + sides[2] > sides[1] + sides[3] else (1.0, 1.6)
    card = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    points = grid_px(size)
    flat = np.dstack([points, np.ones(points.shape[:2])]) @ homography(quad, card).T
    across = np.abs(flat[..., :2] / flat[..., 2:])
    beyond = across - np.array([width, height]) / 2 + radius
    rounded = np.linalg.norm(np.maximum(beyond, 0), axis=-1) <= radius
    return rounded if radius else (beyond <= 0).all(axis=-1)


def under_finger(quad, size, side, depth=0.12, width=0.12, at=0.5, lean=0.0):
    """(n, n) bool: fine points under a finger that reaches over a side, in shares of the mask."""
    start, end = quad[side], quad[(side + 1) % 4]
    along = (end - start) / np.linalg.norm(end - start)
    inward = rotation(lean) @ np.array([-along[1], along[0]])
    radius = width * size / 2
    tip = start + at * (end - start) + inward * (depth * size - radius)
    offset = grid_px(size) - tip
    back = np.minimum(offset @ inward, 0)[..., None] * inward  # to the straight part, outward
    return np.linalg.norm(offset - back, axis=-1) <= radius


def soft(fine):
    return cv2.resize(
        fine.astype(np.float32), None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA
    )


def error_px(fit, quad, size):
    return np.linalg.norm(quads.to_px(fit.quad, (size, size)) - quad, axis=1).mean()


def mean_error_px(masks, true_quads, valid=None):
    fits = [quad_from_mask(mask, valid) for mask in masks]
    return np.mean(
        [
            error_px(fit, quad, len(mask))
            for fit, quad, mask in zip(fits, true_quads, masks, strict=True)
        ]
    )


@pytest.fixture(scope="module", params=[96, 128])
def views(request):
    return request.param, [card_view(seed, request.param) for seed in range(6)]


def test_clean_masks_give_corners_within_a_twentieth_of_a_pixel(views):
    size, true_quads = views
    masks = [soft(on_card(quad, size)) for quad in true_quads]
    assert mean_error_px(masks, true_quads) < 0.05


def test_rounded_corners_and_a_finger_do_not_bend_the_sides(views):
    size, true_quads = views
    masks = [
        soft(on_card(quad, size, 0.12) & ~under_finger(quad, size, side=i % 4, lean=0.3 * (i % 3)))
        for i, quad in enumerate(true_quads)
    ]
    assert mean_error_px(masks, true_quads) < 0.15


def test_fingers_on_two_sides_do_not_bend_them(views):
    size, true_quads = views
    masks = []
    for i, quad in enumerate(true_quads):
        first = under_finger(quad, size, side=i % 4, depth=0.1, width=0.09)
        second = under_finger(quad, size, side=(i + 2) % 4, depth=0.1, width=0.09)
        masks.append(soft(on_card(quad, size, 0.06) & ~first & ~second))
    assert mean_error_px(masks, true_quads) < 0.3


def test_a_finger_on_a_corner_does_not_cut_it(views):
    size, true_quads = views
    masks = [
        soft(on_card(quad, size) & ~under_finger(quad, size, side=i % 4, at=0.0, lean=-0.7))
        for i, quad in enumerate(true_quads)
    ]
    assert mean_error_px(masks, true_quads) < 0.15


def test_a_bump_does_not_bend_its_side(views):
    size, true_quads = views
    masks = []
    for i, quad in enumerate(true_quads):
        centre = (quad[i % 4] + quad[(i + 1) % 4]) / 2
        bump = np.linalg.norm(grid_px(size) - centre, axis=-1) < 0.04 * size
        masks.append(soft(on_card(quad, size) | bump))
    assert mean_error_px(masks, true_quads) < 0.15


def test_noise_in_the_soft_values_averages_out(views):
    size, true_quads = views
    rng = np.random.default_rng(0)
    masks = [
        np.clip(soft(on_card(quad, size)) + rng.normal(0, 0.15, (size, size)), 0, 1)
        for quad in true_quads
    ]
    assert mean_error_px(masks, true_quads) < 0.2


def test_a_mask_blurred_like_a_network_s_keeps_its_corners(views):
    size, true_quads = views
    masks = [cv2.GaussianBlur(soft(on_card(quad, size)), (0, 0), 2) for quad in true_quads]
    assert mean_error_px(masks, true_quads) < 0.05


def test_a_smaller_neighbour_is_ignored():
    quad = np.array([[20.0, 20.0], [70.0, 24.0], [68.0, 60.0], [18.0, 56.0]])
    neighbour = np.array([[15.0, 66.0], [80.0, 68.0], [80.0, 90.0], [15.0, 90.0]])
    mask = soft(on_card(quad, 96) | on_card(neighbour, 96))
    assert error_px(quad_from_mask(mask), quad, 96) < 0.05


def test_holes_do_not_move_the_corners():
    quad = np.array([[20.0, 20.0], [75.0, 24.0], [73.0, 62.0], [18.0, 58.0]])
    hole = np.linalg.norm(grid_px(96) - [45, 40], axis=-1) < 8
    assert error_px(quad_from_mask(soft(on_card(quad, 96) & ~hole)), quad, 96) < 0.05


def test_a_corner_cut_by_the_border_of_the_photo_is_extrapolated():
    quad = np.array([[48.0, 8.0], [86.0, 40.0], [52.0, 84.0], [12.0, 52.0]])
    valid = np.ones((96, 96), bool)
    valid[:, 74:] = False  # cuts off the corner at the right
    mask = soft(on_card(quad, 96)) * valid
    assert error_px(quad_from_mask(mask, valid), quad, 96) < 0.1


def test_a_side_cut_by_the_border_of_the_photo_lies_on_that_border():
    quad = np.array([[20.0, 20.0], [80.0, 20.0], [80.0, 60.0], [20.0, 60.0]])
    valid = np.ones((96, 96), bool)
    valid[:, 70:] = False
    fit = quad_from_mask(soft(on_card(quad, 96)) * valid, valid)
    cut = np.array([[20.0, 20.0], [69.5, 20.0], [69.5, 60.0], [20.0, 60.0]])
    assert error_px(fit, cut, 96) < 0.3


def test_a_card_that_leaves_the_mask_by_a_corner_is_extrapolated():
    quad = np.array([[30.0, -6.0], [88.0, 20.0], [70.0, 62.0], [12.0, 36.0]])
    assert error_px(quad_from_mask(soft(on_card(quad, 96))), quad, 96) < 0.2


def test_a_mask_full_of_card_gives_the_frame():
    fit = quad_from_mask(np.ones((64, 96), np.float32))
    np.testing.assert_allclose(fit.quad, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-6)


def test_quad_is_relative_to_a_mask_that_is_not_square():
    mask = np.zeros((80, 160), np.float32)
    mask[20:60, 40:120] = 1
    fit = quad_from_mask(mask)
    expected = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]
    np.testing.assert_allclose(fit.quad, expected, atol=1e-3)
    assert fit.agreement == pytest.approx(1)


def test_agreement_tells_a_disc_from_a_card():
    disc = soft(np.linalg.norm(grid_px(96) - 47.5, axis=-1) < 30)
    fit = quad_from_mask(disc)
    assert fit is None or fit.agreement < 0.9
    card = np.array([[20.0, 20.0], [75.0, 24.0], [73.0, 62.0], [18.0, 58.0]])
    assert quad_from_mask(soft(on_card(card, 96, 0.1))).agreement > 0.97


def test_fitting_twice_gives_the_same_quad():
    mask = soft(on_card(card_view(3, 96), 96, 0.12))
    np.testing.assert_array_equal(quad_from_mask(mask).quad, quad_from_mask(mask).quad)


def test_the_mask_is_left_as_it_was():
    mask = soft(on_card(card_view(3, 96), 96))
    before = mask.copy()
    quad_from_mask(mask)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("level", [0.0, 0.4])
def test_an_empty_mask_has_no_quad(level):
    assert quad_from_mask(np.full((96, 96), level, np.float32)) is None


def test_a_speck_has_no_quad():
    mask = np.zeros((96, 96), np.float32)
    mask[40:46, 40:46] = 1
    assert quad_from_mask(mask) is None


def test_a_triangle_has_no_quad_that_agrees():
    fine = np.zeros((96 * FINE, 96 * FINE), np.uint8)
    corners = np.array([[10, 10], [86, 33], [33, 83]]) * FINE
    cv2.fillConvexPoly(fine, corners, 1)
    fit = quad_from_mask(soft(fine))
    assert fit is None or fit.agreement < 0.85


@pytest.mark.parametrize("seed", range(20))
def test_random_blobs_never_raise(seed):
    noise = np.random.default_rng(seed).uniform(0, 1, (48, 64)).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 1 + seed % 5)
    blobs = (blobs - blobs.min()) / (blobs.max() - blobs.min())
    fit = quad_from_mask(blobs, noise > 0.05)
    assert fit is None or quads.fault(fit.quad) is None


def test_a_mask_with_channels_is_an_error():
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        quad_from_mask(np.zeros((96, 96, 1), np.float32))


def test_valid_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match="valid"):
        quad_from_mask(np.zeros((96, 96), np.float32), np.ones((96, 95), bool))
