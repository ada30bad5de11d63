"""dvc.yaml, params.yaml and the stages say the same."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.clone.reproduce import out_of_date, read_documents, read_stages
from meishi.params import load_params
from stages import convert, evaluate, train_unet
from tests.contract.imports import ROOT, closure, code_deps, declared_params, entry, is_code

DOCUMENT = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# As DVC sees them: a stage for each entry of a foreach, NAME@KEY.
STAGES = read_stages(ROOT / "dvc.yaml")
# What a foreach repeats stands under `do`.
BODIES = {name: stage.get("do", stage) for name, stage in DOCUMENT.items()}
# DVC keeps these in the embedded store; build/ is made again.
STORED = ("data", "models/", "plots/")
ENTRIES = ("exports", "tune")  # params whose keys are names that a user gives
STEPS = {"train_unet": train_unet.STEPS, "convert": convert.STEPS, "evaluate": evaluate.STEPS}

each_stage = pytest.mark.parametrize("name", list(DOCUMENT))


def header(name: str) -> dict[str, set[str]]:
    """Read a stage's docstring: the words behind Reads, Params and Writes."""
    text = ast.get_docstring(ast.parse(entry(name).read_text(encoding="utf-8"))) or ""
    found = re.search(
        r"^Reads(.*?)\sParams(.*?)\sWrites(.*?)(?:\nTakes|\n\n|\Z)", text, re.M | re.S
    )
    assert found, f"stages/{name}.py: no 'Reads ... Params ... Writes ...' in its docstring"
    parts = [set(re.split(r"[,\s]+", part.strip())) for part in found.groups()]
    return dict(zip(("Reads", "Params", "Writes"), parts, strict=True))


def declared_code(name: str) -> list[str]:
    return sorted(filter(is_code, BODIES[name]["deps"]))


def outs(name: str) -> set[str]:
    body = BODIES[name]
    listed = [out for kind in ("outs", "metrics", "plots") for out in body.get(kind, [])]
    return {out if isinstance(out, str) else next(iter(out)) for out in listed}


def test_each_node_is_one_of_the_seven_stages_or_a_step_of_one():
    scripts = ["augment", "convert", "evaluate", "fetch", "preprocess", "train_ssd", "train_unet"]
    assert sorted(path.stem for path in (ROOT / "stages").glob("*.py")) == scripts
    steps = {step for stage in STEPS for step in STEPS[stage]}
    assert set(DOCUMENT) == set(scripts) | steps


def test_the_stages_are_those_that_dvc_lists():
    listed = dvc("stage", "list", "--name-only").split()
    assert listed == list(STAGES)


@each_stage
def test_a_stage_runs_its_entry(name):
    step = next((f"{stage} {name}" for stage in STEPS if name in STEPS[stage]), "")
    stage, *arguments = (step or name).split()
    arguments += ["${key}"] if "foreach" in DOCUMENT[name] else []
    assert BODIES[name]["cmd"] == " ".join(["python", f"stages/{stage}.py", *arguments])


@each_stage
def test_a_stage_is_described(name):
    assert BODIES[name]["desc"]


@each_stage
def test_a_stage_depends_on_all_it_imports_and_no_more(name):
    assert declared_code(name) == code_deps(name), "`make deps` brings dvc.yaml in step"


@each_stage
def test_a_stage_loads_the_params_it_declares(name):
    assert BODIES[name]["params"] == declared_params(name, DOCUMENT[name]), "`make deps` mends it"


def data_deps(name):
    """What a stage reads beside code; a file in another stage's folder counts as the folder."""
    written = {out for other in DOCUMENT for out in outs(other)}
    read = set(BODIES[name]["deps"]) - set(declared_code(name))
    return {next((out for out in written if path.startswith(f"{out}/")), path) for path in read}


@each_stage
def test_a_stages_docstring_says_what_dvc_yaml_says(name):
    assert header(name) == {
        "Reads": data_deps(name),
        "Params": set(BODIES[name]["params"]),
        "Writes": outs(name),
    }


