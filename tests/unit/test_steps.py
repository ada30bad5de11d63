"""A stage's script runs itself, or one of its steps by name."""

import sys
from types import SimpleNamespace

import pytest

from meishi.errors import InputError
from meishi.steps.running import run_step_or


@pytest.fixture
def called(monkeypatch):
    """What ran, with what: a stage that takes KEY, and its step `polish`, which takes KEY too."""
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
    ("arguments", "usage"),
    [((), "`KEY`"), (("a", "b"), "`KEY`, got `a b`"), (("polish",), "`polish KEY`, got `polish`")],
)
def test_wrong_arguments_are_refused_with_the_right_ones(called, arguments, usage):
    with pytest.raises(InputError, match=usage):
        called(*arguments)
