"""Tracks of cards: identity, order of corners, calm when still, quick when moving."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.geometry import quads
from meishi.preview.tracking import Tracker, TrackingParams
from meishi.preview.truth import track_metrics

FRAME_S = 1 / 30
CARD = np.array([[0.0, 0.0], [91.0, 0.0], [91.0, 55.0], [0.0, 55.0]]) * 2
DIAGONAL = float(np.linalg.norm(CARD[2]))
PLACES = np.array([[40.0, 40.0], [300.0, 60.0], [60.0, 250.0], [330.0, 260.0]])


def turned(degrees, centre=(300.0, 240.0)):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (CARD - CARD.mean(axis=0)) @ turn.T + centre


def follow(frames, tracker=None):
    """Track quads, given frame by frame as the capture does: canonical."""
    tracker = tracker or Tracker()
    return [
        tracker.update([quads.canonical(q) for q in frame], [0.9] * len(frame), FRAME_S)
        for frame in frames
    ]


def noisy(rng, quad, pct=0.3):
    """Move each corner; `pct` of the diagonal is the rms distance."""
    return quad + rng.normal(0, pct / 100 * DIAGONAL / np.sqrt(2), (4, 2))


def ids(cards):
    return [card.track_id for card in cards]


def test_a_still_card_jitters_less_than_it_is_measured():
    rng = np.random.default_rng(1)
    truths = [[turned(20)]] * 300
    tracked = follow([[noisy(rng, quad) for quad in frame] for frame in truths])
    metrics = track_metrics(tracked, truths)
    assert metrics.jitter_pct < 0.15  # measured: 0.3
    assert (metrics.id_switches, metrics.false, metrics.missed) == (0, 0, 2)


def test_smoothing_takes_half_of_the_jitter_at_least():
    calm, bare = TrackingParams(), TrackingParams(still_hz=1e6)
    truths = [[turned(20)]] * 200
    rng = np.random.default_rng(2)
    frames = [[noisy(rng, quad) for quad in frame] for frame in truths]
    smoothed, raw = (
        track_metrics(follow(frames, Tracker(params)), truths).jitter_pct for params in (calm, bare)
    )
    assert raw == pytest.approx(0.3, rel=0.1)
    assert smoothed < raw / 2


def test_a_side_that_jumps_to_a_line_of_the_print_and_back_hardly_shakes_the_card():
    rng = np.random.default_rng(9)
    inner = CARD - [[0, 0], [0.03 * DIAGONAL, 0], [0.03 * DIAGONAL, 0], [0, 0]]
    frames = [[noisy(rng, CARD if rng.random() < 0.7 else inner, 0.05)] for _ in range(300)]
    truths = [[CARD]] * 300
    bare = follow(frames, Tracker(TrackingParams(still_hz=1e6, creep=1.0, doubt=1.0)))
    tracked = follow(frames)
    raw = track_metrics(bare, truths).jitter_pct
    assert raw > 0.9
    assert track_metrics(tracked, truths).jitter_pct < raw / 3
    assert track_metrics(tracked[150:], truths[150:]).jitter_pct < 0.15  # once it has settled


@pytest.mark.parametrize("side", range(4))
def test_three_corners_that_jump_for_a_moment_do_not_move_a_card_at_rest(side):
    """A side jumps to a line of print, and takes the end of the next one with it."""
    shifts = np.roll([[0.028, 0.0], [0.025, 0.01], [0.0, 0.015], [0.0, 0.0]], side, axis=0)
    found = [[CARD]] * 30 + [[CARD + shifts * DIAGONAL]] * 10 + [[CARD]] * 10
    for [card] in follow(found)[2:]:
        np.testing.assert_allclose(card.quad_px, CARD, atol=0.001 * DIAGONAL)


def test_a_quad_that_goes_on_being_found_elsewhere_is_taken_over_after_the_patience():
    moved = CARD + np.array([[0.028, 0.0], [0.025, 0.01], [0.0, 0.015], [0.0, 0.0]]) * DIAGONAL
    waited = round(TrackingParams().patience_s / FRAME_S)
    shown = [card.quad_px for [card] in follow([[CARD]] * 30 + [[moved]] * 60)[30:]]
    np.testing.assert_allclose(shown[waited - 2], CARD, atol=0.001 * DIAGONAL)
    assert np.abs(shown[waited + 1] - CARD).max() > 0.002 * DIAGONAL
    np.testing.assert_allclose(shown[-1], moved, atol=0.002 * DIAGONAL)


def test_a_side_that_stays_elsewhere_is_believed_in_the_end():
    inner = CARD - [[0, 0], [0.02 * DIAGONAL, 0], [0.02 * DIAGONAL, 0], [0, 0]]
    last = follow([[CARD]] * 60 + [[inner]] * 300)[-1][0]
    np.testing.assert_allclose(last.quad_px, inner, atol=0.001 * DIAGONAL)


def test_the_way_of_doubted_frames_is_not_taken_for_that_of_one():
    """Ten frames with a side on a line of print, in which the card began to move, then none."""
    shift = np.array([0.012 * DIAGONAL, 0.0])
    inner = CARD - [[0, 0], [0.03 * DIAGONAL, 0], [0.03 * DIAGONAL, 0], [0, 0]]
    found = [[CARD]] * 30 + [[inner + n / 10 * shift] for n in range(10)] + [[CARD + shift]]
    last = follow([*found, *[[]] * 14])[-1][0]
    # What it went in a third of a second, it goes on at that speed, and comes to rest.
    assert np.linalg.norm(last.quad_px - CARD - shift, axis=1).max() < 0.012 * DIAGONAL


@settings(max_examples=40, deadline=None)
@given(
    speed=st.floats(0, 6),  # diagonals a second
    heading=st.floats(0, 6.28),
    spin=st.floats(-90, 90),  # degrees a second
    seed=st.integers(0, 999),
)
def test_no_motion_leaves_a_quad_further_behind_than_the_leash(speed, heading, spin, seed):
    # So slow a filter that nothing but the leash draws it on; it would think each card at rest.
    params = TrackingParams(still_hz=0.01, quickness_hz=0.01, speed_hz=0.01, patience_s=0.0)
    rng, tracker = np.random.default_rng(seed), Tracker(params)
    step = np.array([np.cos(heading), np.sin(heading)]) * speed * DIAGONAL * FRAME_S
    for number in [0] * 15 + list(range(15)):
        quad = noisy(rng, turned(spin * number * FRAME_S, step * number), 0.2)
        for card in tracker.update([quads.canonical(quad)], [0.9], FRAME_S):
            rolls = [np.roll(card.quad_px, roll, axis=0) - quad for roll in range(4)]
            lengths = min((np.linalg.norm(off, axis=1) for off in rolls), key=np.sum)
            assert np.sort(lengths)[1] <= params.leash * DIAGONAL * 1.02
            assert quads.fault(card.quad_px) is None


def test_a_card_that_starts_to_move_is_followed_at_once():
    still = [[turned(0)]] * 60
    moving = [[turned(0, (300 + 12 * n, 240))] for n in range(1, 15)]
    last = follow(still + moving)[-1][0]
    assert np.linalg.norm(last.quad_px - moving[-1][0], axis=1).max() < 0.02 * DIAGONAL


def test_a_steady_motion_leaves_hardly_any_lag():
    moving = [[turned(0, (100 + 6 * n, 240))] for n in range(40)]  # .8 diagonals a second
    last = follow(moving)[-1][0]
    np.testing.assert_allclose(last.quad_px, moving[-1][0], atol=0.001 * DIAGONAL)


def test_a_card_that_stops_comes_to_rest_where_it_is():
    moving = [[turned(0, (100 + 8 * n, 240))] for n in range(40)]
    last = follow(moving + [moving[-1]] * 60)[-1][0]
    np.testing.assert_allclose(last.quad_px, moving[-1][0], atol=0.001 * DIAGONAL)


@pytest.mark.parametrize("spin", [-3.0, 3.0])
def test_the_first_corner_stays_the_same_corner_through_a_whole_turn(spin):
    truths = [[turned(spin * number)] for number in range(121)]
    tracked = follow(truths)
    metrics = track_metrics(tracked, truths)
    assert (metrics.id_switches, metrics.missed) == (0, 2)
    assert metrics.error_pct < 2
    # Judged without the tracker, the order does change: each quarter has its own top left.
    assert quads.canonical(truths[30][0])[0] != pytest.approx(truths[30][0][0])


def test_noise_at_45_degrees_does_not_flip_the_first_corner():
    rng = np.random.default_rng(3)
    truths = [[turned(45)]] * 100
    frames = [[noisy(rng, quad) for quad in frame] for frame in truths]
    firsts = {tuple(quads.canonical(frame[0])[0].round(-1)) for frame in frames}
    assert len(firsts) > 1
    assert track_metrics(follow(frames), truths).error_pct < 0.3


def test_four_cards_keep_their_ids_for_300_frames():
    rng = np.random.default_rng(4)
    truths = [
        [CARD + place + 25 * np.sin(n / 20 + i) for i, place in enumerate(PLACES)]
        for n in range(300)
    ]
    frames = []
    for frame in truths:
        found = [noisy(rng, quad) for quad in frame if rng.random() > 0.05]
        frames.append([found[i] for i in rng.permutation(len(found))])
    tracked = follow(frames)
    assert track_metrics(tracked, truths).id_switches == 0
    assert {i for cards in tracked for i in ids(cards)} == {1, 2, 3, 4}


@pytest.mark.parametrize("gap", range(0, 9))
@pytest.mark.parametrize("tilt", [0, 12])
def test_crossing_cards_keep_their_ids(gap, tilt):
    # One goes right, the other left; around the meeting only one of the two is found.
    rng = np.random.default_rng([5, gap, tilt])
    truths = [
        [turned(tilt, (100 + 6 * n, 200)), turned(-tilt, (500 - 6 * n, 210))] for n in range(67)
    ]
    frames = [[noisy(rng, quad, 0.2) for quad in frame] for frame in truths]
    for number in range(33 - gap // 2, 33 - gap // 2 + gap):
        del frames[number][number % 2]
    assert track_metrics(follow(frames), truths).id_switches == 0


@pytest.mark.parametrize("missing", [1, 3, 8, 14])
def test_a_card_missed_for_a_moment_is_kept_and_marked(missing):
    frames = [[turned(0)]] * 20 + [[]] * missing + [[turned(0)]] * 5
    tracked = follow(frames)
    assert [ids(cards) for cards in tracked[2:]] == [[1]] * (len(frames) - 2)
    assert [cards[0].seen for cards in tracked[20:]] == [False] * missing + [True] * 5


def test_a_missed_card_is_expected_further_along_its_way():
    frames = [[turned(0, (100 + 6 * n, 200))] for n in range(30)]
    tracked = follow(frames + [[]] * 4)
    before, after = tracked[29][0].quad_px, tracked[33][0].quad_px
    moved = (after - before).mean(axis=0)
    assert 12 < moved[0] <= 24
    assert abs(moved[1]) < 0.5


def test_a_card_missed_for_long_is_dropped_and_its_id_not_given_again():
    frames = [[turned(0)]] * 10 + [[]] * 20 + [[turned(0)]] * 10
    tracked = follow(frames)
    assert tracked[29] == []
    assert ids(tracked[9]) == [1]
    assert ids(tracked[-1]) == [2]


def test_a_card_is_shown_from_the_frame_that_confirms_it():
    tracked = follow([[turned(0)]] * 4)
    assert [len(cards) for cards in tracked] == [0, 0, 1, 1]


def test_what_flickers_never_gets_an_id():
    tracked = follow([[turned(0)], [turned(0)], [], []] * 20)
    assert all(cards == [] for cards in tracked)


def test_a_card_that_enters_gets_the_next_id_and_leaves_the_others_alone():
    first, second = CARD + PLACES[0], CARD + PLACES[3]
    tracked = follow([[first]] * 10 + [[second, first]] * 10 + [[second]] * 20)
    assert ids(tracked[9]) == [1]
    assert ids(tracked[19]) == [1, 2]
    assert ids(tracked[-1]) == [2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), unique=True, max_size=4), max_size=60))
def test_an_id_once_gone_never_comes_back(presence):
    gone, before = set(), set()
    for cards in follow([[CARD + PLACES[i] for i in frame] for frame in presence]):
        now = set(ids(cards))
        assert len(now) == len(cards)
        gone |= before - now
        assert not gone & now
        before = now


def test_the_same_frames_give_the_same_bits_five_times():
    rng = np.random.default_rng(6)
    frames = [[noisy(rng, CARD + place) for place in PLACES] for _ in range(30)]
    runs = [
        np.array([[card.quad_px for card in cards] for cards in follow(frames)[5:]])
        for _ in range(5)
    ]
    assert all(run.tobytes() == runs[0].tobytes() for run in runs[1:])


def test_the_order_in_which_cards_are_found_does_not_matter():
    rng = np.random.default_rng(7)
    frames = [[noisy(rng, CARD + place) for place in PLACES] for _ in range(30)]
    one, other = follow(frames), follow([frames[0], *(frame[::-1] for frame in frames[1:])])
    for cards, others in zip(one, other, strict=True):
        for card, twin in zip(cards, others, strict=True):
            np.testing.assert_array_equal(card.quad_px, twin.quad_px)


def test_given_quads_are_not_changed():
    quad = turned(10)
    given = quad.copy()
    tracker = Tracker()
    for _ in range(5):
        tracker.update([quad], [0.5], FRAME_S)
    np.testing.assert_array_equal(quad, given)


@pytest.mark.parametrize(
    "quad",
    [CARD[::-1], CARD[[0, 2, 1, 3]], CARD * np.nan, CARD[:3], np.zeros((4, 2))],
    ids=["counter-clockwise", "self-crossing", "nan", "three corners", "a point"],
)
def test_a_faulty_quad_is_refused(quad):
    with pytest.raises(ValueError, match="tracking: a quad"):
        Tracker().update([quad], [0.9], FRAME_S)


@pytest.mark.parametrize("seconds", [0, -0.1, float("nan")])
def test_time_goes_on(seconds):
    with pytest.raises(ValueError, match="seconds: expected more than 0"):
        Tracker().update([], [], seconds)


def test_the_speed_of_the_video_does_not_change_how_calm_a_card_is():
    def jitter(fps):
        rng, tracker = np.random.default_rng(8), Tracker()
        found = [tracker.update([noisy(rng, CARD)], [0.9], 1 / fps) for _ in range(20 * fps)]
        return track_metrics(found, [[CARD]] * len(found)).jitter_pct

    assert jitter(15) < 0.2
    assert jitter(60) < jitter(15)
