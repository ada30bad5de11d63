"""The peer of the benchmark is what it says it is, and ratios are of rounds."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from meishi.benchmark import peer
from meishi.benchmark.peer import CAPTURE, LIVE, PEER, SSD, build_peer, compared
from meishi.cli import app
from meishi.coreml.freeze import freeze, graph_def
from meishi.profiling.cost import macs_by_kind

pytestmark = pytest.mark.tf


def test_the_peer_is_mobilenet_v2_ssdlite():
    model = build_peer()
    boxes, classes = (tuple(output.shape) for output in model.outputs)
    # 19 x 19 x 3 and 10, 5, 3, 2, 1 squared x 6: the 1917 anchors of ssd_mobilenet_v2_coco
    assert (boxes, classes) == ((None, 1917, 4), (None, 1917, 91))
    # Sandler et al. 2018, table 6: 4.3 M parameters, 0.8 G multiply-adds (at 320)
    assert 4.0e6 < model.count_params() < 5.0e6
    macs = macs_by_kind(graph_def(freeze(model, ["boxes", "classes"])))
    assert 0.6e9 < sum(macs.values()) < 0.9e9
    assert 0 < macs["depthwise"] < macs["dense"]


def test_the_ratio_is_the_median_of_the_rounds_not_of_all_runs():
    own = [[(1.0, 0.5)], [(10.0, 0.5)], [(2.0, 0.5)]]
    peer = [[(3.0, 2.0)], [(30.0, 2.0)], [(2.0, 1.0)]]  # ratios 3, 3, 1 and 4, 4, 2
    found = compared({PEER: peer, SSD: own, CAPTURE: own})
    assert found["ratios"] == {"wall_clock": 3.0, "cpu": 4.0}
    assert found[SSD]["p50_ms"] == 2.0 and found[PEER]["cpu_s"] == pytest.approx(5 / 3, abs=1e-5)


def test_the_command_times_a_round_of_each(monkeypatch):
    root = Path(__file__).resolve().parents[2]
    if not (root / "models/tflite").is_dir():
        pytest.skip("models/ is not here: dvc checkout")
    monkeypatch.chdir(root)
    monkeypatch.setattr(peer, "RUNS_A_ROUND", 1)
    monkeypatch.setattr(peer, "full_frames", lambda _: peer_frames())
    monkeypatch.setattr(peer, "ShardReader", lambda _: None)
    result = CliRunner().invoke(app, ["benchmark", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {PEER, SSD, CAPTURE, LIVE, "host", "rounds", "threads", "ratios"} == set(found)
    assert min(found["ratios"].values()) > 0


def peer_frames():
    return [np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)]
