"""Which way up cards read: the view that is judged, its corners, the figures, the sources."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.data.own_quads import own_quads_of
from meishi.data.records import to_source_line
from meishi.evaluation.directions import direction_metrics
from meishi.geometry import directions, quads
from tests import tiny_data

LYING = np.array([[10, 10], [90, 14], [88, 60], [12, 58]], float)
SHADES = (60, 120, 180, 240)
STANDING = np.array([[10, 10], [50, 12], [52, 98], [8, 96]], float)


@given(st.integers(0, 3), st.integers(0, 3))
def test_the_start_is_found_from_any_corner(own, shown):
    own_quad, quad = np.roll(LYING, -own, axis=0), np.roll(LYING, -shown, axis=0)
    start = directions.start_of(own_quad + 0.3, quad)
    np.testing.assert_array_equal(np.roll(quad, -start, axis=0), own_quad)


def marked_card() -> np.ndarray:
    """A picture with a disc of another brightness at each corner of STANDING."""
    image = np.zeros((120, 120, 3), np.uint8)
    for corner, shade in zip(STANDING, SHADES, strict=True):
        inside = corner + 0.2 * (STANDING.mean(axis=0) - corner)
        cv2.circle(image, tuple(map(int, inside)), 9, (shade,) * 3, -1)
    return image


def shades(view: np.ndarray) -> list[int]:
    return [int(view[y, x, 0]) for x, y in ((6, 6), (57, 6), (57, 57), (6, 57))]


def test_a_view_shows_the_first_corner_at_the_top_left():
    image = marked_card()
    for first in range(4):
        view = directions.view(image, np.roll(STANDING, -first, axis=0), 64)
        assert view.shape == (64, 64, 3)
        assert shades(view) == pytest.approx(np.roll(SHADES, -first).tolist(), abs=6)


def test_turned_views_are_those_from_the_other_corners():
    image = marked_card()
    for first, turned in enumerate(directions.turns(directions.view(image, STANDING, 64))):
        view = directions.view(image, np.roll(STANDING, -first, axis=0), 64)
        assert np.abs(view.astype(int) - turned).max() <= 1


@given(st.integers(0, 3), st.floats(0, 1))
def test_views_that_agree_are_sure_of_the_quads_corner(start, none):
    shares = [np.append((1 - none) * np.eye(4)[(start - corner) % 4], none) for corner in range(4)]
    expected = np.append((1 - none) * np.eye(4)[start], none)
    np.testing.assert_allclose(directions.from_turns(np.array(shares)), expected, atol=1e-12)


def test_views_that_contradict_each_other_leave_it_open():
    assert directions.from_turns(np.eye(5)[[0, 0, 0, 0]]).tolist() == [0.25] * 4 + [0]


def test_views_that_show_no_card_count_in_the_mean():
    assert directions.from_turns(np.eye(5)[[0, 4, 4, 4]]).tolist() == [0.25, 0, 0, 0, 0.75]


def test_found_cards_count_as_right_where_they_begin():
    turned = np.roll(LYING, -2, axis=0)
    apart = STANDING + [200, 0]
    found = direction_metrics(
        [[LYING, apart], [turned], []],
        [[0.9, 0.5], [0.95], []],
        [[LYING, np.roll(apart, -1, axis=0)], [turned], [LYING]],
        0.8,
    )
    assert found == {"right": 2 / 3, "sure": 2 / 3, "right_of_sure": 1.0}


def test_of_no_found_card_the_shares_are_nought():
    assert set(direction_metrics([[]], [[]], [[LYING]], 0.8).values()) == {0.0}


def test_quads_are_believed_of_the_named_sources_alone(tmp_path):
    lines = []
    for number, source in enumerate(("drawn", "photos")):
        record, _ = tiny_data.draw_scene(number, 2, 0)
        record.attributes["source"] = source
        lines.append(to_source_line(record))
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    own = own_quads_of(tmp_path, ("drawn",))
    assert list(own) == ["s00000"] and own["s00000"].shape == (2, 4, 2)
    assert quads.fault(own["s00000"][0]) is None
