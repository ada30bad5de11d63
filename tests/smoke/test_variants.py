"""An entry of `exports` is a variant: adding, changing or removing one touches no other."""

import re

import pytest
from ruamel.yaml import YAML

from tests import toy_repository

pytestmark = pytest.mark.smoke


@pytest.fixture
def toy(toy_made, tmp_path):
    return toy_repository.copy(toy_made, tmp_path / "toy")


def change(toy, edit) -> None:
    yaml = YAML()
    params = yaml.load((toy / "params.yaml").read_text())
    edit(params["exports"])
    with (toy / "params.yaml").open("w") as stream:
        yaml.dump(params, stream)


def ran(toy) -> list[str]:
    return re.findall(r"Running stage '([\w@]+)'", toy_repository.run("dvc repro", toy))


def test_an_entry_that_is_added_converts_and_measures_one(toy):
    change(toy, lambda exports: exports.update(ssd_int8={**exports["ssd_fp16"], "loss": 0.5}))
    for kind in ("convert", "measure"):  # the toy takes its metrics from templates
        folder = toy / "templates" / "metrics" / kind
        (folder / "ssd_int8.json").write_bytes((folder / "ssd_fp16.json").read_bytes())
    assert ran(toy) == ["convert@ssd_int8", "ship"]
    assert (toy / "models" / "variants" / "ssd_int8").is_dir()


def test_an_entry_that_is_changed_converts_and_measures_one(toy):
    change(toy, lambda exports: exports["unet_fp16"].update(tolerance=0.5))
    found = ran(toy)
    assert found[0] == "convert@unet_fp16"
    assert set(found) <= {"convert@unet_fp16", "ship"}


def test_an_entry_that_is_removed_only_changes_the_table(toy):
    change(toy, lambda exports: exports.pop("unet_fp16"))
    assert ran(toy) == ["ship"]