@each_stage
def test_a_stage_reads_what_an_earlier_one_writes(name):
    names = [stage for stage in STAGES if stage.split("@")[0] == name]
    before = list(STAGES)[: list(STAGES).index(names[0])]
    earlier = {Path(out) for other in before for out in STAGES[other].outs} | {Path("data")}
    for stage in names:
        read = {Path(dep) for dep in STAGES[stage].deps if not is_code(dep)}
        # A stage may read a folder in which earlier ones have written their own parts.
        found = {path for path in read for out in earlier if out in (path, *path.parents)}
        found |= {path for path in read for out in earlier if path in out.parents}
        assert found == read


@each_stage
def test_metrics_are_kept_in_git(name):
    for metric in BODIES[name].get("metrics", []):
        [(path, options)] = metric.items()
        assert path.startswith("metrics/") and options["cache"] is False


def test_a_stage_is_no_longer_than_a_page():
    lengths = {name: len(entry(name).read_text().splitlines()) for name in DOCUMENT}
    assert {name: length for name, length in lengths.items() if length > 70} == {}


def test_no_stage_imports_another():
    for name in DOCUMENT:
        own = [str(entry(name).relative_to(ROOT))]
        reached = closure(entry(name))
        others = [file for file in reached if file.startswith(("stages/", "meishi/steps/"))]
        assert sorted({*others} - {"meishi/steps/running.py"}) == own


@pytest.mark.parametrize(
    "name", [name for name in DOCUMENT if DOCUMENT[name].get("foreach") == "${exports}"]
)
def test_a_variant_reads_its_own_entry_and_network_only(name):
    """Otherwise an entry that is added would convert and measure the others again."""
    exports = load_params("exports", path=ROOT / "params.yaml").exports
    for key, variant in exports.items():
        stage = read_documents(ROOT / "dvc.yaml")[f"{name}@{key}"]
        assert [p for p in stage["params"] if p.startswith("exports")] == [f"exports.{key}"]
        models = {dep for dep in stage["deps"] if dep.startswith("models/")}
        files = ("capture.json", "direction.tflite", "ssd.tflite", "unet.tflite")
        assert models == {f"models/{variant.source}", *(f"models/tflite/{file}" for file in files)}
        assert all(key in Path(out).stem for out in STAGES[f"{name}@{key}"].outs)


def test_fetch_depends_on_each_configured_source():
    fetch = load_params("fetch", path=ROOT / "params.yaml").fetch
    sources = {source.path for source in (*fetch.sources, *fetch.without_cards)}
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
    own = set(params["exports"])  # names of our own choice, and of layers
    own |= {layer for entry in params["tune"].values() for layer in entry["kernel_bits"]}
    assert sorted(set(keys(params)) - own - used) == []


@each_stage
def test_a_stage_reads_each_key_of_the_params_it_declares(name):
    read = {
        node.attr
        for file in closure(entry(name))
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for declared in BODIES[name]["params"]:
        section, _, key = declared.partition(".")
        wanted = {key or section}
        if key == "${key}" or section in ENTRIES:
            wanted = {section}
        elif not key:
            wanted |= {*keys(params[section])}
        assert sorted(wanted - read) == [], f"{declared}: declare the keys that are read alone"


def keys(value) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in keys(inner))]
    return [key for inner in value for key in keys(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("section", "folder"), [("exports", "convert"), ("exports", "measure"), ("tune", "tune")]
)
def test_no_metrics_are_left_of_an_entry_that_is_gone(section, folder):
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    found = {file.stem for file in (ROOT / "metrics" / folder).glob("*.json")}
    assert found == set(params[section])


def test_the_lock_is_in_step_with_code_and_params():
    assert out_of_date(json.loads(dvc("status", "--json"))) == set(), "run `make repro`"


def test_the_lock_has_no_node_that_is_gone():
    """DVC keeps them for ever, and reads them at every command."""
    locked = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert sorted(set(locked) - set(STAGES)) == [], "take them out of dvc.lock"


def test_a_folder_stands_for_its_files_where_all_of_them_are_reached():
    folders = [dep for dep in declared_code("convert") if not dep.endswith(".py")]
    assert "meishi/coreml" in folders
    assert "meishi/geometry" not in folders, "it has files that conversion does not reach"


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
