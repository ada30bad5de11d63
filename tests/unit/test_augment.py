"""Augmentation: exact quads, canonical order, the same samples whatever the workers."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.data import augment, framing, lookalikes
from meishi.data.augment import Augmenter
from meishi.geometry import crops, quads
from meishi.params import load_params
from tests.conftest import ROOT
from tests.unit.test_scenes import edge_offset_px

SIZE_PX = (320, 240)
QUAD = np.array([[0.3, 0.3], [0.7, 0.28], [0.72, 0.68], [0.28, 0.7]])


@pytest.fixture
def augmenter(workspace):
    params = load_params("augment")
    return Augmenter(params.augment, 128, 96, 0.2)


@pytest.fixture
def image():
    """A white card on black, and nothing else: its centroid is that of the quad."""
    picture = np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
    points = np.round(quads.to_px(QUAD, SIZE_PX) * 256).astype(np.int32)
    cv2.fillConvexPoly(picture, points, (255, 255, 255), cv2.LINE_AA, shift=8)
    return picture


@pytest.fixture
def geometry_only(augmenter, monkeypatch):
    monkeypatch.setattr(augment, "develop", lambda light, image, rng: image)
    return augmenter


def drawn(quad, side):
    return crops.soft_mask(quad, side) * 255


@pytest.mark.parametrize("seed", range(20))
def test_a_frame_shows_the_card_where_its_quad_says(geometry_only, image, seed):
    sample = geometry_only.frame(image, QUAD[None], [seed])
    if len(sample.quads):
        shown = np.ptp(sample.image, axis=2) == 0  # not the coloured border beyond the scene
        assert shown.mean() > 0.3
        difference = np.abs(sample.image[..., 0] - drawn(sample.quads[0], 128))[shown]
        assert difference.mean() < 4  # edges only


@pytest.mark.parametrize("seed", range(20))
def test_a_crop_shows_the_card_where_its_quad_says(geometry_only, image, seed):
    sample = geometry_only.crop(image, QUAD, [seed])
    shown = np.abs(sample.image[..., 0].astype(float) - crops.PADDING) > 3  # not the padding
    difference = np.abs(sample.image[..., 0] - drawn(sample.quads[0], 96))[shown]
    assert difference.mean() < 4  # edges only


@pytest.mark.parametrize("seed", range(30))
def test_quads_stay_canonical_through_flips_and_turns(augmenter, image, seed):
    for sample in (augmenter.frame(image, QUAD[None], [seed]), augmenter.crop(image, QUAD, [seed])):
        for quad in sample.quads:
            np.testing.assert_array_equal(quad, quads.canonical(quad))
            assert quads.fault(quad) is None


def test_a_seed_gives_the_same_bytes_whatever_came_before(augmenter, image):
    first = augmenter.frame(image, QUAD[None], [7, 1])
    augmenter.frame(image, QUAD[None], [7, 2])
    again = augmenter.frame(image, QUAD[None], [7, 1])
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.quads, again.quads)


def test_seeds_give_different_pictures(augmenter, image):
    pictures = [augmenter.frame(image, QUAD[None], [seed]).image for seed in range(4)]
    assert all((pictures[0] != other).any() for other in pictures[1:])


def test_an_empty_crop_has_no_quad(augmenter, image):
    sample = augmenter.empty_crop(image, [3])
    assert sample.image.shape == (96, 96, 3)
    assert sample.quads.shape == (0, 4, 2)


@pytest.mark.parametrize("seed", range(20))
def test_what_lies_beyond_the_scene_is_grey_whatever_the_light(augmenter, image, seed):
    image[image == 0] = 60
    crop = augmenter.crop(image, QUAD - 0.25, [seed])  # at the border: the margin leaves the scene
    grey = (crop.image == crops.PADDING).all(axis=-1)
    beyond = cv2.morphologyEx(grey.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    assert beyond.sum() > 96
    assert not (beyond * drawn(crop.quads[0], 96) > 128).any()
    assert grey.sum() < 0.7 * 96 * 96


@pytest.mark.parametrize("seed", range(40))
def test_no_frame_keeps_a_card_that_is_barely_visible(augmenter, image, seed):
    edge = QUAD + [0.4, 0.4]  # a third of it in the picture
    for quad in augmenter.frame(image, edge[None], [seed]).quads:
        assert quads.visible_share(quad) >= augmenter.params.frame.cut_high


def test_a_card_that_has_left_the_frame_has_no_quad(augmenter, image):
    gone = QUAD + [2.0, 2.0]
    assert len(augmenter.frame(image, gone[None], [1]).quads) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_edges_of_an_uncut_frame_lie_within_a_tenth_of_a_pixel(seed):
    recipe = load_params("augment", path=ROOT / "params.yaml").augment
    matrix = framing.frame_homography(np.random.default_rng(seed), recipe.frame, SIZE_PX, 256)
    quad = framing.canonical(framing.move(QUAD[None], SIZE_PX, matrix, 256))[0]
    quad_px = quads.to_px(quad, (256, 256))
    mask = np.rint(crops.coverage(quads.to_px(QUAD, SIZE_PX), SIZE_PX) * 255).astype(np.uint8)
    shown = crops.warp(np.repeat(mask[..., None], 3, axis=2), matrix, (256, 256), (0, 0, 0))
    if quad_px.min() > 7 and quad_px.max() < 248:  # room for an edge's profile
        offsets = edge_offset_px(shown[..., 0], quad_px).reshape(4, -1).mean(axis=1)
        assert np.abs(offsets).max() <= 0.1


def test_what_looks_like_a_card_is_framed(augmenter):
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.rectangle(image, (100, 60), (220, 130), (230, 220, 200), cv2.FILLED)
    (box,) = lookalikes.outlined_boxes(image, 0.15, 0.8)
    assert box == pytest.approx(np.array([100, 60, 221, 131]) / [320, 240, 320, 240], abs=0.015)


def test_neither_specks_nor_the_whole_scene_look_like_a_card():
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.rectangle(image, (5, 5), (314, 234), (230, 220, 200), cv2.FILLED)
    cv2.rectangle(image, (100, 60), (112, 70), (10, 20, 30), cv2.FILLED)
    assert len(lookalikes.outlined_boxes(image, 0.15, 0.8)) == 0


def test_a_crop_without_a_card_shows_nothing_of_a_card_nearby(geometry_only):
    image = np.full((240, 320, 3), 90, np.uint8)
    for left, colour in ((20, (250, 200, 40)), (200, (230, 230, 230))):  # the card; another thing
        cv2.rectangle(image, (left, 60), (left + 100, 120), colour, cv2.FILLED)
    card = np.array([[20, 60], [120, 60], [120, 120], [20, 120]]) / [320, 240]
    for number in range(12):
        crop = geometry_only.lookalike_crop(image, card[None], [7, number])
        red, blue = crop.image[..., 0].astype(int), crop.image[..., 2].astype(int)
        assert (red - blue <= 100).all() and len(crop.quads) == 0


def test_a_scene_that_its_card_fills_has_no_crop_without_it(augmenter):
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.rectangle(image, (60, 40), (260, 200), (230, 220, 200), cv2.FILLED)
    card = np.array([[60, 40], [260, 40], [260, 200], [60, 200]]) / [320, 240]
    assert augmenter.lookalike_crop(image, card[None], [1, 2]) is None
