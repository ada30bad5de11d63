"""A stage's script runs itself, or one of its steps by name."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from meishi.errors import InputError
from meishi.steps.running import run_step_or


@pytest.fixture
def called(monkeypatch, tmp_path):
    """What ran, with what: a stage that takes KEY, and its step `polish`, which takes KEY too."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def run(key):
        calls.append(("polish", key))

    monkeypatch.setitem(sys.modules, "meishi.steps.polish", SimpleNamespace(run=run))

    def start(*arguments):
        run_step_or(lambda key: calls.append(("stage", key)), ["polish"], arguments)
        return calls

    return start


def test_a_key_goes_to_the_stage(called):
    assert called("ssd_fp16") == [("stage", "ssd_fp16")]


def test_a_step_runs_by_name(called):
    assert called("polish", "net") == [("polish", "net")]


@pytest.mark.parametrize(
    ("arguments", "got"),
    [((), "nothing"), (("a", "b"), "`a b`"), (("polish",), "`polish`"), (("-h", "x"), "`-h x`")],
)
def test_wrong_arguments_are_refused_with_the_right_ones(called, arguments, got):
    with pytest.raises(InputError, match=f"expected `KEY` or `polish KEY`, got {got}"):
        called(*arguments)


def test_the_keys_that_there_are_are_listed(called):
    Path("params.yaml").write_text("exports: {a_fp16: 1, b_int8: 2}\npolish: {net: 3}\n")
    with pytest.raises(InputError, match="\nKEY: a_fp16, b_int8\nKEY of polish: net$"):
        called()
