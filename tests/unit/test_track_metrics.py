"""Figures of tracks, by hand."""

import json

import numpy as np
import pytest

from meishi.errors import InputError
from meishi.preview.tracking import TrackedCard
from meishi.preview.truth import read_truth, track_metrics

QUAD = np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 30.0], [0.0, 30.0]])  # diagonal 50
FAR = QUAD + 200


def card(track_id, quad=QUAD):
    return TrackedCard(track_id, quad, 0.9, True)


def test_tracks_that_are_the_truth_have_no_error():
    metrics = track_metrics([[card(1), card(2, FAR)]] * 3, [[QUAD, FAR]] * 3)
    assert metrics.cards == 6
    assert (metrics.missed, metrics.false, metrics.id_switches) == (0, 0, 0)
    assert metrics.jitter_pct == metrics.error_pct == 0


def test_a_constant_offset_is_an_error_but_no_jitter():
    metrics = track_metrics([[card(1, QUAD + [1, 0])]] * 4, [[QUAD]] * 4)
    assert metrics.error_pct == pytest.approx(2)  # 1 px of 50
    assert metrics.jitter_pct == pytest.approx(0)


def test_jitter_is_the_rms_distance_from_the_mean_place():
    tracked = [[card(1, QUAD + [(-1) ** n, 0])] for n in range(10)]
    assert track_metrics(tracked, [[QUAD]] * 10).jitter_pct == pytest.approx(2)


def test_another_id_on_a_card_is_a_switch_each_time():
    tracked = [[card(n)] for n in (1, 1, 2, 2, 1)]
    assert track_metrics(tracked, [[QUAD]] * 5).id_switches == 2


def test_ids_that_swap_cards_are_two_switches():
    tracked = [[card(1), card(2, FAR)], [card(2), card(1, FAR)]]
    assert track_metrics(tracked, [[QUAD, FAR]] * 2).id_switches == 2


def test_a_gap_is_missed_and_no_switch():
    metrics = track_metrics([[card(1)], [], [card(1)]], [[QUAD]] * 3)
    assert (metrics.missed, metrics.id_switches) == (1, 0)


def test_a_track_on_no_card_is_false():
    metrics = track_metrics([[card(1), card(2, FAR)]], [[QUAD]])
    assert (metrics.false, metrics.missed) == (1, 0)


def test_a_first_corner_that_changes_is_an_error():
    kept = [[card(1, np.roll(QUAD, 1, axis=0))]] * 6
    changed = kept + [[card(1)]] * 2
    assert track_metrics(kept, [[QUAD]] * 6).error_pct == 0
    assert track_metrics(changed, [[QUAD]] * 8).error_pct > 10


def test_an_empty_video_has_no_figure_but_zero():
    assert track_metrics([[], []], [[], []]).error_pct == 0


def test_lengths_must_agree():
    with pytest.raises(InputError, match="the truth has 2 frames, the video 1"):
        track_metrics([[]], [[], []])


def test_the_truth_is_read_as_it_is_written(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"quads": [[QUAD.tolist(), FAR.tolist()], []]}))
    first, second = read_truth(file)
    np.testing.assert_array_equal(first, [QUAD, FAR])
    assert second == []


@pytest.mark.parametrize(
    "content",
    ["", "no json", "[]", "{}", '{"quads": 3}', '{"quads": [[[1, 2]]]}', '{"quads": [["a"]]}',
     '{"quads": [[[[0,0],[0,1],[1,1],[1,0]]]]}', '{"quads": [[[[0,0],[1,0],[1,1]]]]}', "\x00\xff"],
)  # fmt: skip
def test_what_is_no_truth_is_refused_by_name(tmp_path, content):
    file = tmp_path / "a.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"a\.json"):
        read_truth(file)


def test_a_missing_truth_is_named(tmp_path):
    with pytest.raises(InputError, match="gone.json"):
        read_truth(tmp_path / "gone.json")
