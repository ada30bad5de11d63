"""The table of the variants, the rule, and what a clone says about itself."""

import json
import subprocess
from dataclasses import replace

import pytest

from meishi import shipping, variants
from meishi.errors import InputError
from meishi.rules import LossParams, ShipParams
from meishi.variants import Variant

pytestmark = pytest.mark.tf

BIG = Variant("ssd", "ssd", "mlprogram", "iOS15", "fp32", 0.01, 0.1, "fp32")
HALF = replace(BIG, weights="fp16", precision="fp16")
SMALL = replace(HALF, weights="int8", target="iOS16")
MASKS = replace(HALF, model="unet", source="unet")
READS = replace(HALF, model="direction", source="direction")
FLAT = replace(HALF, model="flat", source="flat")
EXPORTS = {"big": BIG, "half": HALF, "small": SMALL, "masks": MASKS, "flat": FLAT, "reads": READS}
FLOAT32 = {"detection": {"ap50": 0.9}, "capture": {"iou_mean": 0.8}}
RULE = ShipParams("iOS15", (LossParams("detection.ap50", 0.01),), (), (), ())


def row(size, ap50=0.9):
    return {"bytes": size, "detection": {"ap50": ap50}, "capture": {"iou_mean": 0.8}}


def table(**changes):
    rows = {"big": row(400), "half": row(200), "small": row(100), "masks": row(50)}
    return rows | {"flat": row(40), "reads": row(30)} | changes


def decide(exports, rows, rule, original=FLOAT32):
    """Decide by rows that hold all that was measured."""
    return shipping.decide(exports, rows, rows, original, rule)


def test_the_smallest_that_keeps_to_the_rule_is_chosen():
    decision = decide(EXPORTS, table(), RULE)
    assert decision.chosen == {"ssd": "half", "unet": "masks", "flat": "flat", "direction": "reads"}
    assert decision.refused == {
        "big": "larger than half",
        "small": "needs iOS16, the apps run on iOS15",
    }


def test_apps_of_a_newer_system_get_the_smaller_one():
    decision = decide(EXPORTS, table(), replace(RULE, target="iOS16"))
    assert decision.chosen["ssd"] == "small"
    assert decision.refused == {"big": "larger than small", "half": "larger than small"}


def test_what_loses_too_much_is_not_chosen_however_small():
    found = table(half=row(200, 0.885))
    decision = decide(EXPORTS, found, RULE)
    assert decision.chosen["ssd"] == "big"
    assert decision.refused["half"] == "loses 0.0150 of detection.ap50, allowed 0.01"


def test_a_loss_as_large_as_allowed_is_taken():
    decision = decide(EXPORTS, table(half=row(200, 0.89)), RULE)
    assert decision.chosen["ssd"] == "half"


def test_a_neural_network_is_no_package():
    exports = EXPORTS | {"half": replace(HALF, format="neuralnetwork", precision="")}
    decision = decide(exports, table(), RULE)
    assert decision.chosen["ssd"] == "big" and "an .mlmodel" in decision.refused["half"]


def test_of_two_of_one_size_the_first_by_name_is_chosen():
    decision = decide(EXPORTS, table(big=row(200)), RULE)
    assert decision.chosen["ssd"] == "big"


def test_without_one_that_fits_every_reason_is_given():
    found = table(big=row(400, 0.5), half=row(200, 0.6))
    with pytest.raises(InputError) as caught:
        decide(EXPORTS, found, RULE)
    lines = str(caught.value).splitlines()
    assert lines[0] == "no variant of ssd can be shipped (params: ship)"
    assert [line.split(":")[0] for line in lines[1:]] == ["big", "half", "small"]


def test_a_network_without_a_variant_cannot_be_shipped():
    exports = {name: v for name, v in EXPORTS.items() if v.model == "ssd"}
    with pytest.raises(InputError, match="no variant of unet can be shipped"):
        decide(exports, table(), RULE)


def test_a_rule_may_name_a_figure_that_the_table_does_not_show():
    path = "capture.empty_with_false_card"
    assert path not in shipping.SHOWN
    original = {"capture": {"empty_with_false_card": 0.01}}
    measured = {name: original for name in EXPORTS}
    measured["half"] = {"capture": {"empty_with_false_card": 0.04}}
    rule = replace(RULE, ssd=(LossParams(path, 0.02),))
    decision = shipping.decide(EXPORTS, table(), measured, original, rule)
    assert decision.chosen["ssd"] == "big"
    assert decision.refused["half"] == f"loses 0.0300 of {path}, allowed 0.02"


def test_a_figure_that_nobody_measures_is_named():
    rule = replace(RULE, ssd=(LossParams("detection.ap5", 0.1),))
    with pytest.raises(InputError, match=r"figure 'detection.ap5' of ssd was.* detection.ap50"):
        decide(EXPORTS, table(), rule)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A folder with what convert and measure write, and a lint that finds two things a package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipping, "lint_package", lambda path: [path, path])
    for name, package in (("half", "CardDetector"), ("masks", "CardSegmenter")):
        packages = {package: {"bytes": 10, "compression": 2.0, "max_difference": {"x": 0.25}}}
        if package == "CardDetector":
            packages["CardDetectorRaw"] = packages[package] | {"max_difference": {"x": 0.5}}
        write(f"metrics/convert/{name}.json", packages)
        write(f"metrics/measure/{name}.json", {"capture": {"iou_mean": 0.75, "false": 1}})
        (tmp_path / variants.FOLDER / name).mkdir(parents=True)
    return {"half": HALF, "masks": MASKS}


def write(name, content):
    file = shipping.Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def test_the_table_joins_what_the_stages_found(measured):
    rows = shipping.read_table(measured, FLOAT32)
    assert rows["half"] == {
        "model": "ssd",
        "target": "iOS15",
        "weights": "fp16",
        "bytes": 10,
        "compression": 2.0,
        "max_difference": 0.5,
        "findings": 4,
        "loss": {"capture_iou_mean": 0.05},
        "capture": {"iou_mean": 0.75},
    }
    assert rows["masks"]["findings"] == 2


def test_packages_that_are_left_of_an_entry_are_named(measured):
    write("models/variants/old/x", {})
    with pytest.raises(InputError, match=r"rm -r .*old"):
        shipping.read_table(measured, FLOAT32)


def test_a_variant_without_figures_is_named(measured):
    (shipping.MEASURED / "half.json").unlink()
    with pytest.raises(InputError, match=r"measure/half\.json.*`dvc repro` makes it"):
        shipping.read_table(measured, FLOAT32)


def test_the_plot_has_a_row_for_each_variant(measured):
    rows = shipping.plot_rows(shipping.read_table(measured, FLOAT32))
    assert [row["variant"] for row in rows] == ["half", "masks"]
    assert rows[0]["capture_iou"] == 0.75 and rows[0]["ap50_95"] == ""


def test_the_commit_is_that_which_is_checked_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    assert shipping.git_commit() == shipping.UNKNOWN
    (tmp_path / "a").write_text("a")
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "add", "a"], check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "a"], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    assert shipping.git_commit() == head.stdout.strip() != ""


def test_the_hash_of_the_data_is_that_of_the_pointer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipping.data_md5() == shipping.UNKNOWN
    shipping.DATA.write_text("outs:\n- md5: abc.dir\n  path: data\n")
    assert shipping.data_md5() == "abc.dir"
    shipping.DATA.write_text("outs: []\n")
    with pytest.raises(InputError, match=r"data\.dvc: no hash in it"):
        shipping.data_md5()
