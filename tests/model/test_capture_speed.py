"""The whole capture timed in both runtimes: structure and agreement, never a speed."""

from pathlib import Path

import numpy as np
import pytest

from meishi.benchmark import capture_speed
from meishi.litert.running import load_capture
from meishi.profiling.latency import frozen_session

pytestmark = pytest.mark.tf
MODELS = Path(__file__).resolve().parents[2] / "models"


def frames(*sizes):
    rng = np.random.default_rng(2)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]


@pytest.fixture
def models():
    if not (MODELS / "tflite").is_dir():
        pytest.skip("models/ is not here: dvc checkout")
    return MODELS


@pytest.mark.parametrize("live", [False, True])
def test_both_runtimes_are_timed_on_the_same_frames(models, live):
    graphs = models / "frozen"
    found = capture_speed.measure_capture(models, graphs, frames((90, 120)), runs=3, live=live)
    assert (found["frames"], found["width_px"], found["height_px"]) == (1, 120, 90)
    for runtime in ("frozen_pb", "tflite"):
        for label in ("one_thread", "all_cores"):
            times = found[runtime][label]
            assert 0 < times["p50_ms"] <= times["p95_ms"] and times["cpu_s"] > 0


def test_the_two_runtimes_give_the_same_boxes(models):
    capture = load_capture(models)
    (frame,) = frames((capture.detector_px, capture.detector_px))
    before = frozen_session(models / "frozen" / "ssd.pb", 1)(frame)
    after = capture.detector(frame)
    assert set(before) == set(after)
    for name, value in after.items():
        np.testing.assert_allclose(before[name], value, atol=1e-4)


def test_frames_are_taken_in_turn(monkeypatch):
    seen = []
    monkeypatch.setattr(
        capture_speed, "load_capture", lambda *_, **__: lambda frame: seen.append(frame)
    )
    run = capture_speed.load_litert_capture(Path(), ["a", "b"], 1)
    for _ in range(3):
        run()
    assert seen == ["a", "b", "a"]


@pytest.mark.parametrize(("live", "expected"), [(False, "photo"), (True, "preview")])
def test_the_way_of_a_preview_is_timed_where_it_is_asked_for(monkeypatch, live, expected):
    class Capture:
        def __call__(self, frame):
            return "photo"

        def live(self):
            return lambda frame: "preview"

    monkeypatch.setattr(capture_speed, "load_capture", lambda *_, **__: Capture())
    assert capture_speed.load_litert_capture(Path(), ["a"], 1, live)() == expected


def test_nothing_to_time_is_refused(models):
    with pytest.raises(ValueError, match="got 0 and 5"):
        capture_speed.measure_capture(models, models / "frozen", [], runs=5)
