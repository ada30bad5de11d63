"""The model card: every figure comes from a file, and a change of any is noticed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from meishi import cli, rendering
from meishi.errors import InputError
from meishi.model_card.data import RENDERED
from meishi.model_card.writing import LABELS, ModelCardError, card, check_card, write_card
from meishi.params import load_params
from tests import tiny_data

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("evaluate", "slices", "freeze", "ship", "latency", "latency_photo")


@pytest.fixture
def place(tmp_path):
    """A repository with the real metrics and params, and small data sources."""
    for name in ("params.yaml", "pyproject.toml", "data.dvc"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    fetch = load_params("fetch").fetch
    for source in (*fetch.sources, *fetch.without_cards):
        tiny_data.write_data(tmp_path / source.path)
    return tmp_path


def change(place, name, path, value):
    file = place / "metrics" / f"{name}.json"
    content = json.loads(file.read_text())
    node = content
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    file.write_text(json.dumps(content))


def leaves(node, path=()):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        elif isinstance(value, int | float):
            yield (*path, key), value


def test_what_was_written_is_in_step(place):
    write_card(place / "MODEL_CARD.md", place)
    check_card(place / "MODEL_CARD.md", place)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_on_the_card(place, name):
    before = card(place)
    content = json.loads((place / "metrics" / f"{name}.json").read_text())
    for path, value in leaves(content):
        if path == ("runs",):
            continue  # how often was timed, no result
        change(place, name, path, value + 1)
        assert card(place) != before, path
        change(place, name, path, value)
    assert card(place) == before


def test_a_figure_out_of_step_is_shown_with_both_values(place):
    write_card(place / "MODEL_CARD.md", place)
    change(place, "evaluate", ("capture", "iou_mean"), 0.12345)
    with pytest.raises(ModelCardError, match=r"(?s)not in step.*\+ ?\|.*0\.123.*meishi model-card"):
        check_card(place / "MODEL_CARD.md", place)


def test_a_check_writes_nothing(place):
    with pytest.raises(ModelCardError, match="cannot be read"):
        check_card(place / "MODEL_CARD.md", place)
    assert not (place / "MODEL_CARD.md").exists()


def test_a_metric_nobody_named_is_shown_under_its_key(place):
    change(place, "evaluate", ("capture", "reading_direction"), 0.975)
    assert "| `capture.reading_direction` | 0.975 |" in card(place)


def test_a_label_without_a_metric_makes_no_row(place):
    change(place, "evaluate", ("detection", "ap75"), None)
    assert LABELS["detection.ap75"][0] not in card(place)


def test_the_worst_slices_are_those_with_enough_cards_and_the_least_iou(place):
    kept = json.loads((place / "metrics" / "slices.json").read_text())["frame holds it"]
    slices = {f"frame {n}": kept | {"cards": 40, "iou_mean": n / 100} for n in range(50, 60)}
    slices["frame few"] = kept | {"cards": 3, "iou_mean": 0.1}
    (place / "metrics" / "slices.json").write_text(json.dumps(slices))
    failures = card(place).split("## Known failures")[1].split("## What")[0]
    named = [row.split(" | ")[0] for row in failures.splitlines() if row.startswith("| frame")]
    assert named == [f"| frame {n}" for n in range(50, 58)]
    assert "403 cards" in card(place)


def test_the_data_are_those_of_the_manifests(place):
    assert "| traced | 18 | 18 | 6 | Apache-2.0 |" in card(place)
    assert "| drawn | Apache-2.0 | https://example.org |" in card(place)


def test_params_show(place):
    text = (place / "params.yaml").read_text()
    before = card(place)
    (place / "params.yaml").write_text(text.replace("max_cards: 4", "max_cards: 7"))
    assert "up to 7 business cards" in card(place)
    (place / "params.yaml").write_text(text.replace("seed: 20261", "seed: 3"))
    assert card(place) != before


@pytest.mark.parametrize(
    ("runs", "continued", "told"),
    [
        (1, "true", "from a network trained before"),
        (3, "true", "from a network trained before, the mean of 3 such trainings"),
        (3, "false", "epochs"),
    ],
)
def test_the_card_says_what_a_training_began_with_and_how_often_it_was_done(
    place, runs, continued, told
):
    params = (place / "params.yaml").read_text()
    head, section = params.split("train_unet:", 1)
    section = re.sub(r"runs: \d", f"runs: {runs}", section, count=1)
    section = re.sub(r"continued: \w+", f"continued: {continued}", section, count=1)
    (place / "params.yaml").write_text(head + "train_unet:" + section)
    words = " ".join(card(place).split())
    assert f"{told}; the flat one for" in words


def test_the_models_are_not_needed(place):
    assert not (place / "models").exists()
    assert card(place)


def test_missing_manifests_are_named_together(place):
    shutil.rmtree(place / "data")
    with pytest.raises(ModelCardError, match=r"(?s)composited.*traced.*dvc pull"):
        card(place)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [None, "", "{", "[]", "3", "null", "\x00"])
def test_missing_or_damaged_metrics_are_named(place, name, content):
    file = place / "metrics" / f"{name}.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(ModelCardError, match=f"{name}.json"):
        card(place)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("evaluate", ("capture",)),
        ("evaluate", ("capture", "iou_p05")),
        ("evaluate", ("capture", "recall50")),
        ("evaluate", ("capture", "empty_with_false_card")),
        ("latency", ("host",)),
        ("latency", ("ssd", "tflite", "one_thread", "fps")),
        ("slices", ("held yes", "iou_mean")),
        ("slices", ("held yes", "cards")),
    ],
)
def test_a_figure_that_the_words_need_must_be_there(place, name, path):
    change(place, name, path, None)
    with pytest.raises(ModelCardError, match=path[-1]):
        card(place)


@pytest.mark.parametrize("file", ["pyproject.toml", "data.dvc", "params.yaml"])
@pytest.mark.parametrize("content", [None, "", "]["])
def test_the_other_files_must_be_sound(place, file, content):
    (place / file).unlink()
    if content is not None:
        (place / file).write_text(content)
    with pytest.raises(InputError, match=file):
        card(place)


def test_a_failed_write_leaves_the_old_card(place):
    out = place / "MODEL_CARD.md"
    out.write_text("old")
    (place / "metrics" / "slices.json").unlink()
    with pytest.raises(ModelCardError):
        write_card(out, place)
    assert out.read_text() == "old"


def test_the_command_writes_and_checks(place, monkeypatch):
    monkeypatch.chdir(place)
    runner = CliRunner()
    assert isinstance(runner.invoke(cli.app, ["model-card", "--check"]).exception, ModelCardError)
    assert runner.invoke(cli.app, ["model-card"]).exit_code == 0
    assert runner.invoke(cli.app, ["model-card", "--check"]).exit_code == 0
    change(place, "freeze", ("ssd", "macs"), 5)
    assert isinstance(runner.invoke(cli.app, ["model-card", "--check"]).exception, ModelCardError)


def test_a_source_of_another_tool_has_no_counts(place):
    file = place / "params.yaml"
    own = "- {name: traced, path: data/traced}"
    assert own in file.read_text()
    file.write_text(file.read_text().replace(own, "- {name: desk, path: x.zip, format: coco}"))
    assert "| desk | coco export |" in card(place)


def described(place, name):
    """The card's words on a repository of rendered sources, one manifest of another name."""
    for number, source in enumerate(load_params("fetch").fetch.sources):
        file = place / source.path / "manifest.json"
        manifest = json.loads(file.read_text())
        manifest["name"] = RENDERED[0] if number else name
        file.write_text(json.dumps(manifest))
    return " ".join(card(place).split())


