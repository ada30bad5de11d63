"""The commands of docs/experimenting.md, all of them and in their order, on stand-in stages."""

import re
import time
from pathlib import Path

import pytest

from tests import toy_repository
from tests.conftest import ROOT

pytestmark = pytest.mark.smoke

DOCUMENT = ROOT / "docs" / "experimenting.md"
# Takes minutes: a job of its own in .github/workflows/test.yaml.
ELSEWHERE = ("make smoke",)
QUEUE_S = toy_repository.LIMIT_S


def commands(text: str) -> list[list[str]]:
    """Return the lines of each fenced block, without comments."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    return [[re.sub(r"\s{2,}#.*", "", line) for line in block.splitlines()] for block in blocks]


class Desk:
    """Two clones of the toy, ours and a colleague's."""

    def __init__(self, made: Path, folder: Path):
        self.ours = toy_repository.copy(made, folder / "toy")
        toy_repository.run("mkdir .venv && touch .venv/installed .venv/report-installed", self.ours)
        self.theirs = folder / "colleague"
        toy_repository.run(["git", "clone", "-q", f"{self.ours}.git", str(self.theirs)], self.ours)
        (folder / "team").mkdir()
        self.team = str(folder / "team")
        self.shown: dict[str, str] = {}

    def run(self, command: str, folder: Path) -> str:
        self.shown[command] = toy_repository.run(command, folder, TEAM_STORE=self.team)
        return self.shown[command]

    def wait_for_the_queue(self) -> None:
        """Do as the document says: ask until nothing is Queued or Running."""
        end = time.monotonic() + QUEUE_S
        while re.search("Queued|Running", toy_repository.run("dvc queue status", self.ours)):
            assert time.monotonic() < end, toy_repository.run("dvc queue status", self.ours)
            time.sleep(0.5)


@pytest.fixture(scope="module")
def desk(toy_made, tmp_path_factory) -> Desk:
    desk = Desk(toy_made, tmp_path_factory.mktemp("experiments"))
    for block in commands(DOCUMENT.read_text(encoding="utf-8")):
        folder = desk.theirs if any("exp pull" in line for line in block) else desk.ours
        for command in block:
            if command not in ELSEWHERE:
                desk.run(command, folder)
            if command.startswith("dvc queue start"):
                desk.wait_for_the_queue()
    return desk


def test_an_experiment_runs_the_stages_that_read_its_param_and_those_after(desk):
    shown = desk.shown["dvc exp run -S train_ssd.epochs=1 --name short"]
    ran = re.findall(r"Running stage '([\w@]+)'", shown)
    assert set(ran) == {
        *("train_ssd", "freeze", "evaluate", "speed", "speed_photo", "ship"),
        *("tune@ssd_palette4", "tune@ssd_int8"),
        # The classifier learns from what the detector mistakes for cards; a variant of any network
        # is compared with captures by all.
        *("train_direction", "convert@ssd_fp16", "convert@unet_fp16", "convert@direction_fp16"),
        "convert@flat_fp16",
    }


def test_the_param_and_no_other_is_shown_as_changed(desk):
    assert re.findall(r"params.yaml +(\S+)", desk.shown["dvc params diff"]) == ["train_ssd.epochs"]


def test_a_grid_runs_every_combination(desk):
    status = desk.shown["dvc queue status"]
    assert len(re.findall(r"grid-\d .*Success", status)) == 4, status


def test_the_table_of_experiments_is_sorted_and_has_them_all(desk):
    [table] = [shown for command, shown in desk.shown.items() if command.startswith("dvc exp show")]
    assert all(name in table for name in ("short", "strict", "grid-1", "grid-4"))
    heading = table.strip().splitlines()[0]
    assert "capture.score_threshold" in heading and "train_unet.epochs" in heading
    assert "train_unet.batch" not in heading, "the same in all experiments"


def test_a_worse_experiment_is_seen_as_such(desk):
    diff = desk.shown["dvc exp diff short strict"]
    assert re.search(r"capture\.iou_mean .*-0\.09", diff), diff
    report = (desk.ours / "build" / "pull-request.md").read_text()
    assert "strict against short" in report
    assert "**Gate: not passed**" in report


def test_the_report_compares_with_an_experiment(desk):
    page = (desk.ours / "build" / "report" / "index.html").read_text()
    assert '<th class="number">short</th>' in page


def test_a_branch_holds_the_experiment(desk):
    params = toy_repository.run("git show try-strict:params.yaml", desk.ours)
    assert re.search(r"score_threshold: 0\.5", params)


def test_a_colleague_has_its_params_and_models(desk):
    assert re.search(r"epochs: 1\b", (desk.theirs / "params.yaml").read_text())
    status = toy_repository.run("dvc status", desk.theirs)
    assert "up to date" in status, status
    theirs = (desk.theirs / "models" / "ssd" / "frames.jsonl").read_text()
    assert theirs != (desk.ours / "models" / "ssd" / "frames.jsonl").read_text()


def test_nothing_of_ours_is_left_changed(desk):
    changed = toy_repository.run("git status --porcelain --untracked-files=no", desk.ours)
    assert changed == ""
