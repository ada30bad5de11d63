"""A git repository with our metrics, for tests that compare revisions."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

TEST_DATA = "build/prepared/test"


def start(folder: Path) -> None:
    """Make `folder` a repository that holds our metrics, curves and params."""
    git(folder, "init", "-q", "-b", "main")
    shutil.copytree(ROOT / "metrics", folder / "metrics")
    (folder / "plots").mkdir()
    for file in (ROOT / "plots").glob("*.csv"):
        shutil.copy(file, folder / "plots")
    lock(folder, "scenes of the first day")
    commit(folder)


def lock(folder: Path, test_data: str) -> None:
    """Record which scenes `evaluate` measured on."""
    content = {"stages": {"evaluate": {"deps": [{"path": TEST_DATA, "md5": test_data}]}}}
    (folder / "dvc.lock").write_text(json.dumps(content))


def change(folder: Path, file: str, path: str, value: Any) -> None:
    """Set a metric in the working directory."""
    target = folder / "metrics" / f"{file}.json"
    content = json.loads(target.read_text())
    *parents, last = path.split(".")
    inner = content
    for key in parents:
        inner = inner[key]
    inner[last] = value
    target.write_text(json.dumps(content))


def commit(folder: Path) -> str:
    """Commit everything; return the hash."""
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "t")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
