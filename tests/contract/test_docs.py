"""What the documents say exists, exists."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from meishi import cli
from meishi.scenes import surfaces

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def text(document):
    return document.read_text(encoding="utf-8")


@each_document
def test_no_figure_is_left_open(document):
    assert re.findall(r"@[A-Z_]+@", text(document)) == []


@each_document
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#]+)\)", text(document))
    missing = [t for t in targets if "://" not in t and not (ROOT / t).exists()]
    assert missing == []


@each_document
def test_make_targets_exist(document):
    makefile = text(ROOT / "Makefile")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text(document), re.M))
    assert named
    assert [t for t in named if not re.search(rf"^{t}:", makefile, re.M)] == []


@each_document
def test_params_that_are_named_exist(document):
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    # The table of results names metrics, some of which are called as sections are.
    prose = re.sub(r"<!-- results -->.*<!-- /results -->", "", text(document), flags=re.S)
    for section, key in re.findall(r"\b(" + "|".join(params) + r")\.([a-z_0-9]+)\b", prose):
        if key not in ("py", "md", "json", "yaml"):
            assert key in params[section], f"{document.name}: {section}.{key}"


@each_document
def test_meishi_commands_and_options_exist(document):
    commands = get_command(cli.app).commands
    for name, rest in re.findall(
        r"\bmeishi (capture|preview|render|weights|add-photos|model-card)\b([^`\n]*)",
        text(document),
    ):
        options = {option for p in commands[name].params for option in p.opts}
        named = set(re.findall(r"(--[a-z-]+)", rest.split("#")[0]))
        assert named <= options, f"{document.name}: meishi {name} {named - options}"


def test_files_in_the_readmes_tree_exist():
    tree = text(ROOT / "README.md").split("## Where things are")[1].split("```")[1]
    for line in tree.strip().splitlines():
        for name in re.split(r"\s{2,}", line)[0].split():
            if name not in ("models/", "plots/"):  # outputs: a clone has them after `make repro`
                assert (ROOT / name).exists(), name


def test_the_readmes_results_are_those_of_the_metrics():
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    results = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(results)
    readme = text(ROOT / "README.md")
    assert results.updated(readme) == readme, "run: python docs/results.py --write"


def test_the_wheels_to_download_are_those_that_are_read():
    command = re.search(r"pip download .* metaworld.*", text(ROOT / "CONTRIBUTING.md")).group(0)
    wanted = {wheel.requirement for wheel in surfaces.WHEELS}
    assert set(re.findall(r"\S+==\S+", command)) == wanted


def test_every_stage_is_in_the_readme():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert [name for name in stages if f"`{name}`" not in text(ROOT / "README.md")] == []


def test_the_help_names_every_command():
    command = [str(ROOT / ".venv" / "bin" / "meishi"), "--help"]
    if not Path(command[0]).exists():
        command[0] = "meishi"
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(
        name in shown
        for name in ("capture", "preview", "render", "weights", "add-photos", "model-card")
    )
