"""What others cover of a card, painted over before it is judged once more."""

import numpy as np
import pytest

from meishi.capture.judging import without_others
from tests.unit.test_capture import card_quad_px, photo


def test_what_others_cover_beside_a_tilted_card_stays():
    own = np.array([[240.0, 80.0], [340.0, 180.0], [240.0, 280.0], [140.0, 180.0]])
    other = (100, 60, 240, 180)  # over a quarter of it, and over what lies beside that
    picture = photo(other)
    painted = without_others(picture, own, [card_quad_px(*other)])
    changed = (painted != picture).any(axis=2)
    y, x = np.nonzero(changed)
    assert len(x) > 4000
    assert (np.abs(x - 240) + np.abs(y - 180)).max() <= 101  # a pixel's width of the outline


@pytest.mark.parametrize("shift_px", [(0, -1000), (0, 1000), (-1000, 0), (1000, 0)])
def test_nothing_is_painted_for_a_card_that_the_photo_does_not_show(shift_px):
    picture = photo((100, 60, 240, 180))
    own = card_quad_px(100, 60, 240, 180) + shift_px
    np.testing.assert_array_equal(without_others(picture, own, [own]), picture)
