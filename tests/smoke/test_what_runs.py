"""What a change makes DVC run again, on a toy with our dvc.yaml and params.yaml."""

import re

import pytest
from ruamel.yaml import YAML

from meishi.clone.reproduce import read_documents
from tests import toy_repository
from tests.conftest import ROOT

pytestmark = pytest.mark.smoke

PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = read_documents(ROOT / "dvc.yaml")
ENTRIES = ("exports", "tune")  # a stage an entry: test_variants.py changes these
# Sections of which a stage declares some keys alone: these are changed one by one.
BY_KEY = {
    name.split(".")[0] for stage in STAGES.values() for name in stage["params"] if "." in name
}
KEYS = [
    (section, key)
    for section, values in PARAMS.items()
    if section not in ENTRIES
    for key in (values if section in BY_KEY else [None])
]


@pytest.fixture(scope="module")
def toy(toy_made, tmp_path_factory):
    return toy_repository.copy(toy_made, tmp_path_factory.mktemp("what-runs") / "toy")


@pytest.fixture(scope="module")
def status(toy):
    """Return a function that names the stages which DVC takes to be out of date."""
    from dvc.repo import Repo

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(toy.parent / "site-cache"))
        patch.chdir(toy)  # DVC names stages relative to it
        with Repo(str(toy)) as repo:
            yield lambda: set(repo.status())


def other(value):
    """Change one value somewhere inside."""
    if isinstance(value, dict):
        key = next(iter(value))
        return value | {key: other(value[key])}
    if isinstance(value, list):
        if not value:
            return ["other"]
        return [other(value[0]), *value[1:]]
    return not value if isinstance(value, bool) else f"{value}9"


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_key_that_changes_makes_its_readers_run_and_no_other(toy, status, section, key):
    names = {section, f"{section}.{key}"}
    stages = read_documents(toy / "dvc.yaml")
    readers = {name for name, stage in stages.items() if names & set(stage["params"])}
    file = toy / "params.yaml"
    before = file.read_text()
    assert status() == set()
    params = YAML(typ="safe").load(before)
    value = params[section]
    value = other(value) if key is None else value | {key: other(value[key])}
    changed = params | {section: value}
    with file.open("w") as stream:
        YAML(typ="safe").dump(changed, stream)
    try:
        assert status() == readers
    finally:
        file.write_text(before)


def test_without_a_change_nothing_runs(toy):
    shown = toy_repository.run("dvc repro", toy)
    assert re.findall(r"Running stage", shown) == []
    assert "up to date" in shown
