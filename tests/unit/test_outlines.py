"""The outline of a mask as points: the length each stands for, and which of them are trusted."""

import numpy as np
import pytest

from meishi.geometry import quads
from meishi.geometry.fitting import outlines
from tests.unit.test_lines import on_card, soft
from tests.unit.test_sides import SIZE, lying

ALL = np.ones((SIZE, SIZE), bool)


@pytest.mark.parametrize("turn_deg", [0, 15, 30, 45])
def test_the_points_stand_for_the_length_of_the_outline_however_it_runs(turn_deg):
    quad = lying(turn_deg)
    outline = outlines.trace(soft(on_card(quad, SIZE)), ALL)
    # The blur rounds each corner by a pixel or so.
    assert outline.lengths_px.sum() == pytest.approx(quads.side_lengths(quad).sum(), rel=0.02)


def test_points_at_the_border_of_the_photo_are_not_trusted_and_others_are():
    valid = ALL.copy()
    valid[:, 60:] = False  # the photo ends at 59.5, through the card
    outline = outlines.trace(soft(on_card(lying(10), SIZE)) * valid, valid)
    right = outline.points_px[:, 0]
    assert (right > 59).sum() > 30 and not outline.trusted[right > 59].any()
    assert outline.trusted[right < 58].all()


def test_points_at_the_border_of_the_mask_are_not_trusted_and_others_are():
    outline = outlines.trace(soft(on_card(lying(10) + [30, 0], SIZE)), ALL)
    right = outline.points_px[:, 0]
    assert (right > SIZE - 1).sum() > 30 and not outline.trusted[right > SIZE - 1].any()
    assert outline.trusted[right < SIZE - 2].all()
