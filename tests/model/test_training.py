"""The training loop: order, resumption after a kill, determinism."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from meishi.training.loop import Plan

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import hashlib, sys
from pathlib import Path
import numpy as np
from meishi import images
from meishi.data.samples import SampleSet
from meishi.params import TrainUnetParams, UnetParams
from meishi.training import loop
from meishi.training.determinism import seed_everything
from meishi.unet.training import train_segmenter

seed_everything(5)
rng = np.random.default_rng(0)
pictures = [rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(24)]
jpegs = [images.encode(picture, ".jpg") for picture in pictures]
quad = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
samples = SampleSet(jpegs, [quad[None] + rng.uniform(-0.1, 0.1, 2) for _ in jpegs], "tiny")
unet = UnetParams(32, 0.2, (4, 8))
train = TrainUnetParams(EPOCHS, 4, 0.01, 0.0001, 3, 0.5, 25)
plan = loop.make_plan(samples, train, 5, Path(sys.argv[1]), unet)
model, history = train_segmenter(samples, unet, train, plan)
digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
print(digest, [row["step"] for row in history], [round(row["loss"], 9) for row in history])
""".replace("EPOCHS", "50")


def start(folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.strip()


def kill_after_a_checkpoint(folder):
    process = start(folder)
    while process.poll() is None and len(list(folder.rglob("*.index"))) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return process.returncode


def test_a_killed_run_resumes_to_the_same_weights_and_history(tmp_path):
    undisturbed = finished(start(tmp_path / "whole"))
    assert kill_after_a_checkpoint(tmp_path / "killed") == -signal.SIGKILL
    assert finished(start(tmp_path / "killed")) == undisturbed


def plan(**changes):
    values = {
        "samples": 10,
        "batch": 4,
        "epochs": 3,
        "seed": 1,
        "checkpoint_steps": 5,
        "folder": Path(),
    }
    return Plan(**(values | changes))


def test_every_epoch_shows_each_sample_once():
    order = plan(batch=5).order().reshape(3, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in order.tolist())
    assert order[0].tolist() != order[1].tolist()


def test_the_order_depends_on_the_seed_alone():
    np.testing.assert_array_equal(plan().order(), plan().order())
    assert plan().order().tolist() != plan(seed=2).order().tolist()


@pytest.mark.parametrize(
    ("samples", "batch", "epochs", "steps"), [(10, 4, 3, 7), (3, 4, 2, 1), (16, 16, 1, 1)]
)
def test_steps_are_whole_batches(samples, batch, epochs, steps):
    run = plan(samples=samples, batch=batch, epochs=epochs)
    assert run.steps == steps
    assert len(run.order()) == steps * batch
