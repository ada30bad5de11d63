"""The shell steps of .github/workflows/pull-request.yaml, on commits of a toy repository."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.report.markdown import MARK
from tests import toy_repository
from tests.conftest import ROOT
from tests.github_api import Comments, serving

pytestmark = pytest.mark.smoke

WORKFLOW = ROOT / ".github" / "workflows" / "pull-request.yaml"
SPEC = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in SPEC["jobs"]["report"]["steps"] if "run" in step}
LINK = "https://example.org/artifact/1"


@dataclass
class Job:
    """A checkout of a pull request, and what GitHub gives its steps."""

    folder: Path
    base: str
    github: Comments

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a step as GitHub does: its own shell, and its expressions filled in."""
        variables = SPEC["env"] | STEPS[name].get("env", {})
        environment = {
            **os.environ,
            **toy_repository.isolated(self.folder),
            **{key: self.filled(value) for key, value in variables.items()},
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": "o/n",
            "GITHUB_PATH": str(self.folder.parent / "path"),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "RUNNER_TEMP": str(self.folder.parent),
        }
        script = self.folder.parent / "step.sh"
        script.write_text(STEPS[name]["run"])
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(
            shell,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=toy_repository.LIMIT_S,
        )

    def filled(self, value: str) -> str:
        known = {
            "github.event.pull_request.base.sha": self.base,
            "github.event.pull_request.number": "7",
            "github.token": "secret",
            "steps.files.outputs.artifact-url": LINK,
        }
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], value)

    @property
    def summary(self) -> Path:
        return self.folder.parent / "summary.md"


@pytest.fixture(scope="module")
def toy(toy_made, tmp_path_factory):
    return toy_repository.copy(toy_made, tmp_path_factory.mktemp("workflow") / "toy")


@pytest.fixture
def job(toy, tmp_path):
    """Return a function that checks a change out as a pull request is."""
    with serving(Comments()) as github:

        def checked_out(**changed: str) -> Job:
            base = toy_repository.run("git rev-parse main", toy).strip()
            toy_repository.run("git checkout -q main && dvc checkout -q", toy)
            toy_repository.run(f"git checkout -q -b {tmp_path.name}", toy)
            toy_repository.commit(toy, **changed)
            folder = tmp_path / "checkout"
            toy_repository.run(["git", "clone", "-q", str(toy), str(folder)], toy)
            marks = "touch .venv/installed .venv/report-installed"
            toy_repository.run(f"mkdir .venv && {marks}", folder)
            return Job(folder, base, github)

        yield checked_out


def test_the_steps_run_as_they_stand():
    assert SPEC["defaults"]["run"]["shell"] == "bash"
    assert not any("${{" in step["run"] for step in STEPS.values()), "pass it through env"


def test_a_sound_change_passes_and_is_told_once(job):
    change = job(capture__max_cards="3")
    for name in STEPS:
        done = change.step(name)
        assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
    assert "bin" in (change.folder.parent / "path").read_text()
    [comment] = change.github.there.values()
    assert comment["body"] == change.summary.read_text()
    assert comment["body"].startswith(MARK)
    assert "| `capture.max_cards` | 4 | 3 |" in comment["body"]
    assert LINK in comment["body"]
    pictures = sorted(path.name for path in (change.folder / "build/report/pictures").iterdir())
    assert "scene-0-base.jpg" in pictures, "the base's pictures are in its own storage/"
    assert change.step("Comment").stdout == "comment 1 brought up to date\n"
    assert len(change.github.there) == 1


def test_a_worse_change_is_told_and_fails_the_gate(job):
    change = job(capture__score_threshold="0.6")
    for name in ("Summary", "Comment"):
        assert change.step(name).returncode == 0
    done = change.step("Gate")
    assert done.returncode == 1
    metrics = json.loads((ROOT / "metrics" / "evaluate.json").read_text())
    worse = 0.8 * metrics["capture"]["iou_mean"]  # as the stand-in has it
    assert re.search(rf"capture\.iou_mean: {worse:.3f}, at least 0\.900", done.stderr)
    assert "Traceback" not in done.stderr
    [comment] = change.github.there.values()
    assert "**Gate: not passed**" in comment["body"]
    assert "**worse**" in comment["body"]


def test_a_lock_that_is_out_of_date_fails_by_name(job):
    change = job(capture__max_cards="3")
    params = change.folder / "params.yaml"
    params.write_text(params.read_text().replace("latency_runs: 50", "latency_runs: 51"))
    done = change.step("dvc.lock is in step with code and params")
    assert done.returncode == 1
    assert "::error::dvc.lock is out of date" in done.stdout
    assert re.search(r"Running stage 'speed'|failed to reproduce 'speed'", done.stdout)


def test_a_forks_token_that_may_only_read_does_not_fail(job):
    change = job(capture__max_cards="3")
    change.github.refuses = 403
    assert change.step("Summary").returncode == 0
    done = change.step("Comment")
    assert (done.returncode, change.github.there) == (0, {})
    assert done.stdout.startswith("no comment: the token may not write (403)")


@pytest.mark.parametrize("file", sorted(WORKFLOW.parent.glob("*.yaml")), ids=lambda file: file.name)
def test_a_workflow_passes_the_linter(file):
    done = subprocess.run(["actionlint", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted(WORKFLOW.parent.glob("*.yaml")), ids=lambda file: file.name)
def test_actions_are_pinned_by_version(file):
    used = re.findall(r"uses: (\S+)", file.read_text(encoding="utf-8"))
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []
