"""A frame given five times gives five answers of the same bits, whatever came between."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meishi.coreml.runtime import Package
from meishi.geometry.fitting.lines import quad_from_mask
from meishi.litert import running as litert
from meishi.params import load_params
from meishi.preview.tracking import Tracker
from tests.small_models import small_networks, write_small_models

ROOT = Path(__file__).resolve().parents[2]
TIMES = 5


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    params = load_params("capture", path=ROOT / "params.yaml").capture
    # Untrained networks are sure of nothing.
    write_small_models(small_networks(), folder, replace(params, score_threshold=0.0))
    return folder


def frame(seed):
    return np.random.default_rng(seed).integers(0, 255, (90, 120, 3), dtype=np.uint8)


def answer(capture, image):
    """Return the bits of boxes, scores, masks, quads fitted to them, and captured cards."""
    boxes, scores = capture.detect(image)
    masks = [capture.segment(image, box)[0] for box in boxes]
    fits = [quad_from_mask((mask > np.median(mask)).astype(np.float32)) for mask in masks]
    found = [fit.quad for fit in fits if fit is not None]
    assert len(boxes) > 0 and found and np.ptp(masks[0]) > 0  # there is something to compare
    cards = capture(image)
    parts = [boxes, scores, *masks, *found, *(card.quad_px for card in cards)]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_frame_given_five_times_gives_five_bit_equal_answers(models, threads):
    capture = litert.load_capture(models, threads)
    answers = {answer(capture, frame(1)) for _ in range(TIMES)}
    assert len(answers) == 1
    assert answer(capture, frame(2)) not in answers


def test_threads_change_nothing(models):
    answers = {answer(litert.load_capture(models, threads), frame(1)) for threads in (1, 2, 3)}
    assert len(answers) == 1


def test_frames_between_leave_no_trace(models):
    capture = litert.load_capture(models)
    answers = set()
    for number in range(TIMES):
        answers.add(answer(capture, frame(1)))
        answer(capture, frame(10 + number))
    assert len(answers) == 1


def test_models_loaded_five_times_answer_alike(models):
    assert len({answer(litert.load_capture(models), frame(1)) for _ in range(TIMES)}) == 1


def test_the_tracks_of_five_equal_frames_do_not_move(models):
    capture, tracker = litert.load_capture(models), Tracker()
    box = capture.detect(frame(1))[0][0]
    shown = []
    for _ in range(TIMES + 2):
        mask, _ = capture.segment(frame(1), box)
        fit = quad_from_mask((mask > np.median(mask)).astype(np.float32))
        shown.append(tracker.update([fit.quad], [1.0], 1 / 30))
    places = {cards[0].quad_px.tobytes() for cards in shown[2:]}
    assert len(places) == 1


@pytest.mark.parametrize(
    "name",
    ["CardDetector", "CardDetectorRaw", "CardDirection", "CardFlatSegmenter", "CardSegmenter"],
)
def test_a_package_gives_a_frame_five_bit_equal_answers(name):
    path = ROOT / "models" / "coreml" / f"{name}.mlpackage"
    if not path.is_dir():
        pytest.skip("models/coreml is not here: dvc checkout")
    package = Package.load(path)
    side = package.features["image"].shape[0]

    def bits(seed):
        image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
        found = package.predict({"image": image})
        return b"".join(np.ascontiguousarray(found[key]).tobytes() for key in package.outputs)

    answers = set()
    for number in range(TIMES):
        answers.add(bits(1))
        bits(10 + number)
    assert len(answers) == 1
