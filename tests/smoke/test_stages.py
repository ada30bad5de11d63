"""Every stage, in the pipeline's order, on a few small scenes with the smallest settings."""

import importlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.clone.reproduce import read_documents, read_stages
from meishi.steps import running
from tests import tiny_data

pytestmark = [pytest.mark.smoke, pytest.mark.tf]

ROOT = Path(__file__).resolve().parents[2]
# One of each kind of file.
KEPT = ("ssd_fp16", "ssd_palette4", "unet_fp16", "unet_network", "flat_fp16", "direction_fp16")
STAGES = {
    name: stage
    for name, stage in read_stages(ROOT / "dvc.yaml").items()
    if "@" not in name or name.split("@")[1] in KEPT
}
COMMANDS = read_documents(ROOT / "dvc.yaml")
SMALL = {
    "fetch": {
        "sources": [{"name": "tiny", "path": "data"}],
        "without_cards": [],
        "weights": "data/weights/efficientnet_lite0.npz",
        "direction_weights": "data/weights/efficientnet_lite0.npz",
    },
    "augment": {"frames_per_scene": 2, "crops_per_card": 2, "workers": 1},
    "train_ssd": {"pretrained": False, "epochs": 1, "batch": 4, "warmup_steps": 1},
    "train_unet": {"pretrained": False, "epochs": 1, "batch": 4, "warmup_steps": 1},
    "flat": {"views_per_card": 1},
    "train_flat": {"batch": 4, "warmup_steps": 1},
    "direction": {"sources": ["tiny"], "views_per_card": 1},
    "train_direction": {"pretrained": False, "epochs": 1, "batch": 4, "warmup_steps": 1},
    "convert": {"parity_images": 2},
    "evaluate": {"overlays": 2, "latency_runs": 2},
}


def write_params(folder: Path, kept: tuple[str, ...] = KEPT) -> None:
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in SMALL.items():
        params[section].update(values)
    # Networks that have seen four pictures may lose anything, and ship.
    exports = {key: {**params["exports"][key], "tolerance": 10, "loss": 1} for key in kept}
    params["exports"] = exports
    params["tune"] = {
        name: {**entry, "steps": 2, "warmup_steps": 1} for name, entry in params["tune"].items()
    }
    for model in ("ssd", "unet", "flat", "direction"):
        for bound in params["ship"][model]:
            bound["loss"] = 1
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder in which every stage has run once."""
    folder = tmp_path_factory.mktemp("pipeline")
    write_params(folder)
    tiny_data.write_data(folder / "data")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name in STAGES:
            _, script, *arguments = COMMANDS[name]["cmd"].split()
            stage = importlib.import_module(script.removesuffix(".py").replace("/", "."))
            running.run_step_or(stage.main, getattr(stage, "STEPS", ()), arguments)
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize("name", list(STAGES))
def test_a_stage_writes_what_it_declares(run, name):
    for out in STAGES[name].outs:
        assert (run / out).exists()
        assert not (run / out).is_dir() or any((run / out).iterdir())


def test_nothing_else_is_written(run):
    declared = {run / out for stage in STAGES.values() for out in stage.outs}
    given = {run / "params.yaml", run / "data", run / "build" / "checkpoints"}
    for file in (path for path in run.rglob("*") if path.is_file()):
        assert {file, *file.parents} & (declared | given), file


def test_every_metric_is_a_finite_number(run):
    def check(value):
        for inner in value.values() if isinstance(value, dict) else value:
            if isinstance(inner, dict | list):
                check(inner)
            else:
                assert isinstance(inner, str) or math.isfinite(inner)

    files = list((run / "metrics").glob("*.json"))
    assert files
    for file in files:
        check(json.loads(file.read_text()))


def start(folder: Path, name: str) -> subprocess.CompletedProcess:
    """Run a stage as DVC does."""
    shutil.copytree(ROOT / "stages", folder / "stages", dirs_exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, f"stages/{name}.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_bad_data_ends_fetch_with_its_faults_and_leaves_the_output(data, workspace):
    write_params(workspace)
    assert start(workspace, "fetch").returncode == 0
    before = sorted(path.name for path in (workspace / "build" / "raw").iterdir())
    (data / "scenes-000.zip").write_bytes(b"half")
    done = start(workspace, "fetch")
    assert done.returncode == 1
    assert "data/scenes-000.zip: wrong sha256" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (workspace / "build" / "raw").iterdir()) == before
    left = sorted(path.name for path in (workspace / "build").iterdir())
    assert left == sorted(Path(out).name for out in STAGES["fetch"].outs)


@pytest.mark.parametrize("name", ["fetch", "preprocess"])
def test_a_misspelt_parameter_ends_a_stage_with_a_hint(workspace, name):
    file = workspace / "params.yaml"
    file.write_text(file.read_text().replace("max_side_px", "max_side_xp"))
    done = start(workspace, name)
    assert done.returncode == 1
    assert "[preprocess]: unknown key 'max_side_xp' (did you mean 'max_side_px'?)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_stage_leaves_the_old_output_and_no_process(data, workspace):
    write_params(workspace)
    for name in ("fetch", "preprocess", "augment"):
        assert start(workspace, name).returncode == 0
    output = workspace / "build" / "augmented"
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    partial = workspace / "build" / ".augmented.partial"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "stages/augment.py"]
    stage = subprocess.Popen(
        command, cwd=workspace, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    while not any(partial.glob("*.zip")):
        assert stage.poll() is None, "the stage ended before it wrote anything"
        time.sleep(0.01)
    stage.kill()
    # The workers hold the other end of this pipe: it closes when the last of them has ended.
    stage.communicate(timeout=60)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert start(workspace, "augment").returncode == 0
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert not partial.exists()


def test_a_stage_without_its_input_says_what_is_missing(workspace):
    done = start(workspace, "preprocess")
    assert done.returncode == 1
    assert "build/seen.txt: No such file or directory; run the stage fetch" in done.stderr
