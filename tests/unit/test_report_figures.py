import pytest

from meishi.report.figures import FIGURES, Compared, Figure, compare, value_of
from meishi.report.revisions import RevisionError, Snapshot, history, snapshot
from tests.unit import history as repository


@pytest.fixture
def repo(workspace):
    repository.start(workspace)
    return workspace


def figure(better="higher", form="{:.3f}"):
    return Figure("quality", "evaluate", "capture.iou_mean", form, better)


def test_every_figure_is_in_our_metrics(repo):
    assert [row.figure for row in compare(Snapshot(), None)] == list(FIGURES)


def test_headline_figures_are_named_once():
    names = [(figure.file, figure.path) for figure in FIGURES]
    assert len(set(names)) == len(names)


def test_a_revision_keeps_its_figures_when_files_change(repo):
    before = value_of(snapshot("HEAD"), figure())
    repository.change(repo, "evaluate", "capture.iou_mean", 0.5)
    assert value_of(Snapshot(), figure()) == 0.5
    assert value_of(snapshot("HEAD"), figure()) == before


def test_a_subfolder_of_a_repository_is_read_as_its_own(repo, monkeypatch):
    inner = repo / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert snapshot("HEAD").text(repo.__class__("metrics/evaluate.json")) is None


@pytest.mark.parametrize(
    ("value", "base", "better", "change", "verdict"),
    [
        (0.91, 0.90, "higher", "+0.010", "better"),
        (0.89, 0.90, "higher", "-0.010", "worse"),
        (0.91, 0.90, "lower", "+0.010", "worse"),
        (0.89, 0.90, "lower", "-0.010", "better"),
        (0.91, 0.90, "", "+0.010", ""),
        (0.9001, 0.90, "higher", "=", ""),
        (0.9, None, "higher", "", ""),
    ],
)
def test_a_change_has_its_sign_and_its_verdict(value, base, better, change, verdict):
    compared = Compared(figure(better), value, base, comparable=True)
    assert (compared.change, compared.verdict) == (change, verdict)


def test_shares_move_by_points():
    share = Compared(figure(form="{:.1%}"), 0.962, 0.971, comparable=True)
    assert (share.change, share.verdict) == ("-0.9 points", "worse")


def test_figures_on_other_scenes_get_no_verdict(repo):
    repository.lock(repo, "scenes of the second day")
    repository.change(repo, "evaluate", "capture.iou_mean", 0.1)
    repository.change(repo, "freeze", "ssd.parameters", 1)
    rows = {row.figure.path: row for row in compare(Snapshot(), snapshot("HEAD"))}
    assert rows["capture.iou_mean"].verdict == ""
    assert rows["ssd.parameters"].verdict == "better"


def test_photos_without_a_card_are_shown_where_they_were_measured(repo):
    (photos,) = [one for one in FIGURES if not one.always]
    rows = {row.figure: row for row in compare(Snapshot(), snapshot("HEAD"))}
    assert rows[photos].change == "="
    repository.change(repo, "evaluate", "without_cards.with_false_card", 0.5)
    rows = {row.figure: row for row in compare(Snapshot(), snapshot("HEAD"))}
    assert (
        rows[photos].change.startswith("+") and rows[photos].verdict == ""
    )  # other photos, perhaps
    repository.change(repo, "evaluate", "without_cards", None)
    rows = {row.figure: row for row in compare(Snapshot(), snapshot("HEAD"))}
    assert photos not in rows and len(rows) == len(FIGURES) - 1


def test_a_base_without_a_figure_is_compared_in_the_others(repo):
    before = value_of(Snapshot(), figure())
    repository.change(repo, "evaluate", "capture", {})
    repository.commit(repo)
    repository.git(repo, "checkout", "-q", "HEAD~1", "--", "metrics")
    rows = {row.figure.path: row for row in compare(Snapshot(), snapshot("HEAD"))}
    assert (rows["capture.iou_mean"].value, rows["capture.iou_mean"].base) == (before, None)
    assert rows["detection.ap50"].base is not None


@pytest.mark.parametrize(
    "rev", ["nosuch", "", "-h", "--help", "HEAD:metrics", "HEAD~99", "main..HEAD"]
)
def test_an_unknown_revision_is_refused(repo, rev):
    with pytest.raises(RevisionError, match="git knows no such revision"):
        snapshot(rev)


def test_an_experiment_is_found_by_its_name(repo):
    repository.git(repo, "update-ref", "refs/exps/ab/cdef/fast", "HEAD")
    assert snapshot("fast").name == "fast"
    assert value_of(snapshot("fast"), figure()) == value_of(Snapshot(), figure())


def test_a_hash_is_shown_short(repo):
    rev = repository.git(repo, "rev-parse", "HEAD").strip()
    assert snapshot(rev).name == rev[:10]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "metrics/evaluate.json: not in workspace; run `make repro`"),
        ("{", "metrics/evaluate.json of workspace: not JSON"),
        ("[1]", "expected an object, got"),
        ('{"capture": 3}', "capture.iou_mean: expected a number, got None"),
        ('{"capture": {"iou_mean": "0.9"}}', "expected a number, got '0.9'"),
        ('{"capture": {"iou_mean": true}}', "expected a number, got True"),
        ('{"capture": {"iou_mean": {}}}', "expected a number, got {}"),
    ],
)
def test_unusable_metrics_are_named(repo, content, message):
    file = repo / "metrics" / "evaluate.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(RevisionError) as error:
        value_of(Snapshot(), figure())
    assert message in str(error.value)


def test_history_lists_the_commits_that_changed_a_file(repo):
    path = repo.__class__("metrics/evaluate.json")
    (repo / "other").write_text("x")
    repository.commit(repo)
    assert len(history(path, 10)) == 1
    repository.change(repo, "evaluate", "capture.iou_mean", 0.5)
    repository.commit(repo)
    assert len(history(path, 10)) == 2
    assert len(history(path, 1)) == 1
    (repo / ".git" / "config").open("a").write(
        "[log]\n\tshowSignature = true\n[gpg]\n\tprogram = false\n"
    )
    assert len(history(path, 10)) == 2
