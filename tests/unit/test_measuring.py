"""What a measured set of scenes is reduced to for plots."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi import rules
from meishi.capture.card import CapturedCard
from meishi.capture.flow import CardCapture
from meishi.coreml.examples import spread
from meishi.data.records import Card, Record
from meishi.data.shards import ShardReader, write_shards
from meishi.errors import InputError
from meishi.evaluation.detection import Detections
from meishi.files.atomic import replace_folder
from meishi.measuring.outcome import Outcome, choose_pictures, measure, scene_score
from meishi.params import CaptureParams, ConfidenceParams
from tests import tiny_data

BOX = np.array([[0.2, 0.2, 0.6, 0.6]])
PARAMS = CaptureParams(0.1, 0.6, 12, 4, 0.2, (), 3.5, 0.8, ConfidenceParams(2.0, 0.2, 1.2, -0.8))
QUAD = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]])


@pytest.fixture
def outcome():
    """Two scenes of one card: one found exactly, one missed."""
    card = Card(QUAD, "design")
    record = Record("scene", "0.zip", "scene.jpg", "0" * 64, 100, 100, (card,), (), {})
    exact = CapturedCard(0.9, 0.9, QUAD * 100 - 0.5, BOX[0])
    made = Outcome()
    for cards in ([exact], []):
        made.records.append(record)
        made.cards.append(cards)
        made.detections.append(Detections(BOX[: len(cards)], np.array([0.9] * len(cards))))
    return made


@pytest.mark.parametrize(
    ("known", "part"),
    [
        (rules.SSD_FIGURES, "detection"),
        (rules.UNET_FIGURES, "segmentation"),
        (rules.FLAT_FIGURES, "capture"),
        (rules.DIRECTION_FIGURES, "direction"),
    ],
)
def test_the_figures_that_a_rule_may_name_are_those_that_are_measured(outcome, known, part):
    outcome.mask_ious.append(0.5)
    outcome.own_quads["scene"] = QUAD[None]
    found = outcome.metrics(PARAMS)
    measured = {f"{name}.{key}" for name in (part, "capture") for key in found[name]}
    assert set(known) == measured


def test_a_missed_card_counts_in_the_lowest_bin(outcome):
    ious, _ = outcome.histograms()
    counts = [row["cards"] for row in ious]
    assert (counts[0], counts[-1], sum(counts)) == (1, 1, 2)


def test_captures_are_measured_as_boxes_too(outcome):
    figures = outcome.captured_boxes()
    assert set(figures) == {"ap50", "ap75", "ap50_95"}
    assert list(figures.values()) == [pytest.approx(51 / 101)] * 3  # one of two cards, exactly


def test_corner_errors_are_those_of_found_cards(outcome):
    _, errors = outcome.histograms()
    assert [row["cards"] for row in errors][0] == 1 == sum(row["cards"] for row in errors)


def test_the_last_bin_of_corner_errors_takes_the_larger_ones(outcome):
    quad_px = QUAD * 100 - 0.5
    outcome.cards[0][0] = replace(outcome.cards[0][0], quad_px=quad_px)
    wide = quad_px + [[0, 0], [38, 0], [38, 0], [0, 0]]  # an IoU of 40 / 78, an error of 34 %
    outcome.cards[1] = [replace(outcome.cards[0][0], quad_px=wide)]
    _, errors = outcome.histograms()
    assert (errors[0]["cards"], errors[-1]["cards"]) == (1, 1)


def test_a_thousand_wrong_boxes_of_one_score_make_no_thousand_rows(outcome):
    many = Detections(np.tile(BOX + 0.35, (1000, 1)), np.linspace(0.3, 0.2, 1000))
    outcome.detections[1] = many
    curve = outcome.precision_recall()
    assert len(curve) < 600
    assert curve[0] == {"recall": 0.0, "precision": 1.0, "score": 1.0}
    assert [row["recall"] for row in curve] == sorted(row["recall"] for row in curve)


def test_pictures_show_each_scene_once_the_worst_first(outcome):
    assert choose_pictures(outcome, 2) == {1: "worst", 0: "sample"}
    assert choose_pictures(outcome, 8) == {1: "worst", 0: "worst"}
    assert list(choose_pictures(outcome, 1).values()) == ["sample"]


def test_a_sample_reaches_over_all_scenes(outcome):
    for _ in range(49):
        outcome.records += outcome.records[:2]
        outcome.cards += outcome.cards[:2]
    chosen = choose_pictures(outcome, 24)
    kinds = list(chosen.values())
    assert (kinds.count("worst"), kinds.count("best"), kinds.count("sample")) == (12, 6, 6)
    assert max(index for index, kind in chosen.items() if kind == "sample") > 90


def test_the_best_are_scenes_with_cards(outcome):
    empty = Record("empty", "0.zip", "empty.jpg", "0" * 64, 100, 100, (), (), {})
    outcome.records += [outcome.records[0], *[empty] * 6]
    outcome.cards += [[]] * 7  # another missed card, six scenes that are rightly empty
    assert [i for i, kind in choose_pictures(outcome, 4).items() if kind == "best"] == [0]


def test_a_false_card_makes_a_scene_worse(outcome):
    [card], truths = outcome.cards[0], outcome.gt_quads_px()[0]
    assert scene_score([card, card], truths) == pytest.approx(scene_score([card], truths) - 1)


def test_counts_are_those_of_captured_cards_not_of_proposals(outcome):
    outcome.mask_ious = [0.9]
    figures = outcome.metrics(replace(PARAMS, score_threshold=0.15))
    assert "exact_count" in figures["capture"]
    assert set(figures["detection"]) == {"ap50", "ap75", "ap50_95", "recall"}


@given(st.integers(1, 500), st.integers(1, 600))
def test_scenes_are_spread_over_the_split(total, count):
    picks = spread(total, count)
    assert len(picks) == len(set(picks)) == min(total, count)
    assert picks == sorted(picks) and picks[0] == 0 and picks[-1] <= total - 1
    if len(picks) > 1:
        assert picks[-1] == total - 1
        assert np.ptp(np.diff(picks)) <= 1


@pytest.fixture
def split(tmp_path):
    with replace_folder(tmp_path / "test") as folder:
        write_shards(folder, tiny_data.scenes(groups=2))
    return ShardReader(tmp_path / "test")


class Networks:
    """Stand-ins that find the frame itself, and count how often they are asked."""

    def __init__(self):
        self.frames = self.crops = self.views = 0
        self.capture = CardCapture(
            self.detect, self.segment, 32, 32, 0.2, PARAMS, classifier=self.read, view_px=32
        )

    def detect(self, image):
        self.frames += 1
        return {"coordinates": np.array([[0.5, 0.5, 0.6, 0.4]]), "confidence": np.array([[0.9]])}

    def segment(self, image):
        self.crops += 1
        mask = np.zeros((32, 32, 1), np.float32)
        mask[8:24, 6:26] = 1
        return {"mask": mask}

    def read(self, image):
        self.views += 1
        return {
            "start": np.array([0.9, 0.0, 0.1, 0.0, 0.0])
        }  # of every view, so that it is in doubt


def test_some_scenes_are_spread_over_all(split):
    networks = Networks()
    whole = measure(networks.capture, split, {})
    some = measure(networks.capture, split, {}, scenes=3)
    picks = spread(len(split), 3)
    assert [record.id for record in some.records] == [whole.records[i].id for i in picks]
    found, wanted = some.found_quads_px(), whole.found_quads_px()
    for quads, pick in zip(found, picks, strict=True):
        assert np.array_equal(quads, wanted[pick])
    assert some.metrics(PARAMS) != whole.metrics(PARAMS)


def test_a_picture_is_shown_to_the_detector_once(split):
    networks = Networks()
    measure(networks.capture, split, {})
    assert networks.frames == len(split)


def own_quads(split):
    return {record.id: record.quads for record in split.records}


LACKING = {
    "ssd": ("segmentation", "direction"),
    "unet": ("detection", "direction"),
    "flat": ("detection", "segmentation", "direction"),
    "direction": ("detection", "segmentation"),
}


def test_scenes_without_cards_measure_nothing_and_are_refused(tmp_path):
    with replace_folder(tmp_path / "test") as folder:
        write_shards(folder, (tiny_data.draw_scene(number, 0, 0) for number in range(3)))
    networks = Networks()
    with pytest.raises(
        InputError, match="test: expected scenes with cards .* got 3 without; raise"
    ):
        measure(networks.capture, ShardReader(tmp_path / "test"), {})
    assert networks.frames == 0


def test_scenes_that_do_not_say_how_to_read_give_no_figure_of_it(split):
    elsewhere = {"another scene": np.stack([QUAD])}
    assert "direction" not in measure(Networks().capture, split, elsewhere).metrics(PARAMS)
    [empty] = [record for record in split.records if not record.cards][:1]
    own = {empty.id: empty.quads}  # of a scene that shows nothing to read
    assert "direction" not in measure(Networks().capture, split, own).metrics(PARAMS)


@pytest.mark.parametrize(("only", "lacking"), LACKING.items())
def test_a_variant_of_one_network_has_no_figures_of_the_others(split, only, lacking):
    everything = measure(Networks().capture, split, own_quads(split)).metrics(PARAMS)
    found = measure(Networks().capture, split, own_quads(split), only).metrics(PARAMS)
    assert found == {key: value for key, value in everything.items() if key not in lacking}
    assert set(lacking) < set(everything)


def test_the_classifier_has_its_say_whatever_is_measured(split):
    networks = Networks()
    measure(networks.capture, split, own_quads(split), "ssd")
    assert networks.views == 4 * len(split)


def test_scenes_that_do_not_say_how_they_read_count_in_no_direction(split):
    some = dict(list(own_quads(split).items())[:2])
    found = measure(Networks().capture, split, some).metrics(PARAMS)
    assert set(found["direction"]) == {"right", "sure", "right_of_sure"}
    assert "direction" not in measure(Networks().capture, split, {}).metrics(PARAMS)
