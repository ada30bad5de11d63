import os
import subprocess
import sys
from pathlib import Path

import pytest

from meishi.clone import reproduce
from meishi.clone.reproduce import Stage, downstream, missing_producers, out_of_date, read_stages
from meishi.errors import InputError

STAGES = {
    "fetch": Stage(("data",), ("build/raw",)),
    "augment": Stage(("build/raw",), ("build/augmented", "plots/sheet.jpg")),
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


def test_a_file_in_a_stages_folder_is_the_stages(made):
    stages = STAGES | {"train": Stage(("build/augmented/frames.zip",), ("models/net",))}
    assert missing_producers(stages, {"train"}) == ["augment"]
    assert downstream(stages, ["augment"]) == {"augment", "train", "convert", "evaluate"}
    other = STAGES | {"train": Stage(("build/augmented-too/frames.zip",), ("models/net",))}
    assert downstream(other, ["augment"]) == {"augment"}


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


def test_a_foreach_is_a_stage_for_each_entry_of_the_params(tmp_path):
    file = tmp_path / "dvc.yaml"
    file.write_text(
        "stages:\n  a:\n    foreach: ${exports}\n    do:\n      cmd: x ${key} ${item.n}\n"
        "      deps: ['models/${item.model}', x.py]\n      outs: ['out/${key}']\n"
        "      metrics:\n        - 'm/${key}.json': {cache: false}\n"
    )
    (tmp_path / "params.yaml").write_text(
        "exports:\n  one: {model: ssd, n: 1}\n  two: {model: unet, n: 2}\n"
    )
    assert read_stages(file) == {
        "a@one": Stage(("models/ssd", "x.py"), ("out/one", "m/one.json")),
        "a@two": Stage(("models/unet", "x.py"), ("out/two", "m/two.json")),
    }
    assert reproduce.read_documents(file)["a@two"]["cmd"] == "x two 2"


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


class FakeDvc:
    """Stands in for DVC: says what is out of date, makes what is asked for, notes the calls."""

    def __init__(self, *statuses):
        self.statuses, self.calls = list(statuses), []

    def status(self):
        return self.statuses.pop(0)

    def run(self, *arguments, capture=False):
        self.calls.append(arguments)
        for name in arguments[1:]:
            for out in STAGES[name].outs if name in STAGES else ():
                Path(out).mkdir(parents=True, exist_ok=True)
        if arguments[:1] == ("repro",):
            Path("dvc.lock").write_text("changed")
        return ""


@pytest.fixture
def with_dvc(made, monkeypatch):
    """Put a fake in DVC's place; returns it."""
    (made / "dvc.lock").write_text("as committed")
    monkeypatch.setattr(reproduce, "read_stages", lambda: STAGES)
    monkeypatch.setattr(reproduce.subprocess, "run", lambda *_, **__: None)

    def use(*statuses):
        fake = FakeDvc(*statuses)
        monkeypatch.setattr(reproduce, "read_status", fake.status)
        monkeypatch.setattr(reproduce, "_dvc", fake.run)
        return fake

    return use


MISSING = {"augment": [{"changed outs": {"build/augmented": "deleted"}}]}
CONVERT = {"convert": [{"changed deps": {"params.yaml": {"convert": "modified"}}}]}


def test_a_fresh_clone_makes_build_and_trains_nothing(with_dvc, made):
    dvc = with_dvc(MISSING, {})
    reproduce.main()
    assert dvc.calls == [("repro", "fetch", "augment")]
    assert (made / "build/augmented").exists()


def test_where_all_is_there_nothing_runs(with_dvc, made):
    for out in ("build/raw", "build/augmented"):
        (made / out).mkdir(parents=True)
    dvc = with_dvc({})
    reproduce.main()
    assert dvc.calls == []


def test_a_clone_on_another_cpu_keeps_what_was_restored(with_dvc, made, capsys):
    other = {"train": [{"changed deps": {"build/augmented": "modified"}}]}
    with_dvc(MISSING, other)
    reproduce.main()
    assert "build/ is left out: fetch, augment gave other bytes" in capsys.readouterr().err
    assert (made / "dvc.lock").read_text() == "as committed"
    assert not (made / "build/augmented").exists()


def test_a_changed_stage_runs_after_what_it_reads_is_made(with_dvc):
    dvc = with_dvc(MISSING | CONVERT, CONVERT)
    reproduce.main()
    assert dvc.calls == [("repro", "fetch"), ("repro", "--allow-missing")]


def test_other_bytes_do_not_train_by_surprise_and_are_undone(with_dvc, made):
    surprise = CONVERT | {"train": [{"changed deps": {"build/augmented": "modified"}}]}
    dvc = with_dvc(CONVERT, surprise)
    with pytest.raises(InputError, match="fetch gave other bytes .* train would run"):
        reproduce.main()
    assert dvc.calls == [("repro", "fetch")]
    assert (made / "dvc.lock").read_text() == "as committed"
    assert not (made / "build" / "raw").exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("other", [True, False], ids=["other bytes", "the same bytes"])
def test_what_was_made_before_ctrl_c_trains_nothing_in_the_next_run(
    with_dvc, made, monkeypatch, end, other
):
    dvc = with_dvc(MISSING)

    def half(*arguments, capture=False):
        dvc.run(*arguments)
        if not other:
            Path("dvc.lock").write_text("as committed")
        raise end

    monkeypatch.setattr(reproduce, "_dvc", half)
    with pytest.raises(end):
        reproduce.main()
    assert (made / "dvc.lock").read_text() == "as committed"
    assert (made / "build/raw").exists() == (not other)


def test_ctrl_c_while_dvc_says_what_differs_trains_nothing_in_the_next_run(
    with_dvc, made, monkeypatch
):
    dvc = with_dvc(MISSING)

    def status():
        if not dvc.statuses:
            raise KeyboardInterrupt
        return dvc.status()

    monkeypatch.setattr(reproduce, "read_status", status)
    with pytest.raises(KeyboardInterrupt):
        reproduce.main()
    assert (made / "dvc.lock").read_text() == "as committed"
    assert not (made / "build/augmented").exists()


def test_files_that_were_made_in_vain_are_removed_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce.subprocess, "run", lambda *_, **__: None)
    file, folder = Path("build/weights.npz"), Path("build/raw")
    folder.mkdir(parents=True)
    file.touch()
    reproduce._undo(b"as committed", [file, folder, Path("build/none")])
    assert list(Path("build").iterdir()) == []


def test_changed_photos_of_ones_own_are_no_stage(with_dvc):
    """DVC lists a .dvc file beside the stages; whoever reads its folder is told, too."""
    photos = {"photos/2026/desk.dvc": [{"changed outs": {"photos/2026/desk": "modified"}}]}
    dvc = with_dvc(photos | CONVERT, photos | CONVERT)
    reproduce.main()
    assert dvc.calls[-1] == ("repro", "--allow-missing")


def test_on_ctrl_c_dvc_ends_by_itself_and_no_traceback_is_shown(root, tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    fake = tmp_path / "bin" / "dvc"
    fake.parent.mkdir()
    # Longer than the quarter of a second that subprocess leaves a child after Ctrl-C.
    fake.write_text("#!/bin/sh\nkill -INT $PPID\nsleep 1\necho '{}'\ntouch ended\n")
    fake.chmod(0o755)
    # A shell's background jobs ignore Ctrl-C, and so would these tests in one.
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('meishi.clone.reproduce', run_name='__main__')"
    )
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert (tmp_path / "ended").is_file()
