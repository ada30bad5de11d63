"""The training loop: order, resumption after a kill, determinism."""

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meishi.data.samples import SampleSet
from meishi.errors import InputError
from meishi.keras import tf
from meishi.training import loop
from meishi.training.loop import Plan, Watched, make_plan
from tests.small_models import TRAIN_UNET

ROOT = Path(__file__).resolve().parents[2]
# `changes` of a training's params may be the third argument, as JSON.
COMMON = """
import hashlib, json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from meishi.pictures import images
from meishi.data.samples import SampleSet
from meishi.training import loop
from meishi.training.determinism import seed_everything

seed_everything(5)
rng = np.random.default_rng(0)
side = int(sys.argv[2])
changes = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
pictures = [rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for _ in range(24)]
jpegs = [images.encode(picture, ".jpg") for picture in pictures]
quad = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
samples = SampleSet(jpegs, [quad[None] + rng.uniform(-0.1, 0.1, 2) for _ in jpegs], "tiny")
"""
UNET = """
from tests.small_models import TRAIN_UNET
from meishi.params import UnetParams
from meishi.unet.training import train_segmenter
unet = UnetParams(32, 0.2, 2, 8)
train = replace(replace(TRAIN_UNET, epochs=20, checkpoint_steps=40), **changes)
plan = loop.make_plan(samples, train, 5, Path(sys.argv[1]), unet)
model, history = train_segmenter(samples, unet, train, plan, Path())
"""
SSD = """
from tests.small_models import SSD as ssd, TRAIN_SSD, backbone_arrays
from meishi.ssd.model import build_trainer
from meishi.ssd.training import train_detector
weights = Path(sys.argv[1] + ".npz")
np.savez(weights, **backbone_arrays(build_trainer(ssd)))
seed_everything(5)
train = replace(
    TRAIN_SSD, pretrained=True, frozen_blocks=3, epochs=5, learning_rate=0.001, score_target="iou",
    checkpoint_steps=8,
)
train = replace(train, **changes)
plan = loop.make_plan(samples, train, 5, Path(sys.argv[1]), ssd)
model, history = train_detector(samples, ssd, train, plan, weights)
"""
TWO_RUNS = """
from meishi.params import UnetParams
from meishi.training.continuing import pack
from meishi.unet.model import build_trainer
from meishi.unet.training import train_segmenter
from tests.small_models import TRAIN_UNET, backbone_arrays
unet = UnetParams(32, 0.2, 2, 8)
begun = build_trainer(unet)
weights = Path(sys.argv[1] + ".npz")
np.savez(weights, **backbone_arrays(begun))
pack({"unet": begun}, weights, weights)
seed_everything(5)
train = replace(
    TRAIN_UNET, pretrained=True, continued=True, frozen_blocks=1, runs=2, epochs=8,
    checkpoint_steps=20,
)
train = replace(train, **changes)
plan = loop.make_plan(samples, train, 5, Path(sys.argv[1]), unet)
model, history = train_segmenter(samples, unet, train, plan, weights)
"""
DIRECTION = """
from meishi.direction.training import train_classifier
from meishi.params import DirectionParams
from meishi.train_params import TrainDirectionParams
from tests.small_models import TRAIN
direction = DirectionParams(("drawn",), 32, 0.5, 1, 0.0, 0.0, 90)
train = replace(TRAIN, epochs=30, checkpoint_steps=20)
train = TrainDirectionParams(**vars(train), pretrained=False, runs=1, label_smoothing=0.1)
train = replace(train, **changes)
plan = loop.make_plan(samples, train, 5, Path(sys.argv[1]), direction)
model, history = train_classifier(samples, direction, train, plan, Path())
"""
REPORT = """
digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
print(digest, [row["step"] for row in history], [round(row["loss"], 9) for row in history])
"""
each_network = pytest.mark.parametrize(
    ("network", "side"),
    [(UNET, 32), (SSD, 64), (TWO_RUNS, 32), (DIRECTION, 32)],
    ids=["unet", "ssd", "runs", "direction"],
)


def start(folder, network, side):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", COMMON + network + REPORT, str(folder), str(side)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.strip()


