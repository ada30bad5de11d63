import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.evaluation.losses import LOWER_IS_BETTER, SHARES, figure, loss, losses

shares = st.floats(0, 1)
BEFORE = {"detection": {"ap50": 0.9}, "capture": {"iou_mean": 0.8, "corner_error_mean_pct": 2.0}}


def test_a_fall_is_a_loss_and_a_rise_a_gain():
    after = {"detection": {"ap50": 0.88}, "capture": {"iou_mean": 0.85}}
    assert loss(BEFORE, after, "detection.ap50") == pytest.approx(0.02)
    assert loss(BEFORE, after, "capture.iou_mean") == pytest.approx(-0.05)


def test_where_lower_is_better_a_rise_is_the_loss():
    after = {"capture": {"corner_error_mean_pct": 2.5}}
    assert loss(BEFORE, after, "capture.corner_error_mean_pct") == 0.5


@pytest.mark.parametrize(
    "after", [{}, {"detection": {}}, {"detection": 3}, {"detection": {"ap50": "x"}}]
)
def test_what_was_not_measured_is_no_loss(after):
    assert loss(BEFORE, after, "detection.ap50") is None
    assert "detection.ap50" not in losses(BEFORE, after)


def test_a_bool_is_no_figure():
    assert figure({"a": {"b": True}}, "a.b") is None


@given(shares, shares)
def test_a_loss_there_and_back_is_none(one, other):
    for path in (*SHARES, *LOWER_IS_BETTER):
        part, key = path.split(".")
        a, b = {part: {key: one}}, {part: {key: other}}
        assert loss(a, b, path) == pytest.approx(-loss(b, a, path))
        assert loss(a, a, path) == 0


def test_the_headline_shares_are_those_that_both_have():
    after = {"detection": {"ap50": 0.9, "ap50_95": 0.5}, "capture": {"iou_mean": 0.7}}
    assert losses(BEFORE, after) == pytest.approx({"detection.ap50": 0, "capture.iou_mean": 0.1})
