"""Quads fitted to masks of cards that the photo's border cuts almost along a side."""

import numpy as np
import pytest

from meishi.geometry.fitting.lines import quad_from_mask
from tests.unit.test_lines import error_px, on_card, soft
from tests.unit.test_sides import SIZE, lying


def cut_at(row_or_column, quad, axis):
    """The mask of a card in a photo that ends at a row (axis 0, above) or column (1, right)."""
    valid = np.ones((SIZE, SIZE), bool)
    if axis == 0:
        valid[:row_or_column] = False
    else:
        valid[:, row_or_column:] = False
    return soft(on_card(quad, SIZE)) * valid, valid


@pytest.mark.parametrize("turn_deg", [14, 16, 20])
def test_a_side_of_which_the_border_cuts_off_half_is_fitted_to_the_other_half(turn_deg):
    quad = lying(turn_deg)
    mask, valid = cut_at(int(np.ceil(quad[1:3, 0].mean())), quad, axis=1)
    assert error_px(quad_from_mask(mask, valid), quad, SIZE) < 0.1


@pytest.mark.parametrize("turn_deg", [9, 10, 12])
def test_three_tenths_of_a_long_side_are_enough_for_its_line(turn_deg):
    """Without its end a fifth is left: less is cut for round corners than of a short side."""
    quad = lying(turn_deg)
    left, right = quad[:2, 1]
    mask, valid = cut_at(int(right - (right - left) * 0.3), quad, axis=0)
    assert error_px(quad_from_mask(mask, valid), quad, SIZE) < 0.1


def test_what_lies_beyond_the_photo_does_not_count_in_the_agreement():
    quad = np.array([[48.0, 8.0], [86.0, 40.0], [52.0, 84.0], [12.0, 52.0]])
    mask, valid = cut_at(74, quad, axis=1)  # cuts off the corner at the right
    assert quad_from_mask(mask, valid).agreement > 0.99