def test_of_rendered_scenes_alone_it_says_that_no_figure_is_of_photos(place):
    words = described(place, RENDERED[1])
    assert "on **rendered scenes, not on photos**, but for photos without a card;" in words
    assert "Photos: but for those without a card, no figure on this card is of one." in words
    assert "The scenes show no real person's card" in words


def test_without_photos_beside_the_scenes_it_says_nothing_of_them(place):
    file = place / "params.yaml"
    file.write_text(re.sub(r"without_cards:.*\n    - .*", "without_cards: []", file.read_text()))
    change(place, "evaluate", ("without_cards",), None)
    words = described(place, RENDERED[1])
    assert "measured by the pipeline on **rendered scenes, not on photos**;" in words
    assert "Photos: no figure on this card is of one." in words
    assert "learnt from them what to refuse" not in words and "none trained on" not in words


def test_of_photos_beside_the_scenes_it_says_how_many_failed_and_are_held_out(place):
    change(place, "evaluate", ("without_cards", "with_false_card"), 0.125)
    words = " ".join(card(place).split())
    assert "photos without a card, none trained on, 12.5% get one;" in words
    held_out = load_params("preprocess").preprocess.photos_held_out
    assert f"what to refuse; {100 * held_out:g} % are held out, at most." in words


def test_of_photos_that_were_added_it_claims_neither(place):
    words = described(place, "desk")
    assert "on scenes of the sources below, **photos among them**;" in words
    assert "not on photos" not in words and "no figure on this card is of one" not in words
    assert "The scenes show no real" not in words
    assert "Other sources (composited) may show real ones" in words


def test_what_each_engine_renders_is_known_as_rendered():
    assert {f"meishi-{engine}" for engine in rendering.ENGINES} == set(RENDERED)


def test_the_card_says_how_far_a_network_was_let_go(place):
    params = (place / "params.yaml").read_text()
    head, section = params.split("train_ssd:", 1)
    (place / "params.yaml").write_text(
        head
        + "train_ssd:"
        + re.sub(r"trained_share: [\d.]+", "trained_share: 0.25", section, count=1)
    )
    assert "from a network trained before, 25% of the way from that one; the segmenter" in " ".join(
        card(place).split()
    )
