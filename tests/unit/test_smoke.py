import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meishi.clone import smoke
from meishi.data.sources import verified_scenes
from meishi.errors import InputError
from meishi.params import FetchParams, SourceParams, load_params
from tests.conftest import ROOT

SOURCE = SourceParams("tiny", "data")


def test_a_thinned_source_is_sound_and_spread_over_the_whole(data, tmp_path):
    count = smoke.thin_source(SOURCE, tmp_path / "copy", 4)
    whole = [json.loads(line)["id"] for line in (data / "records.jsonl").read_text().splitlines()]
    thin = tmp_path / "copy" / "data"
    source = replace(SOURCE, path=str(thin))
    weights = str(thin / "weights" / "efficientnet_lite0.npz")
    scenes = list(verified_scenes(FetchParams((source,), weights, weights)))
    assert count == len(scenes) == 4
    assert [record.id for record, _ in scenes][:: count - 1] == [whole[0], whole[-1]]


def test_a_source_with_fewer_scenes_than_wanted_is_taken_whole(data, tmp_path):
    assert smoke.thin_source(SOURCE, tmp_path / "copy", 10_000) == 18


def test_the_source_itself_stays_as_it_is(data, tmp_path):
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    smoke.thin_source(SOURCE, tmp_path / "copy", 3)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_a_missing_source_says_how_it_is_restored(workspace):
    with pytest.raises(InputError, match="`dvc pull data.dvc` restores data/"):
        smoke.thin_source(SOURCE, workspace / "copy", 3)


def test_another_tools_export_is_refused_by_name(workspace):
    source = replace(SOURCE, format="coco")
    with pytest.raises(InputError, match=r"source 'tiny': .*not of coco; `meishi add-photos`"):
        smoke.thin_source(source, workspace / "copy", 3)


def test_our_overrides_change_params_that_there_are():
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params |= {f"tune.{name}": entry for name, entry in params["tune"].items()}
    found = smoke.read_overrides(ROOT / smoke.OVERRIDES)
    for section, values in found.params.items():
        for key, value in values.items():
            assert type(value) is type(params[section][key]), f"{section}.{key}"


def test_overrides_become_options():
    options = smoke.overrides({"a": {"on": True, "share": 0.5}, "b": {"count": 2}})
    assert options == ["-S", "a.on=true", "-S", "a.share=0.5", "-S", "b.count=2"]


def test_variants_that_are_not_named_are_left_out(workspace):
    params = load_params("exports", "tune")
    options = smoke.thinned(["ssd_fp16"], params)[1::2]
    assert {f"~exports.{name}" for name in params.exports} - set(options) == {"~exports.ssd_fp16"}
    assert {f"~tune.{name}" for name in params.tune} <= set(options)
    assert [option for option in options if "=" in option] == [
        "exports.ssd_fp16.tolerance=100",
        "exports.ssd_fp16.loss=100",
    ]
    with pytest.raises(InputError, match="no entry 'ssd_fp8'"):
        smoke.thinned(["ssd_fp8"], params)


def test_what_a_named_variant_is_tuned_by_stays(workspace):
    options = smoke.thinned(["unet_tuned_palette4"], load_params("exports", "tune"))
    assert "~tune.ssd_palette4" in options and "~tune.unet_palette4" not in options


def test_our_variants_are_entries_of_each_network():
    exports = load_params("exports", path=ROOT / "params.yaml").exports
    kept = smoke.read_overrides(ROOT / smoke.OVERRIDES).variants
    assert {exports[name].model for name in kept} == {"ssd", "unet", "flat", "direction"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params: {}", "missing key 'scenes_per_source'"),
        ("scenes_per_source: few\nparams: {}", "expected int, got str 'few'"),
        ("scenes_per_source: 2\nparam: {}", "unknown key 'param' (did you mean 'params'?)"),
        ("[]", "expected keys and values, got"),
    ],
)
def test_unusable_overrides_are_refused(tmp_path, text, message):
    file = tmp_path / "smoke.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        smoke.read_overrides(file)
    assert message in str(error.value)


def test_the_copy_has_new_files_and_neither_store_nor_what_git_ignores(workspace):
    subprocess.run(["git", "init", "-q"], check=True)
    for name in ("storage/a", "build/b", "stages/new.py", "dvc.lock", ".gitignore", "gone"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text("/build/\n")
    subprocess.run(["git", "add", "-A"], check=True)
    (workspace / "gone").unlink()
    (workspace / "later").write_text("not added yet")
    smoke.copy_repository(workspace / ".git" / "copy")
    copied = workspace / ".git" / "copy"
    names = sorted(str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file())
    assert names == [".gitignore", "later", "params.yaml", "stages/new.py"]


def test_outputs_that_are_missing_are_all_named(workspace, monkeypatch):
    (workspace / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (workspace / "models" / "ssd").mkdir(parents=True)
    monkeypatch.setattr(smoke, "_run", lambda *_: '{"evaluate": ["changed command"]}')
    monkeypatch.setattr(smoke, "summary", "\n".join)  # which cuts a list as long as this one
    with pytest.raises(InputError) as error:
        smoke.check_outputs(Path("."))
    for fault in ("models/ssd: declared", "metrics/evaluate.json: declared", "evaluate: out of"):
        assert fault in str(error.value)
