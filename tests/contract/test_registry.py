"""The shipped models are declared, and only these can be registered."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.clone.registry import RegistryError, check_refs
from tests.contract.imports import ROOT

PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
ARTIFACTS = PIPELINE["artifacts"]
STAGES = YAML(typ="safe").load((ROOT / ".gto").read_text(encoding="utf-8"))["stages"]
PACKAGES = [
    *("CardDetector", "CardDetectorRaw", "CardDirection", "CardFlatSegmenter", "CardSegmenter"),
]
WORKFLOW = YAML(typ="safe").load(
    (ROOT / ".github" / "workflows" / "registry.yaml").read_text(encoding="utf-8")
)
each_artifact = pytest.mark.parametrize("name", list(ARTIFACTS))


@each_artifact
def test_an_artifact_is_a_model_with_a_description_and_labels(name):
    artifact = ARTIFACTS[name]
    assert artifact["type"] == "model" and artifact["desc"] and artifact["labels"]


@each_artifact
def test_an_artifact_is_part_of_what_ship_writes(name):
    outs = PIPELINE["stages"]["ship"]["outs"]
    assert str(Path(ARTIFACTS[name]["path"]).parent) in outs


def test_the_artifacts_are_the_shipped_packages():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shipped = [package for package in PACKAGES if f"`{package}.mlpackage`" in readme]
    assert {Path(artifact["path"]).stem for artifact in ARTIFACTS.values()} == set(shipped)


def test_the_stages_are_staging_and_release():
    assert STAGES == ["staging", "release"]


@pytest.mark.parametrize(
    ("ref", "done"),
    [
        ("card-detector@v0.1.0", "register card-detector v0.1.0"),
        ("refs/tags/card-detector@v0.1.0", "register card-detector v0.1.0"),
        ("card-detector-raw@v1.2.3-rc.1", "register card-detector-raw v1.2.3-rc.1"),
        ("card-detector@v0.1.0!", "deregister card-detector v0.1.0"),
        ("card-segmenter#staging", "assign card-segmenter staging"),
        ("card-segmenter#release#12", "assign card-segmenter release"),
        ("card-segmenter#release!#13", "unassign card-segmenter release"),
        ("card-detector@deprecated#2", "deprecate card-detector"),
    ],
)
def test_a_declared_name_is_taken(ref, done):
    assert check_refs([ref], ROOT) == [f"{ref.removeprefix('refs/tags/')}: {done}"]


@pytest.mark.parametrize(
    ("ref", "fault"),
    [
        ("card-detektor@v0.1.0", "no artifact 'card-detektor'; did you mean 'card-detector'?"),
        ("nosuch@v0.1.0", "no artifact 'nosuch'; there are card-detector, card-detector-raw,"),
        ("nosuch#release#1", "no artifact 'nosuch'"),
        ("Card-Detector@v0.1.0", "no artifact 'Card-Detector'"),
        ("models:card-detector@v0.1.0", "no tag of the registry"),
        ("models=card-detector@v0.1.0", "no artifact 'models:card-detector'"),
        ("card-detector#production#1", "no stage 'production'; there are staging, release"),
        ("card-detector#realease#1", "no stage 'realease'; did you mean 'release'?"),
        ("card-detector#Release", "no stage 'Release'; did you mean 'release'?"),
        ("card-detector@1.0.0", "no tag of the registry"),
        ("card-detector@v1.0", "no tag of the registry"),
        ("card-detector", "no tag of the registry"),
        ("v1.0.0", "no tag of the registry"),
        ("refs/heads/main", "no tag of the registry"),
        ("refs/heads/card-detector@v1.0.0", "no artifact"),
        ("", "no tag of the registry"),
    ],
)
def test_other_refs_are_refused_by_name(ref, fault):
    with pytest.raises(RegistryError) as caught:
        check_refs([ref], ROOT)
    assert fault in str(caught.value)


def test_every_fault_is_said_at_once():
    with pytest.raises(RegistryError) as caught:
        check_refs(["nosuch#production#1", "card-detector@v1.0.0", "v2"], ROOT)
    assert len(str(caught.value).splitlines()) == 3


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Toy packages under our declarations, registered: card-detector released, v0.2.0 staged."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(ROOT / ".gto", folder)
    make = "import pathlib, sys; [((p := pathlib.Path('models/coreml', name)).mkdir(parents=True, "
    make += (
        "exist_ok=True), (p / 'model').write_text(sys.argv[1] + name)) for name in sys.argv[2:]]"
    )
    (folder / "make.py").write_text(make)
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "remote", "add", "-q", "-d", "embedded", "storage")
    for version in ("v0.1.0", "v0.2.0"):
        write_pipeline(folder, version)
        run(folder, "dvc", "repro", "-q")
        run(folder, "dvc", "push", "-q")
        run(folder, "git", "add", ".")
        run(folder, "git", "commit", "-qm", version)
        run(folder, "gto", "register", "card-detector", "--version", version)
    run(folder, "gto", "assign", "card-detector", "--version", "v0.1.0", "--stage", "release")
    run(folder, "gto", "assign", "card-detector", "--version", "v0.2.0", "--stage", "staging")
    return folder


def write_pipeline(folder, version):
    names = " ".join(Path(artifact["path"]).name for artifact in ARTIFACTS.values())
    stage = {"cmd": f"python make.py {version} {names}", "outs": ["models/coreml"]}
    with (folder / "dvc.yaml").open("w") as stream:
        YAML(typ="safe").dump({"stages": {"convert": stage}, "artifacts": ARTIFACTS}, stream)


def run(folder, *command, fails=False):
    identity = {
        f"GIT_{who}_{what}": "ann@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | identity | {"PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("stage", "version"), [("release", "v0.1.0"), ("staging", "v0.2.0")])
def test_a_clone_gets_the_model_of_a_stage(registry, tmp_path, stage, version):
    run(tmp_path, "git", "clone", "-q", str(registry), "clone")
    clone = tmp_path / "clone"
    run(clone, "dvc", "artifacts", "get", ".", "card-detector", "--stage", stage, "-o", "got")
    assert (clone / "got" / "model").read_text() == f"{version}CardDetector.mlpackage"


def test_the_tags_that_gto_writes_are_taken(registry):
    tags = run(registry, "git", "tag").split()
    assert len(check_refs(tags, registry)) == len(tags) == 4


def test_gto_refuses_a_stage_that_is_not_declared(registry):
    said = run(
        registry,
        "gto",
        "assign",
        "card-detector",
        "--version",
        "v0.1.0",
        "--stage",
        "production",
        fails=True,
    )
    assert "staging" in said and "release" in said


def test_gto_takes_an_undeclared_name_and_the_check_refuses_it(registry, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(registry), "clone")
    run(tmp_path / "clone", "gto", "register", "nosuch", "--version", "v0.1.0")
    with pytest.raises(RegistryError, match="no artifact 'nosuch'"):
        check_refs(["nosuch@v0.1.0"], tmp_path / "clone")


def check_as_the_workflow_does(folder, tag, fails=False):
    if not any(fnmatchcase(tag, pattern) for pattern in WORKFLOW["on"]["push"]["tags"]):
        return "not looked at"
    step = WORKFLOW["jobs"]["check-ref"]["steps"][-1]
    return run(
        folder, "env", f"GITHUB_REF=refs/tags/{tag}", "bash", "-e", "-c", step["run"], fails=fails
    )


def test_the_workflow_takes_every_tag_that_gto_writes(registry):
    for tag in run(registry, "git", "tag").split():
        assert check_as_the_workflow_does(registry, tag).startswith(f"{tag}: ")


@pytest.mark.parametrize("tag", ["nosuch@v0.1.0", "nosuch#release#1", "card-detector#production#9"])
def test_the_workflow_fails_for_what_is_not_declared(registry, tmp_path, tag):
    run(tmp_path, "git", "clone", "-q", str(registry), "clone")
    run(tmp_path / "clone", "git", "tag", tag)
    said = check_as_the_workflow_does(tmp_path / "clone", tag, fails=True)
    assert re.search(r"no (artifact 'nosuch'|stage 'production')", said)


def test_a_tag_is_held_to_what_its_own_commit_declares(registry, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(registry), "clone")
    clone = tmp_path / "clone"
    run(clone, "git", "rm", "-q", "dvc.yaml")
    assert check_refs(["card-detector@v0.1.0"], clone)
    with pytest.raises(RegistryError, match="there are none"):
        check_refs(["card-detector@v0.3.0"], clone)


def test_the_documented_commands_register_a_model_and_get_it(registry, tmp_path):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Register a model\n")[1].split("\n## ")[0]
    fenced = re.findall(r"^```\n(.*?)^```$", section, re.S | re.M)
    run(tmp_path, "git", "clone", "-q", "--bare", "--no-tags", str(registry), "origin.git")
    run(tmp_path, "git", "clone", "-q", "origin.git", "clone")
    clone = tmp_path / "clone"
    for command in "".join(fenced).strip().splitlines():
        run(clone, "bash", "-c", command)
    assert (
        clone / "CardDetector.mlpackage" / "model"
    ).read_text() == "v0.2.0CardDetector.mlpackage"
    assert "card-detector#release#2" in run(tmp_path / "origin.git", "git", "tag")
