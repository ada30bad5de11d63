"""What make does with the remote, told by a dvc that only notes what it is asked."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POINTERS = ("data.dvc", "photos.dvc", "desks/desk.dvc", "photos/2026/desk.dvc")
DVC = """#!/bin/sh
echo "$*" >> asked
test "$*" != "remote default" || echo "$REMOTE"
test "$1" != pull || exit "$PULLED"
"""


@pytest.fixture
def make(tmp_path):
    """Run a target in a folder of its own; what it printed, its status, what dvc was asked."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml", *POINTERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "dvc").write_text(DVC)
    (programs / "dvc").chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()

    def run(target, remote, pulled=0):
        variables = [f"REMOTE={remote}", f"PULLED={pulled}"]
        command = ["env", *variables, "make", "--no-print-directory", target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        asked = (tmp_path / "asked").read_text().splitlines()
        return done.stdout, done.returncode, asked

    return run


def test_push_drops_from_the_store_in_git_what_the_commit_does_not_use(make):
    said, status, asked = make("push", "embedded")
    assert (said, status) == ("", 0)
    assert asked[-1] == "gc --workspace --all-experiments --cloud --force"


@pytest.mark.parametrize(("target", "verb"), [("push", "push"), ("restore", "pull")])
def test_sources_models_and_the_sheet_are_stored_and_restored(make, target, verb):
    _, _, asked = make(target, "team")
    stored, sheet = [words.split() for words in asked if words.startswith(verb)]
    assert stored[0] == verb and {*POINTERS, "train_ssd", "ship"} <= set(stored)
    assert sheet == [verb, "plots/augmented.jpg"]


@pytest.mark.parametrize("remote", ["team", ""])
def test_push_drops_nothing_from_a_remote_that_others_use(make, remote):
    said, status, asked = make("push", remote)
    assert status == 0 and not [words for words in asked if words.startswith("gc")]
    assert said == f"Pushed to remote {remote}; nothing is dropped from it: others may use it.\n"


def test_what_the_remote_lacks_is_for_who_made_the_commit_to_push(make):
    said, status, _ = make("restore", "team", pulled=1)
    assert status == 2
    assert "not in remote team: whoever made this commit must push them" in said
    assert "If you changed data/ yourself: dvc add data." in said