def kill_after_a_checkpoint(folder, network, side):
    process = start(folder, network, side)
    last = "run-1" if network == TWO_RUNS else "."
    while process.poll() is None and len(list(folder.glob(f"*/{last}/**/*.index"))) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return process.returncode


@each_network
def test_a_killed_run_resumes_to_the_same_weights_and_history(tmp_path, network, side):
    undisturbed = finished(start(tmp_path / "whole", network, side))
    assert kill_after_a_checkpoint(tmp_path / "killed", network, side) == -signal.SIGKILL
    assert finished(start(tmp_path / "killed", network, side)) == undisturbed


class NoRoom:
    """A checkpoint manager whose disk, or memory, is full, as TensorFlow says it."""

    def __init__(self, said):
        self.said = said

    def save(self, checkpoint_number):
        raise tf.errors.ResourceExhaustedError(None, None, self.said)


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ("a.index; No space left on device", OSError),
        ("OOM when allocating tensor", tf.errors.ResourceExhaustedError),
    ],
)
def test_a_full_disk_is_told_from_full_memory(tmp_path, said, raised):
    plan = Plan(4, 2, 1, 5, 1, tmp_path)
    with pytest.raises(raised) as caught:
        loop._save(NoRoom(said), tf.Variable(1), ([], []), plan)
    if raised is OSError:
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(tmp_path)


def test_samples_that_fill_no_batch_are_refused(tmp_path):
    samples = SampleSet([b"", b""], [], "two")
    with pytest.raises(InputError, match="2 samples make no batch of 4"):
        make_plan(samples, TRAIN_UNET, 5, tmp_path)


@pytest.mark.parametrize("change", ["seed", "samples", "parameter", "shape"])
def test_whatever_shapes_a_run_gives_it_other_checkpoints(tmp_path, change):
    def folder(changed):
        key = "other" if changed == "samples" else "key"
        train = replace(TRAIN_UNET, epochs=2 if changed == "parameter" else 1, batch=1)
        seed, shape = (6 if changed == "seed" else 5), (changed == "shape")
        return make_plan(SampleSet([b""], [], key), train, seed, tmp_path, shape).folder

    assert folder(change) != folder(None)


def test_changed_code_of_any_module_gives_a_run_other_checkpoints(tmp_path, monkeypatch):
    module = tmp_path / "meishi" / "ssd" / "loss.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(loop, "__file__", str(tmp_path / "meishi" / "training" / "loop.py"))
    folders = []
    for weight in (1, 2, 1):
        module.write_text(f"WEIGHT = {weight}\n")
        train = replace(TRAIN_UNET, batch=1)
        folders.append(make_plan(SampleSet([b""], [], "key"), train, 5, tmp_path).folder)
    assert folders[0] == folders[2] != folders[1]


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


def test_the_order_depends_on_the_seed_and_the_run_alone():
    np.testing.assert_array_equal(plan().order(), plan().order())
    others = [plan(seed=2), plan().of_run(1), plan().of_run(2)]
    orders = [other.order().tolist() for other in (plan(), *others)]
    assert len({tuple(order) for order in orders}) == len(orders)
    elsewhere = replace(plan(), checkpoint_steps=7, folder=Path("elsewhere"))
    np.testing.assert_array_equal(plan().of_run(1).order(), elsewhere.of_run(1).order())


@pytest.mark.parametrize(
    ("samples", "batch", "epochs", "steps"), [(10, 4, 3, 7), (3, 4, 2, 1), (16, 16, 1, 1)]
)
def test_steps_are_whole_batches(samples, batch, epochs, steps):
    run = plan(samples=samples, batch=batch, epochs=epochs)
    assert run.steps == steps
    assert len(run.order()) == steps * batch


class Clock:
    """A clock that batches and steps move on."""

    now_s = 100.0

    def perf_counter(self):
        return self.now_s


def test_the_share_of_time_spent_waiting_for_data_is_told(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    def batches():
        for waited_s in (50, 1, 1, 2):
            clock.now_s += waited_s
            yield waited_s

    watched = Watched(batches())
    assert watched.share == 0
    for _ in watched:
        clock.now_s += 4
    assert watched.share == pytest.approx(4 / 20)  # the first fills the pipeline
