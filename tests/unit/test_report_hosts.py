"""Times of two hosts are not compared: a dash for the change, and both hosts by name."""

import pytest

from meishi.report import markdown
from meishi.report.figures import NOT_COMPARED, Compared, Figure, compare
from meishi.report.hosts import TIMED, not_compared, times_line
from meishi.report.revisions import Snapshot, snapshot
from meishi.rules import GateParams
from tests.unit import history as repository

BASE = {"cpu": "AMD, family 26", "cores": 2, "system": "Linux x86_64", "tensorflow": "2.21.0"}
OTHER = BASE | {"cpu": "Intel, family 6"}
BOTH = "HEAD: AMD, family 26, 2 cores, Linux x86_64; workspace: Intel, family 6, 2 cores, Linux"


@pytest.fixture
def repo(workspace):
    """A commit whose times come from `BASE`, and the same files in the working directory."""
    repository.start(workspace)
    hosted(workspace, BASE)
    repository.commit(workspace)
    return workspace


def hosted(repo, host, files=tuple(TIMED)):
    for file in files:
        repository.change(repo, file, "host", host)


def slower(repo):
    repository.change(repo, "latency", "ssd.tflite.one_thread.p50_ms", 900.0)
    repository.change(repo, "latency_photo", "capture.tflite.one_thread.p50_ms", 90_000.0)


def changes(file):
    rows = compare(Snapshot(), snapshot("HEAD"))
    return {row.change for row in rows if row.figure.file == file}


def test_times_of_one_host_are_compared_and_nothing_more_is_said(repo):
    hosted(repo, BASE | {"tensorflow": "2.22.0", "python": "3.12"})
    slower(repo)
    for file in TIMED:
        assert NOT_COMPARED not in changes(file)
        assert any(change.startswith("+") for change in changes(file))
    assert not_compared(Snapshot(), snapshot("HEAD")) == ""
    for base in (None, snapshot("HEAD")):
        assert times_line(Snapshot(), base) == "Times: AMD, family 26, 2 cores."


@pytest.mark.parametrize("part", [{"cpu": "AMD, family 25"}, {"cores": 4}, {"system": "Darwin"}])
def test_times_of_another_machine_have_a_dash_for_the_change(repo, part):
    hosted(repo, BASE | part)
    slower(repo)
    assert changes("latency") == changes("latency_photo") == {"–"}
    assert NOT_COMPARED not in changes("evaluate") | changes("freeze")


def test_both_hosts_are_named_in_one_line(repo):
    hosted(repo, OTHER)
    line = not_compared(Snapshot(), snapshot("HEAD"))
    assert line == f"Times are not compared. {BOTH} x86_64."
    assert times_line(Snapshot(), snapshot("HEAD")) == line


def test_each_file_is_compared_by_its_own_host(repo):
    hosted(repo, OTHER, ["latency_photo"])
    slower(repo)
    assert NOT_COMPARED not in changes("latency") and changes("latency_photo") == {NOT_COMPARED}
    apart = "Times of flat U-Net and photo are not compared."
    assert not_compared(Snapshot(), snapshot("HEAD")) == f"{apart} {BOTH} x86_64."
    line = times_line(Snapshot(), snapshot("HEAD"))
    assert line.startswith(f"Times: AMD, family 26, 2 cores. {apart}") and "\n" not in line


@pytest.mark.parametrize("unknown", [None, "a host", {}, {"cpu": "AMD, family 26", "cores": 2}])
def test_times_without_a_host_are_not_compared(repo, unknown):
    hosted(repo, unknown)
    assert changes("latency") == changes("latency_photo") == {NOT_COMPARED}
    assert "workspace: host not recorded." in not_compared(Snapshot(), snapshot("HEAD"))
    repository.commit(repo)
    assert changes("latency") == {NOT_COMPARED}  # neither is known: they may be two
    hosted(repo, BASE)
    assert "HEAD: host not recorded; workspace: AMD" in times_line(Snapshot(), snapshot("HEAD"))


def test_a_base_without_a_file_of_times_is_no_other_host(repo):
    repository.git(repo, "rm", "-q", "--cached", "metrics/latency_photo.json", "plots", "-r")
    repository.git(repo, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")
    assert changes("latency_photo") == {""}
    assert not_compared(Snapshot(), snapshot("HEAD")) == ""
    hosted(repo, OTHER)
    assert not_compared(Snapshot(), snapshot("HEAD")).startswith("Times are not compared")


def test_a_figure_of_two_hosts_gets_no_verdict():
    figure = Figure("time", "latency", "ssd.ms", "{:.1f}", "lower")
    assert Compared(figure, 1.0, 2.0, comparable=True).verdict == "better"
    other = Compared(figure, 1.0, 2.0, comparable=True, one_host=False)
    assert (other.change, other.verdict) == (NOT_COMPARED, "")


@pytest.mark.parametrize("host", [BASE, OTHER])
def test_a_pull_request_names_the_hosts_below_its_table_where_they_differ(repo, host, monkeypatch):
    monkeypatch.setattr(markdown, "_difference", lambda *given: "")
    hosted(repo, host)
    text = markdown.pull_request_report(GateParams(()), Snapshot(), snapshot("HEAD"))
    (row,) = [line for line in text.splitlines() if line.startswith("| SSD: LiteRT")]
    if host == BASE:
        assert row.endswith("| = |") and "not compared" not in text
    else:
        assert row.endswith("| – |") and "|\n\nTimes are not compared." in text
        assert BOTH in text


@pytest.mark.parametrize("host", [BASE, OTHER])
def test_the_page_says_the_same(repo, host):
    from meishi.report import page

    hosted(repo, host)
    head, base = Snapshot(), snapshot("HEAD")
    empty = {"charts": [], "captures": {}, "missing": [], "card": "", "other_data": False}
    content = {"head": head, "base": base, "compared": compare(head, base), **empty}
    html = page._rendered(content | {"times": times_line(head, base)})
    dashes = html.count('<td class="number ">–</td>')
    assert dashes == (0 if host == BASE else 10) and (BOTH in html) == (host == OTHER)
