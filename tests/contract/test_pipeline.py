"""dvc.yaml, params.yaml and the stages say the same."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.params import load_params
from meishi.reproduce import out_of_date, read_stages
from tests.contract.imports import ROOT, closure, loaded_params

DOCUMENT = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = read_stages(ROOT / "dvc.yaml")
# DVC keeps these in the embedded store; build/ is made again.
STORED = ("data", "models/", "plots/")

each_stage = pytest.mark.parametrize("name", list(STAGES))


def script(name: str) -> Path:
    return ROOT / "stages" / f"{name}.py"


def header(name: str) -> dict[str, set[str]]:
    """Read a stage's docstring: the words behind Reads, Params and Writes."""
    text = ast.get_docstring(ast.parse(script(name).read_text(encoding="utf-8"))) or ""
    found = re.search(
        r"^Reads(.*?)\sParams(.*?)\sWrites(.*?)(?:\nTakes|\n\n|\Z)", text, re.M | re.S
    )
    assert found, f"stages/{name}.py: no 'Reads ... Params ... Writes ...' in its docstring"
    parts = [set(re.split(r"[,\s]+", part.strip())) for part in found.groups()]
    return dict(zip(("Reads", "Params", "Writes"), parts, strict=True))


def python_deps(name: str) -> list[str]:
    return sorted(dep for dep in STAGES[name].deps if dep.endswith(".py"))


def test_each_script_is_a_stage_and_each_stage_a_script():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)


@each_stage
def test_a_stage_runs_its_script(name):
    assert DOCUMENT[name]["cmd"] == f"python stages/{name}.py"


@each_stage
def test_a_stage_is_described(name):
    assert DOCUMENT[name]["desc"]


@each_stage
def test_a_stage_depends_on_all_it_imports_and_no_more(name):
    assert python_deps(name) == closure(script(name)), "`make deps` brings dvc.yaml in step"


@each_stage
def test_a_stage_loads_the_params_it_declares(name):
    assert DOCUMENT[name]["params"] == loaded_params(script(name)), "`make deps` mends it"


def data_deps(name):
    """What a stage reads beside code; a file in another stage's folder counts as the folder."""
    outs = {out for stage in STAGES.values() for out in stage.outs}
    read = set(STAGES[name].deps) - set(python_deps(name))
    return {next((out for out in outs if path.startswith(f"{out}/")), path) for path in read}


@each_stage
def test_a_stages_docstring_says_what_dvc_yaml_says(name):
    assert header(name) == {
        "Reads": data_deps(name),
        "Params": set(DOCUMENT[name]["params"]),
        "Writes": set(STAGES[name].outs),
    }


@each_stage
def test_a_stage_reads_what_an_earlier_one_writes(name):
    names = list(STAGES)
    earlier = {out for other in names[: names.index(name)] for out in STAGES[other].outs}
    assert data_deps(name) <= earlier | {"data"}


@each_stage
def test_metrics_are_kept_in_git(name):
    for metric in DOCUMENT[name].get("metrics", []):
        [(path, options)] = metric.items()
        assert path.startswith("metrics/") and options["cache"] is False


def test_a_stage_is_no_longer_than_a_page():
    lengths = {name: len(script(name).read_text().splitlines()) for name in STAGES}
    assert {name: length for name, length in lengths.items() if length > 80} == {}


def test_no_stage_imports_another():
    for name in STAGES:
        assert [file for file in closure(script(name)) if file.startswith("stages/")] == [
            f"stages/{name}.py"
        ]


def test_fetch_depends_on_each_configured_source():
    sources = {
        source.path for source in load_params("fetch", path=ROOT / "params.yaml").fetch.sources
    }
    watched = {Path(dep) for dep in STAGES["fetch"].deps}
    assert all({Path(source), *Path(source).parents} & watched for source in sources)


def test_params_yaml_has_no_key_that_is_never_read():
    used = {
        node.attr
        for folder in ("meishi", "stages")
        for file in (ROOT / folder).rglob("*.py")
        if file.name != "params.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert sorted(set(keys(params)) - used) == []


@each_stage
def test_a_stage_reads_each_key_of_the_params_it_declares(name):
    read = {
        node.attr
        for file in closure(script(name))
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for declared in DOCUMENT[name]["params"]:
        section, _, key = declared.partition(".")
        assert sorted({key or section, *([] if key else keys(params[section]))} - read) == [], (
            f"{declared}: declare the keys that are read alone"
        )


def keys(value) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in keys(inner))]
    return [key for inner in value for key in keys(inner)] if isinstance(value, list) else []


def test_the_lock_is_in_step_with_code_and_params():
    assert out_of_date(json.loads(dvc("status", "--json"))) == set(), "run `make repro`"


def test_data_models_and_plots_are_in_the_store():
    missing = json.loads(dvc("data", "status", "--not-in-remote", "--json")).get(
        "not_in_remote", []
    )
    assert [path for path in missing if path.startswith(STORED)] == [], "run `make push`"


def dvc(*arguments: str) -> str:
    done = subprocess.run(["dvc", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pins(file: str) -> dict[str, str]:
    lines = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / file).read_text(), re.M)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in lines}


@pytest.mark.parametrize(
    "file", ["requirements.txt", "requirements-dev.txt", "requirements-remote.txt"]
)
def test_requirements_are_pinned_as_the_constraints_are(file):
    assert pins(file).items() <= pins("constraints.txt").items()


def test_both_builds_of_opencv_are_pinned_alike():
    found = pins("constraints.txt")
    assert found["opencv-python"] == found["opencv-python-headless"]


def test_the_console_script_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["meishi"].split(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    assert function in {getattr(node, "name", None) for node in tree.body}
