"""The slices that a pull request's report shows: those in which captures moved most."""

import json

import pytest

from meishi.report import markdown
from meishi.report.markdown import MOVED, _slices


class Revision:
    """Stands in for a revision with metrics/slices.json, or without."""

    def __init__(self, name, ious, cards=40):
        self.name, self._ious, self._cards = name, ious, cards

    def text(self, path):
        return json.dumps(self._ious) if self._ious else None

    def metrics(self, name):
        return {key: {"cards": self._cards, "iou_mean": iou} for key, iou in self._ious.items()}


@pytest.fixture(autouse=True)
def same_scenes(monkeypatch):
    monkeypatch.setattr(markdown, "same_test_data", lambda head, base: True)


def rows(head, base):
    found = [line.split(" | ") for line in _slices(head, base).splitlines()]
    return [(cells[0].removeprefix("| "), cells[-1]) for cells in found if len(cells) == 5][1:]


def test_those_that_moved_most_come_first_and_those_that_did_not_are_left_out():
    base = Revision("main", {"a": 0.9, "b": 0.9, "c": 0.9, "gone": 0.1})
    head = Revision("new", {"a": 0.91, "b": 0.85, "c": 0.9002, "added": 0.9})
    assert rows(head, base) == [("b", "-0.050 |"), ("a", "+0.010 |")]


def test_small_slices_are_left_out():
    base, head = (Revision(str(iou), {"a": iou}, cards=29) for iou in (0.5, 0.9))
    assert _slices(head, base) == ""


def test_ten_are_shown_and_all_are_counted():
    base = Revision("main", {f"s{n}": 0.5 for n in range(14)})
    head = Revision("new", {f"s{n}": 0.5 + n / 100 for n in range(14)})
    assert len(rows(head, base)) == MOVED
    assert "moved most, of 13" in _slices(head, base)


@pytest.mark.parametrize("without", ["head", "base"])
def test_a_revision_without_slices_shows_none(without):
    full, empty = Revision("full", {"a": 0.9}), Revision("empty", {})
    assert (_slices(empty, full) if without == "head" else _slices(full, empty)) == ""


def test_slices_on_other_scenes_are_not_compared(monkeypatch):
    monkeypatch.setattr(markdown, "same_test_data", lambda head, base: False)
    assert _slices(Revision("new", {"a": 0.9}), Revision("main", {"a": 0.5})) == ""
