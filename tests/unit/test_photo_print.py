"""Photos printed on flat views of cards."""

import numpy as np
import pytest

from meishi.data.photo_print import PALED, on_photo, printed

SIDE_PX = 64
DARK, LIGHT = (30, 30, 30), (235, 235, 235)


def view_of(ground, ink):
    view = np.full((SIDE_PX, SIDE_PX, 3), ground, np.uint8)
    view[20:30, 10:50] = ink
    return view


@pytest.mark.parametrize("size_px", [(300, 200), (20, 400), (3, 3), (1, 1)])
def test_a_print_takes_a_part_of_the_view_and_leaves_the_rest(size_px):
    view = np.full((SIDE_PX, SIDE_PX, 3), 255, np.uint8)
    photo = np.zeros((size_px[1], size_px[0], 3), np.uint8)
    for seed in range(20):
        shown = printed(view, photo, np.random.default_rng(seed))
        changed = (shown != 255).all(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert changed[np.ix_(rows, columns)].all()  # one rectangle
        assert 16 <= min(len(rows), len(columns)) and max(len(rows), len(columns)) <= 48
        assert len(np.unique(shown[changed])) == 1 and shown[changed][0, 0] < 128.5
    assert (view == 255).all()


@pytest.mark.parametrize("size_px", [(300, 200), (3, 3), (1, 1)])
@pytest.mark.parametrize("ground, ink", [(LIGHT, DARK), (DARK, LIGHT)])
def test_print_stays_on_a_photo_that_gives_way_to_it(size_px, ground, ink):
    view = view_of(ground, ink)
    photo = np.full((size_px[1], size_px[0], 3), 128, np.uint8)
    for seed in range(20):
        shown = on_photo(view, photo, np.random.default_rng(seed))
        assert (shown[20:30, 10:50] == ink).all()
        rest = shown[:15].astype(int)
        assert len(np.unique(rest)) == 1
        away = (rest[0, 0, 0] - 128) * (1 if ink == DARK else -1)  # from the print's brightness
        assert PALED[0] * 126 <= away <= PALED[1] * 129
    assert (view == view_of(ground, ink)).all()


def test_the_ground_is_a_part_of_the_photo_as_it_lies():
    rows = np.arange(200)[:, None, None]
    photo = np.broadcast_to(rows, (200, 300, 3)).astype(np.uint8)
    shown = on_photo(view_of(LIGHT, LIGHT), photo, np.random.default_rng(0))
    assert (np.diff(shown[:, 0, 0].astype(int)) >= 0).all() and np.ptp(shown) > 30
