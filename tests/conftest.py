"""What tests of several tiers share."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests import tiny_data

ROOT = Path(__file__).resolve().parents[1]

# A change is judged by its own faults: the same examples in every run. HYPOTHESIS_PROFILE=explore
# draws new ones, which is how to look for faults.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the repository's params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(workspace: Path) -> Path:
    """A small data/ in the working directory."""
    folder = workspace / "data"
    tiny_data.write_data(folder)
    return folder
