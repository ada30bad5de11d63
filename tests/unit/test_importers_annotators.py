"""When people who labelled one picture of Label Studio differ: over cards, and nothing else."""

import copy

import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, SHARES, card_px, refusal, scenes
from tests.unit.test_importers_label_studio import REGION, export, keypoints

HAND = {**REGION, "id": "h", "value": {**REGION["value"], "polygonlabels": ["hand"]}}
BESIDE = {"id": "r1", "type": "labels", "value": {"labels": ["card"]}}
PLAIN = {"points": REGION["value"]["points"], "closed": True}
WHOLE = [[25, 25], [75, 25], [75, 75], [25, 75]]


def both(first, second):
    def change(task):
        task["annotations"] = [{"result": copy.deepcopy(first)}, {"result": copy.deepcopy(second)}]

    return change


def polygon(points, **more):
    return {**REGION, "value": {**REGION["value"], "points": points, **more}}


@pytest.mark.parametrize(
    "second",
    [
        [REGION, {"type": "choices", "value": {"choices": ["sharp"]}}],
        [REGION, HAND],
        [REGION, {**HAND, "type": "ellipselabels", "value": {"ellipselabels": ["hand"]}}],
        [{**REGION, "type": "polygon", "value": PLAIN}, BESIDE],
        [{**REGION, "id": "other", "meta": {"text": ["?"]}}],
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_what_is_no_card_makes_nobody_differ(tmp_path, second, turn):
    change = both(*[[REGION], second][::turn])
    assert np.allclose(card_px(export(tmp_path, change), "label_studio", ["card"]), QUAD_PX)


def test_a_number_may_be_written_with_a_decimal_point(tmp_path):
    points = [[float(x), float(y)] for x, y in WHOLE]
    folder = export(tmp_path, both([polygon(WHOLE)], [polygon(points)]))
    assert len(scenes(folder, "label_studio")[0].cards) == 1


def test_keypoints_may_be_set_in_any_order(tmp_path):
    tasks = [{"annotations": [{}]} for _ in range(2)]
    for task, order in zip(tasks, ([0, 1, 2, 3], [2, 0, 3, 1]), strict=True):
        keypoints((SHARES * 100)[order].tolist())(task)
    change = both(*(task["annotations"][0]["result"] for task in tasks))
    assert np.allclose(card_px(export(tmp_path, change), "label_studio"), QUAD_PX)


@pytest.mark.parametrize("second", [[], [HAND], [polygon(WHOLE)], [REGION, polygon(WHOLE)]])
def test_who_sees_other_cards_differs(tmp_path, second):
    message = refusal(export(tmp_path, both([REGION], second)), "label_studio", ["card"])
    assert "task[0] (/data/upload/3/0a1b2c3d-a.jpg): 2 annotations that differ; keep" in message
    assert len(message.splitlines()) == 1


def test_who_agrees_counts_once(tmp_path):
    tally = Tally()
    folder = export(tmp_path, both([REGION, HAND], [HAND, REGION]))
    scenes(folder, "label_studio", ["card"], tally)
    assert tally.labels == {"card": 1} and tally.ignored_labels == {"hand": 1}
