"""The table of targets: which level a figure keeps to."""

import pytest

from meishi.errors import InputError
from meishi.report.targets import Target, figures, worst_slice

LEVELS = ((0.8, 0.5), (0.9, 0.6), (0.95, 0.7))


class Metrics:
    """Stands in for the metrics of a revision."""

    def __init__(self, **files):
        self.files = files

    def metrics(self, name):
        return self.files[name]


@pytest.mark.parametrize(
    ("reached", "level"),
    [
        ((0.8, 0.5), "floor"),
        ((0.8, 0.49), "not the floor"),
        ((0.99, 0.55), "floor"),
        ((0.9, 0.6), "goal"),
        ((0.99, 0.99), "beyond"),
    ],
)
def test_a_row_names_the_highest_level_that_every_number_keeps_to(reached, level):
    row = Target("both", LEVELS, lambda _: reached, ".2f").row(Metrics())
    assert row.endswith(f"| {level} |  |")
    assert row.startswith("| both | 0.80 / 0.50 | 0.90 / 0.60 | 0.95 / 0.70 | ")


def test_levels_that_are_not_asked_for_stay_open():
    row = Target("x", ((0.97,),), lambda _: (0.98,), ".2f").row(Metrics())
    assert row == "| x | 0.97 |  |  | 0.98 | floor |  |"


def test_of_errors_and_sizes_less_is_better():
    levels = ((2.0,), (1.0,), (0.5,))
    rows = [
        Target("x", levels, lambda _, v=v: (v,), ".1f", True).row(None) for v in (2.1, 1.5, 0.1)
    ]
    assert [row.split(" | ")[-2] for row in rows] == ["not the floor", "floor", "beyond"]


def test_figures_are_read_by_their_paths():
    metrics = Metrics(evaluate={"capture": {"iou_mean": 0.5, "iou_p05": 0.25}})
    assert figures("capture.iou_mean", "capture.iou_p05")(metrics) == (0.5, 0.25)


def test_small_slices_are_not_the_worst():
    slices = {
        "a": {"cards": 400, "iou_mean": 0.9},
        "b": {"cards": 30, "iou_mean": 0.8},
        "c": {"cards": 29, "iou_mean": 0.1},
    }
    assert worst_slice(Metrics(slices=slices)) == (0.8,)


SLICES = {
    "a": {"cards": 400, "empty_scenes": 2, "iou_mean": 0.9, "corner": 1.0, "empty_false": 1.0},
    "b": {"cards": 30, "empty_scenes": 40, "iou_mean": 0.8, "corner": 3.0, "empty_false": 0.1},
    "c": {"cards": 29, "empty_scenes": 30, "iou_mean": 0.1, "corner": 9.0, "empty_false": 0.2},
}


@pytest.mark.parametrize(
    ("figure", "lower", "told"),
    [
        ("iou_mean", False, "0.80 (b)"),  # c has too few cards
        ("corner", True, "3.00 (b)"),
        ("empty_false", True, "0.20 (c)"),  # a has too few empty scenes
    ],
)
def test_a_row_names_its_worst_slice(figure, lower, told):
    target = Target("x", ((0.5,),), lambda _: (0.7,), ".2f", lower, (figure,))
    assert target.row(Metrics(slices=SLICES)).endswith(f" | {told} |")


def test_without_a_large_slice_none_is_the_worst():
    target = Target("x", ((0.5,),), lambda _: (0.7,), ".2f", sliced=("iou_mean",))
    small = {"c": SLICES["c"]}
    assert target.row(Metrics(slices=small)).endswith("| floor |  |")


def test_without_a_slice_of_cards_enough_the_worst_is_none():
    metrics = Metrics(slices={"kind=card": {"cards": 29, "empty_scenes": 0, "iou_mean": 0.9}})
    metrics.name = "this one"
    with pytest.raises(InputError, match="slices.json of this one: no slice has 30 cards"):
        worst_slice(metrics)
