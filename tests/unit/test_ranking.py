"""Which quads are cards, and which of several that show one card is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.capture import ranking

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def rectangle(left, top, width, height):
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def test_a_single_view_counts_as_it_is():
    assert ranking.joint_score(np.array([0.42])) == 0.42


def test_the_joint_score_is_the_logistic_of_the_mean_logit():
    odds = np.sqrt((0.9 / 0.1) * (0.6 / 0.4))
    assert ranking.joint_score(np.array([0.9, 0.6])) == pytest.approx(odds / (1 + odds))


def test_one_view_without_a_card_pulls_three_sure_ones_down():
    assert ranking.joint_score(np.array([0.9, 0.9, 0.9, 0.0])) < 0.6


@given(SCORES)
def test_the_joint_score_lies_between_its_views_and_knows_no_order(scores):
    joint = ranking.joint_score(np.array(scores))
    assert min(scores) - 0.006 <= joint <= max(scores) + 0.006
    assert joint == pytest.approx(ranking.joint_score(np.array(scores[::-1])))


@given(SCORES, st.floats(0.01, 0.3))
def test_a_surer_view_never_lowers_the_joint_score(scores, more):
    surer = [min(1.0, scores[0] + more), *scores[1:]]
    assert ranking.joint_score(np.array(surer)) >= ranking.joint_score(np.array(scores)) - 1e-12


def test_of_two_quads_on_one_card_the_surer_is_kept():
    card, other = rectangle(0, 0, 90, 50), rectangle(3, 2, 90, 50)
    assert ranking.distinct([other, card], [0.5, 0.8]) == [1]


def test_quads_apart_are_all_kept_the_surest_first():
    apart = [rectangle(100 * place, 0, 90, 50) for place in range(3)]
    assert ranking.distinct(apart, [0.4, 0.9, 0.6]) == [1, 2, 0]


def test_a_quad_that_two_others_agree_with_beats_a_slightly_surer_one_that_stands_alone():
    halves = rectangle(0, 0, 90, 50), rectangle(1, 0, 90, 50), rectangle(0, 0, 45, 50)
    assert ranking.distinct(list(halves), [0.6, 0.6, 0.65]) == [0]
    assert ranking.distinct(list(halves), [0.6, 0.6, 0.95]) == [2]


def test_of_two_quads_much_alike_the_one_with_clearer_edges_is_kept():
    card, other = rectangle(0, 0, 90, 50), rectangle(3, 2, 90, 50)
    assert ranking.distinct([other, card], [0.7, 0.6], [1.0, 1.0]) == [0]
    assert ranking.distinct([other, card], [0.7, 0.6], [0.2, 0.5]) == [1]
    assert ranking.distinct([other, card], [0.9, 0.3], [0.2, 0.5]) == [0]


def test_edges_say_nothing_of_quads_apart():
    apart = [rectangle(100 * place, 0, 90, 50) for place in range(3)]
    assert ranking.distinct(apart, [0.4, 0.9, 0.6], [0.9, 0.1, 0.5]) == [1, 2, 0]


CARD, PRINT = rectangle(0, 0, 90, 50), rectangle(60, 10, 20, 25)


@pytest.mark.parametrize("merit", [0.3, 0.6, 0.89])
def test_what_lies_within_a_card_is_printed_on_it(merit):
    assert ranking.distinct([PRINT, CARD], [merit, 0.6]) == [1]


def test_a_quad_that_reaches_a_little_over_the_card_still_lies_within():
    assert ranking.distinct([rectangle(73, 10, 20, 25), CARD], [0.5, 0.6]) == [1]
    assert ranking.distinct([rectangle(75, 10, 20, 25), CARD], [0.5, 0.6]) == [1, 0]


def test_a_much_surer_quad_lies_on_what_surrounds_it():
    assert ranking.distinct([PRINT, CARD], [0.91, 0.6]) == [0, 1]


def test_two_within_one_may_be_cards_on_a_sheet():
    other = rectangle(10, 10, 20, 25)
    assert ranking.distinct([PRINT, CARD, other], [0.5, 0.6, 0.4]) == [1, 0, 2]


def cut_in_two(overlap):
    """A card's two parts, which overlap by a share of its width, and the card."""
    edge = 90 * (0.6 + overlap)
    return [rectangle(0, 0, edge, 50), rectangle(54, 0, 36, 50), rectangle(0, 0, 90, 50)]


def test_two_parts_of_a_card_that_overlap_give_way_to_the_card():
    assert ranking.distinct(cut_in_two(0.1), [0.7, 0.6, 0.3]) == [2]


def test_two_cards_side_by_side_stay_though_a_third_quad_holds_both():
    assert ranking.distinct(cut_in_two(0.0), [0.7, 0.6, 0.3]) == [0, 1]


def test_two_cards_that_overlap_stay_though_a_third_quad_holds_both():
    across, beside, third = cut_in_two(0.1)
    assert ranking.distinct([across, beside * [1, 0.96], third], [0.7, 0.6, 0.3]) == [0, 1]


def test_a_part_that_reaches_out_of_the_third_quad_is_a_card():
    across, beside, third = cut_in_two(0.1)
    assert ranking.distinct([across + [[0, -4]], beside, third], [0.7, 0.6, 0.3]) == [0, 1]


def test_a_card_beside_the_parts_stays():
    beside = rectangle(0, 60, 90, 50)
    assert ranking.distinct([*cut_in_two(0.1), beside], [0.7, 0.6, 0.3, 0.5]) == [3, 2]


def test_no_quads_are_none():
    assert ranking.distinct([], []) == []


def test_two_parts_stay_where_the_whole_overlaps_another_card():
    beside = rectangle(0, 32, 90, 50)  # an IoU of .22 with the whole, below .2 with each part
    assert ranking.distinct([*cut_in_two(0.1), beside], [0.7, 0.6, 0.3, 0.5]) == [0, 1, 3]
