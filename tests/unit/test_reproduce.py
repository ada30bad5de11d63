from pathlib import Path

import pytest

from meishi.reproduce import Stage, downstream, missing_producers, out_of_date, read_stages

STAGES = {
    "fetch": Stage(("data",), ("build/raw",)),
    "augment": Stage(("build/raw",), ("build/augmented",)),
    "train": Stage(("build/augmented",), ("models/net", "metrics/train.json")),
    "convert": Stage(("models/net", "build/raw"), ("models/package",)),
    "evaluate": Stage(("models/package",), ("metrics/evaluate.json",)),
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("data", "models/net", "models/package"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_downstream_reaches_by_way_of_others():
    assert downstream(STAGES, ["augment"]) == {"augment", "train", "convert", "evaluate"}


def test_what_an_affected_stage_reads_is_made_first(made):
    assert missing_producers(STAGES, {"convert", "evaluate"}) == ["fetch"]
    assert missing_producers(STAGES, {"train", "convert", "evaluate"}) == ["fetch", "augment"]


def test_what_is_there_is_not_made(made):
    (made / "build/raw").mkdir(parents=True)
    assert missing_producers(STAGES, {"convert"}) == []


def test_what_an_affected_stage_writes_itself_is_not_made_first(made):
    assert missing_producers(STAGES, {"fetch", "augment", "train"}) == []


def test_stages_are_read_with_metrics_and_plots_among_the_outs(tmp_path):
    file = tmp_path / "dvc.yaml"
    file.write_text(
        "stages:\n  a:\n    cmd: x\n    deps: [data]\n    outs: [o]\n"
        "    metrics:\n      - m.json: {cache: false}\n    plots: [p]\n"
    )
    assert read_stages(file) == {"a": Stage(("data",), ("o", "m.json", "p"))}


def test_the_pipeline_is_read(root: Path):
    assert "models/ssd" in read_stages(root / "dvc.yaml")["train_ssd"].outs


def test_a_missing_part_of_build_is_no_reason_to_run():
    deps, outs = {"build/raw": "deleted"}, {"build/augmented": "not in cache"}
    assert out_of_date({"augment": [{"changed deps": deps}, {"changed outs": outs}]}) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"changed deps": {"build/raw": "deleted", "stages/fetch.py": "modified"}},
        {"changed deps": {"params.yaml": {"fetch": "modified"}}},
        {"changed deps": {"build/raw": "modified"}},
        {"changed outs": {"models/net": "deleted"}},
        "changed command",
    ],
)
def test_any_other_change_is_a_reason_to_run(change):
    assert out_of_date({"train": [change], "fetch": []}) == {"train"}
