"""What the documents say exists, exists."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from meishi import cli, doctor
from meishi.scenes import surfaces

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
METRICS = {
    f"{name}.{key}"
    for file in (ROOT / "metrics").glob("*.json")
    for name, figures in json.loads(file.read_text(encoding="utf-8")).items()
    if isinstance(figures, dict)
    for key in figures
}
COMMANDS = get_command(cli.app).commands
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def text(document):
    return document.read_text(encoding="utf-8")


@each_document
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#]+)\)", text(document))
    missing = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert missing == []


@each_document
def test_make_targets_exist(document):
    makefile = text(ROOT / "Makefile")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text(document), re.M))
    assert [t for t in named if not re.search(rf"^{t}:", makefile, re.M)] == []


def test_every_meishi_command_that_is_named_exists():
    named = [re.findall(r"^(?:.*`)?meishi ([a-z][a-z-]+)", text(d), re.M) for d in DOCUMENTS]
    assert {name for found in named for name in found} <= set(COMMANDS)


@each_document
def test_params_that_are_named_exist(document):
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    sections = r"\b(" + "|".join(params) + r")\.([a-z_0-9]+)\b"
    for section, key in re.findall(sections, text(document)):
        # Some metrics and files are called as sections are.
        if f"{section}.{key}" not in METRICS and key not in ("py", "md", "json", "yaml"):
            assert key in params[section], f"{document.name}: {section}.{key}"


@each_document
def test_meishi_commands_and_options_exist(document):
    names = "|".join(name for name in COMMANDS if not hasattr(COMMANDS[name], "commands"))
    for name, rest in re.findall(rf"\bmeishi ({names})\b([^`\n]*)", text(document)):
        options = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
        named = set(re.findall(r"(--[a-z-]+)", rest.split("#")[0]))
        assert named <= options, f"{document.name}: meishi {name} {named - options}"


def test_files_in_the_readmes_tree_exist():
    tree = text(ROOT / "README.md").split("## Where things are")[1].split("```")[1]
    for line in tree.strip().splitlines():
        for name in re.split(r"\s{2,}", line)[0].split():
            if name not in ("models/", "plots/"):  # outputs: a clone has them after `make repro`
                assert (ROOT / name).exists(), name


def test_the_results_in_the_documents_are_those_of_the_metrics():
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    results = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(results)
    for file, tables in results.TABLES.items():
        assert results.updated(text(file), tables) == text(file), (
            "run: python docs/results.py --write"
        )


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
    assert [name for name in COMMANDS if name not in shown] == []


def blocks(name, start, end):
    """Yield the commands of each block between two headings, without comments."""
    part = text(ROOT / "docs" / name).split(f"## {start}\n")[1].split(f"## {end}\n")[0]
    for block in re.findall(r"```\n(.*?)```", part, re.S):
        yield [line.split("  #")[0].split() for line in block.strip().splitlines()]


# One process for many commands of DVC: it takes longer to start than to work.
RUN_DVC = """
import json, sys
from dvc.cli import main
for command in json.loads(sys.argv[1]):
    if main(command[1:]):
        sys.exit(f"failed: {command}")
"""


def run_dvc(commands, folder):
    done = subprocess.run(
        [sys.executable, "-c", RUN_DVC, json.dumps(commands)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def empty_repository(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    run_dvc([["dvc", "init", "-q"]], tmp_path)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "Start"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    "block", list(blocks("remotes.md", "Set it up", "Move to it")), ids=lambda b: b[0][4]
)
def test_a_remotes_block_is_taken_and_leaves_credentials_outside_git(block, empty_repository):
    run_dvc(block, empty_repository)
    secrets = [command[-1] for command in block if "--local" in command]
    assert secrets
    subprocess.run(["git", "add", "-A"], cwd=empty_repository, check=True)
    staged = subprocess.run(
        ["git", "diff", "--cached"], cwd=empty_repository, capture_output=True, text=True
    ).stdout
    added = [line for line in staged.splitlines() if line.startswith("+")]
    assert any(block[0][4] in line for line in added)
    assert [word for word in secrets if any(f"= {word}" in line for line in added)] == []


def test_the_five_remotes_have_a_block_and_a_package():
    schemes = {
        block[0][4].split("://")[0] for block in blocks("remotes.md", "Set it up", "Move to it")
    }
    assert schemes == {"s3", "gs", "azure", "ssh", "webdavs"}
    requirements = text(ROOT / "requirements-remote.txt")
    assert [scheme for scheme in schemes if f"{doctor.PLUGINS[scheme]}==" not in requirements] == []


def test_moving_to_a_remote_and_back_is_as_written(empty_repository):
    remote, embedded = empty_repository / "team", empty_repository / "storage"
    there = [*blocks("remotes.md", "Move to it", "Move back")]
    back = [*blocks("remotes.md", "Move back", "When something goes wrong")]
    written = [command for block in there + back for command in block if command[0] != "git"]
    assert written[-1] == ["make", "push"]  # of what is here, the same as:
    written[-1] = ["dvc", "push"]
    (empty_repository / "data").write_text("data")
    prepared = [
        ["dvc", "remote", "add", "-q", "-d", "embedded", "storage"],
        ["dvc", "remote", "add", "-q", "team", "team"],
        ["dvc", "add", "-q", "data"],
    ]
    run_dvc([*prepared, *written], empty_repository)
    assert ["dvc", "push", "-r", "team"] in written and ["dvc", "pull", "-r", "team"] in written
    assert all(len(list(folder.rglob("??/*"))) == 1 for folder in (remote, embedded))
