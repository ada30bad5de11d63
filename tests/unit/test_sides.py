"""The four sides that are proposed for masks with more, or much less, in them than the card."""

import numpy as np
import pytest

from meishi.geometry import quads
from meishi.geometry.fitting.lines import quad_from_mask
from tests.unit.test_lines import error_px, grid_px, on_card, rotation, soft

SIZE = 96
TURNS_DEG = range(0, 44, 4)


def lying(turn_deg):
    """A card of 60 x 38 in the middle of a mask, turned clockwise: its quad in pixels."""
    card = (quads.FRAME - 0.5) * [60, 38] @ rotation(np.radians(turn_deg)).T
    return card + (SIZE - 1) / 2


@pytest.mark.parametrize("turn_deg", TURNS_DEG)
def test_a_half_disc_on_most_of_a_short_side_moves_no_corner(turn_deg):
    """What would explain it, leaves a part of the quad empty."""
    quad = lying(turn_deg)
    disc = np.linalg.norm(grid_px(SIZE) - quad[1:3].mean(axis=0), axis=-1) < 11
    assert error_px(quad_from_mask(soft(on_card(quad, SIZE) | disc)), quad, SIZE) < 0.3


@pytest.mark.parametrize("turn_deg", TURNS_DEG)
def test_a_corner_cut_off_from_the_middles_of_its_sides_is_restored(turn_deg):
    """The cut is longer than what is left of the short side, but no rectangle has it."""
    quad = lying(turn_deg)
    start, end = (quad[0] + quad[1]) / 2, (quad[1] + quad[2]) / 2
    along, offset = end - start, grid_px(SIZE) - start
    kept = along[0] * offset[..., 1] - along[1] * offset[..., 0] >= 0
    assert error_px(quad_from_mask(soft(on_card(quad, SIZE) & kept)), quad, SIZE) < 0.3
