"""Corners that move on their own, of a card at rest: they creep."""

import numpy as np

from meishi.preview.tracking import Tracker, TrackingParams

FRAME_S = 1 / 30
CARD = np.array([[0.0, 0.0], [182.0, 0.0], [182.0, 110.0], [0.0, 110.0]])
DIAGONAL = float(np.linalg.norm(CARD[2]))
PARAMS = TrackingParams(still_hz=1e6, doubt=1.0)  # nothing but the creep holds a corner back


def shown_after(moved):
    """Show a card at rest, then one frame of it with its corners moved by so many diagonals."""
    tracker = Tracker(PARAMS)
    for _ in range(30):
        tracker.update([CARD], [0.9], FRAME_S)
    (card,) = tracker.update([CARD + np.array(moved) * DIAGONAL], [0.9], FRAME_S)
    return (card.quad_px - CARD) / DIAGONAL


def test_a_side_that_moves_alone_creeps_towards_its_place():
    found = shown_after([[0, 0], [0.008, 0], [0.008, 0], [0, 0]])
    expected = [[0, 0], [PARAMS.creep, 0], [PARAMS.creep, 0], [0, 0]]
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-6)


def test_a_card_that_moves_as_a_whole_does_not_creep():
    found = shown_after([[0.008, 0]] * 4)
    np.testing.assert_allclose(found, [[0.008, 0]] * 4, rtol=0.02, atol=1e-6)
