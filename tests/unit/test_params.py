import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from meishi.params import ParamsError, load_params


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def replace_value(file: Path, key: str, value: str) -> None:
    text = file.read_text()
    changed = re.sub(rf"^( *{key}:) [^#\n]*", rf"\1 {value} ", text, count=1, flags=re.MULTILINE)
    assert changed != text
    file.write_text(changed)


def test_the_asked_sections_and_no_other_are_there(workspace):
    params = load_params("seed", "ssd")
    assert isinstance(params.seed, int)
    assert len(params.ssd.levels) == len(params.ssd.scales)
    with pytest.raises(AttributeError, match="section 'unet' was not asked for"):
        _ = params.unet


def test_the_asked_keys_of_a_section_and_no_other_are_there(workspace):
    params = load_params("ssd.input_px", "unet.input_px", "unet.margin")
    whole = load_params("ssd", "unet")
    assert params.ssd.input_px == whole.ssd.input_px
    assert (params.unet.input_px, params.unet.margin) == (whole.unet.input_px, whole.unet.margin)
    with pytest.raises(AttributeError, match="levels"):
        _ = params.ssd.levels
    with pytest.raises(AttributeError, match="blocks"):
        _ = params.unet.blocks


def test_a_section_that_is_asked_for_as_a_whole_is_whole(workspace):
    assert load_params("ssd.input_px", "ssd").ssd == load_params("ssd").ssd


@pytest.mark.parametrize("name", ["nosuch", "ssd.nosuch"])
def test_an_unknown_name_is_refused_with_those_there_are(workspace, name):
    with pytest.raises(ParamsError, match="no 'nosuch'; there are .*(preprocess|levels)"):
        load_params(name)


def test_params_cannot_be_changed(workspace):
    with pytest.raises(FrozenInstanceError):
        load_params("ssd").ssd.input_px = 1


def test_an_int_is_taken_for_a_float(workspace):
    replace_value(workspace / "params.yaml", "dice_weight", "1")
    weight = load_params("train_unet").train_unet.dice_weight
    assert (weight, type(weight)) == (1.0, float)


def test_an_exponent_without_a_point_is_a_number(workspace):
    replace_value(workspace / "params.yaml", "weight_decay", "1e-3")
    assert load_params("train_ssd").train_ssd.weight_decay == 0.001


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "'7'", "params.yaml: seed: expected int, got str '7'"),
        ("seed", "true", "params.yaml: seed: expected int, got bool True"),
        ("seed", "1.5", "params.yaml: seed: expected int, got float 1.5"),
        ("pretrained", "1", "[train_ssd]: pretrained: expected bool, got int 1"),
        ("dice_weight", "half", "[train_unet]: dice_weight: expected float, got str 'half'"),
        ("dice_weight", ".nan", "[train_unet]: dice_weight: expected float, got float nan"),
        ("dice_weight", "", "[train_unet]: dice_weight: expected float, got nothing"),
        ("levels", "3", "[ssd]: levels: expected a list, got int 3"),
        ("variances", "[0.1]", "[ssd]: variances: expected 2 items, got 1"),
        ("scales", "[[0.1], [x]]", "[ssd]: scales[1][0]: expected float, got str 'x'"),
        ("perspective", "0.5", "[augment.frame.perspective]: expected keys and values"),
        ("trained_share", "0.0", "trained_share: expected above 0, 1 at most, got 0.0"),
        ("trained_share", "1.5", "trained_share: expected above 0, 1 at most, got 1.5"),
        ("score_target", "box", "score_target: expected one of card, iou, got 'box'"),
        ("offset_beta", "0.0", "offset_beta: expected above 0, got 0.0"),
        ("share_low", "0.0", "share_low: expected above 0, got 0.0"),
        ("aspect", "-1.8", "aspect: expected above 0, got -1.8"),
        ("strategy", "tpu", "strategy: expected one of auto, mirrored, multi_worker, got 'tpu'"),
        ("author", "[a]", "[convert]: author: expected str, got a list"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(workspace, key, value, message):
    replace_value(workspace / "params.yaml", key, value)
    with pytest.raises(ParamsError, match=re.escape(message)):
        load_params("fetch")


def test_a_misspelt_key_is_named_with_the_likely_one(workspace):
    edit(workspace / "params.yaml", "warmup_steps", "warmup_step")
    with pytest.raises(ParamsError) as caught:
        load_params("train_ssd")
    assert str(caught.value).splitlines() == [
        "params.yaml [train_ssd]: unknown key 'warmup_step' (did you mean 'warmup_steps'?)",
        "params.yaml [train_ssd]: missing key 'warmup_steps'",
    ]


def test_a_missing_section_is_named(workspace):
    file = workspace / "params.yaml"
    file.write_text(file.read_text().split("\nevaluate:")[0])
    with pytest.raises(ParamsError, match="params.yaml: missing key 'evaluate'"):
        load_params("seed")


def test_all_faults_come_in_one_message(workspace):
    file = workspace / "params.yaml"
    replace_value(file, "seed", "x")
    replace_value(file, "margin", "x")
    replace_value(file, "overlays", "x")
    with pytest.raises(ParamsError) as caught:
        load_params("seed")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "content", ["a: [", "seed: 1\nseed: 2\n", "- 1\n", ""], ids=["broken", "twice", "list", "empty"]
)
def test_a_file_that_is_no_mapping_is_refused(workspace, content):
    (workspace / "params.yaml").write_text(content)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params("seed")


@pytest.mark.parametrize("value", ["2026-13-01", "!!int 'x'", "9" * 5000])
def test_a_value_that_yaml_cannot_read_is_a_fault_of_the_file(workspace, value):
    (workspace / "params.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read"):
        load_params("seed")


def test_a_missing_file_is_named_and_where_to_run_it(workspace):
    (workspace / "params.yaml").unlink()
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read: .* of a clone$"):
        load_params("seed")


def test_a_key_that_is_there_twice_is_told_by_its_line_without_advice_for_programmers(workspace):
    (workspace / "params.yaml").write_text("seed: 1\nseed: 2\n")
    with pytest.raises(ParamsError) as refused:
        load_params("seed")
    assert "line 2" in str(refused.value) and "seed" in str(refused.value)
    assert "http" not in str(refused.value)


@pytest.mark.parametrize("key", ["batch", "epochs", "runs", "checkpoint_steps"])
def test_a_count_below_one_is_refused(workspace, key):
    file = workspace / "params.yaml"
    text = re.sub(rf"(train_unet:.*?\n  {key}: )\d+", r"\g<1>0", file.read_text(), flags=re.S)
    file.write_text(text)
    with pytest.raises(ParamsError, match=rf"\[train_unet\]: {key}: expected 1 at least, got 0"):
        load_params("seed")


def test_a_probability_above_one_is_refused(workspace):
    file = workspace / "params.yaml"
    file.write_text(file.read_text().replace("cast: {probability: 0.3", "cast: {probability: 1.3"))
    with pytest.raises(ParamsError, match="probability: expected 0 to 1, got 1.3"):
        load_params("seed")
