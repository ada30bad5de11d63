"""The scripts of the stages, started as DVC does, take no argument that they do not read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("script", "arguments", "accepted"),
    [
        ("augment", ["--help"], "nothing"),
        ("fetch", ["--help"], "nothing"),
        ("preprocess", ["again"], "nothing"),
        ("train_ssd", ["--foo"], "nothing"),
        ("train_unet", ["--foo"], "nothing or `train_flat` or `train_direction`"),
        ("convert", [], "`KEY` or `freeze` or `tune KEY`"),
        ("evaluate", ["foo"], "nothing or `speed` or `speed_photo` or `ship`"),
    ],
)
def test_a_script_refuses_what_it_does_not_read(script, arguments, accepted, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "stages" / f"{script}.py", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    got = f"`{arguments[0]}`" if arguments else "nothing"
    assert f"error: arguments: expected {accepted}, got {got}\n" in done.stderr
    assert list(tmp_path.iterdir()) == []
