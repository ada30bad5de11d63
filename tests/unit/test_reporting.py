import json

import numpy as np
import pytest

from meishi.reporting import main, metrics_table, write_csv, write_metrics


def test_metrics_are_sorted_and_rounded(tmp_path):
    file = tmp_path / "metrics" / "m.json"
    write_metrics(file, {"b": np.float32(0.1), "a": {"y": 1 / 3, "x": np.int64(3)}, "host": "cpu"})
    text = file.read_text()
    assert json.loads(text) == {"a": {"x": 3, "y": 0.33333}, "b": 0.1, "host": "cpu"}
    assert text.index('"a"') < text.index('"b"')


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_a_number_that_is_not_finite_is_refused_and_nothing_written(tmp_path, value):
    with pytest.raises(ValueError, match=r"m\.json: not a finite number: a\.b, c\.1"):
        write_metrics(tmp_path / "m.json", {"a": {"b": value, "ok": 1}, "c": [0, value]})
    assert list(tmp_path.iterdir()) == []


def test_the_table_names_files_and_keys(tmp_path):
    write_metrics(tmp_path / "m.json", {"ap50": 0.98765, "speed": {"fps": 31}})
    assert metrics_table([tmp_path / "m.json"]).splitlines() == [
        str(tmp_path / "m.json"),
        "  ap50       0.98765",
        "  speed.fps  31",
    ]


def test_the_report_says_where_the_overlays_lie(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_metrics(tmp_path / "metrics" / "m.json", {"ap50": 1.0})
    overlay = tmp_path / "plots" / "overlays" / "a.jpg"
    overlay.parent.mkdir(parents=True)
    overlay.touch()
    main()
    assert capsys.readouterr().out.endswith("Overlay pictures: 1 in plots/overlays/\n")


def test_rows_become_csv(tmp_path):
    write_csv(tmp_path / "h.csv", [{"step": 1, "loss": 0.25}, {"step": 2, "loss": 1 / 3}])
    assert (tmp_path / "h.csv").read_text() == "step,loss\n1,0.25\n2,0.333333\n"


def test_rows_of_other_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected columns"):
        write_csv(tmp_path / "h.csv", [{"a": 1}, {"b": 1}])
