"""What the packages of the detector tell an app of thresholds, and the classifier of corners."""

from dataclasses import replace

import pytest

from meishi.coreml import export
from meishi.coreml.package import read_spec
from meishi.geometry import quads
from meishi.geometry.directions import ANSWERS, NO_CARD
from meishi.params import load_params
from meishi.ssd import model
from meishi.variants import Variant
from tests.small_models import SSD

pytestmark = pytest.mark.tf
PLAIN = Variant("ssd", "ssd", "mlprogram", "iOS15", "fp16", 0.0, 0.0, "fp16")


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """Export a small detector with thresholds unlike each other; returns both specifications."""
    folder = tmp_path_factory.mktemp("exported")
    params = load_params("convert", "capture")
    capture = replace(params.capture, score_threshold=0.15, iou_threshold=0.35, candidates=7)
    detector = model.build_detector(SSD, model.build_trainer(SSD))
    export.export_detector(detector, PLAIN, folder, params.convert, capture)
    return {path.stem: read_spec(path)[0] for path in folder.iterdir()}


@pytest.mark.parametrize("name", [export.DETECTOR, export.RAW_DETECTOR])
def test_a_detector_tells_the_thresholds_of_capture(specs, name):
    told = dict(specs[name].description.metadata.userDefined)
    expected = {"confidence_threshold": "0.15", "iou_threshold": "0.35", "max_boxes": "7"}
    assert told.items() >= expected.items()


def test_the_suppression_begins_with_the_thresholds_of_capture(specs):
    nms = specs[export.DETECTOR].pipeline.models[1].nonMaximumSuppression
    assert (nms.confidenceThreshold, nms.iouThreshold) == (0.15, 0.35)


def test_the_answers_of_the_classifier_are_named_as_the_corners_go_and_none_at_last():
    named = [f"{'bottom' if y else 'top'} {'right' if x else 'left'}" for x, y in quads.FRAME]
    assert [*named, "none"] == export.STARTS
    assert (len(export.STARTS), export.STARTS[NO_CARD]) == (ANSWERS, "none")
