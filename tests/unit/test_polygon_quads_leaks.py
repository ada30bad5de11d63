"""Outlines with more in them than the card: bumps, specks, holes; and cards that fill the photo."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.data.importers.labelled import Shape
from meishi.data.importers.masks import pack
from meishi.data.importers.outlining import _fitted
from meishi.geometry import quads
from meishi.geometry.polygon_areas import mask_without_specks, without_holes, without_specks
from meishi.geometry.polygon_quads import NoQuadError, quad_from_mask_outline, quad_from_outline
from tests.unit.test_polygon_quads import rounded

SIZE_PX = (800, 600)
CARD_PX = np.array([[200.0, 150.0], [700.0, 150.0], [700.0, 450.0], [200.0, 450.0]])
FRAME_PX = quads.to_px(quads.FRAME, SIZE_PX)
BUMPS = {
    "shadow": [[500, 450], [500, 462], [350, 462], [350, 450]],
    "thumb": [[640, 450], [625, 462], [590, 464], [560, 462], [545, 450]],
    "spur": [[420, 450], [420, 490], [414, 490], [414, 450]],
}
SPECK_PX = np.array([[287.0, 127.0], [292.0, 127.0], [292.0, 132.0], [287.0, 132.0]])


def drawn(*parts):
    mask = np.zeros(SIZE_PX[::-1], np.uint8)
    for part in parts:
        cv2.fillPoly(mask, [np.round(part).astype(np.int32)], 1)
    return mask > 0


def off(quad, truth=CARD_PX):
    return np.abs(quad - truth).max()


@pytest.mark.parametrize("bump", BUMPS)
def test_a_bump_on_a_side_moves_no_corner(bump):
    outline = np.vstack([CARD_PX[:3], BUMPS[bump], CARD_PX[3:]])
    assert off(quad_from_outline([outline], SIZE_PX)) < 0.5
    assert off(quad_from_mask_outline(drawn(outline), SIZE_PX)) < 1.0


def test_a_bump_on_a_third_of_a_side_moves_no_corner_in_the_middle_and_is_refused_at_the_end():
    """The side has its ends, which count more, for itself; a bump there has one of them."""
    bump = np.array([[535, 450], [535, 462], [365, 462], [365, 450.0]])
    outline = np.vstack([CARD_PX[:3], bump, CARD_PX[3:]])
    assert off(quad_from_outline([outline], SIZE_PX)) < 0.5
    assert off(quad_from_mask_outline(drawn(outline), SIZE_PX)) < 1.0
    outline = np.vstack([CARD_PX[:3], bump[:3] - [165, 0]])
    with pytest.raises(NoQuadError, match="two lines fit alike"):
        quad_from_outline([outline], SIZE_PX)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.floats(0.1, 0.9), st.floats(0.03, 0.07), st.floats(0.01, 0.035))
def test_what_leaked_out_of_a_side_moves_no_corner_or_is_refused(side, place, width, height):
    start, along = CARD_PX[side], CARD_PX[(side + 1) % 4] - CARD_PX[side]
    turns = np.linspace(0, 2 * np.pi, 40)[:, None]
    diagonal, tangent = np.linalg.norm(CARD_PX[2] - CARD_PX[0]), along / np.linalg.norm(along)
    normal = np.array([tangent[1], -tangent[0]])
    leak = width * np.cos(turns) * tangent + height * np.sin(turns) * normal
    mask = drawn(CARD_PX, start + place * along + diagonal * leak)
    try:
        quad = quad_from_mask_outline(mask, SIZE_PX)
    except NoQuadError:
        return
    assert off(quad) < 0.01 * diagonal


@pytest.mark.parametrize("height", [12, 16, 24])
def test_a_shadow_along_half_a_side_is_refused(height):
    shadow = [[450, 450], [450, 450 + height], [200, 450 + height]]
    outline = np.vstack([CARD_PX[:3], shadow])
    with pytest.raises(NoQuadError, match="mark the card's four corners"):
        quad_from_outline([outline], SIZE_PX)


def test_a_speck_beside_four_corners_leaves_them_as_they_are():
    assert off(quad_from_outline([CARD_PX, SPECK_PX], SIZE_PX)) == 0
    shape = Shape(("card",), "a", "polygon", (CARD_PX, SPECK_PX))
    assert off(_fitted(shape, SIZE_PX, relative=False)) == 0


def test_a_speck_in_a_mask_moves_no_corner():
    mask = drawn(CARD_PX, SPECK_PX)
    assert off(quad_from_mask_outline(mask, SIZE_PX)) < 1.0
    assert np.array_equal(mask_without_specks(mask), drawn(CARD_PX))


def test_parts_that_are_no_specks_stay():
    half = CARD_PX * [0.1, 1]
    assert len(without_specks([CARD_PX, half, SPECK_PX])) == 2
    assert len(without_specks([np.full((5, 2), 3.0)])) == 1


def test_a_hole_beside_a_side_moves_no_corner():
    hole = np.array([[300, 154], [600, 154], [600, 160], [300, 160]])
    mask = drawn(CARD_PX) & ~drawn(hole)
    assert np.array_equal(without_holes(mask), drawn(CARD_PX))
    assert off(quad_from_mask_outline(mask, SIZE_PX)) < 1.0


@pytest.mark.parametrize("inset", [0, 1, 3])
def test_a_card_that_fills_the_photo_is_all_of_it(inset):
    card = FRAME_PX + np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * inset
    outline = rounded(card, 30)
    shape = Shape(("card",), "a", "polygon", (outline,))
    assert off(_fitted(shape, SIZE_PX, relative=False), card) < 0.1
    mask = Shape(("card",), "a", "mask", (), pack(drawn(outline)))
    assert off(_fitted(mask, SIZE_PX, relative=False), card) < 1.6


def test_a_full_mask_without_one_corner_is_all_of_the_photo():
    whole = np.ones(SIZE_PX[::-1], bool)
    whole[:20, :20] = False
    mask = Shape(("card",), "a", "mask", (), pack(whole))
    assert off(_fitted(mask, SIZE_PX, relative=False), FRAME_PX) < 0.1


def test_the_refusal_of_what_nearly_agrees_tells_the_difference():
    without_a_corner = np.array([[200, 150], [700, 150], [700, 340], [570, 450], [200, 450.0]])
    with pytest.raises(NoQuadError, match=r"to 95\.27%, expected 96% at least"):
        quad_from_outline([without_a_corner], SIZE_PX)
