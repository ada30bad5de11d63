"""docs/collections.md and the workflow say what is so."""

import dataclasses
import re

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from meishi import cli
from meishi.collections import gate, layout, scenario, simulated, simulation, trust
from tests.contract.imports import ROOT
from tests.unit import (
    test_collections_archives,
    test_collections_metadata,
    test_collections_transport,
)

DOCUMENT = (ROOT / "docs" / "collections.md").read_text(encoding="utf-8")
WORKFLOW = ROOT / ".github" / "workflows" / "collections.yaml"
COMMANDS = get_command(cli.app).commands["collections"].commands
each_text = pytest.mark.parametrize(
    "text", [DOCUMENT, WORKFLOW.read_text(encoding="utf-8")], ids=["document", "workflow"]
)


@each_text
def test_commands_and_their_options_exist(text):
    joined = text.replace("\\\n", " ")
    found = re.findall(r"meishi collections ([a-z-]+)\b([^`\n#]*)", joined)
    assert found
    for name, rest in found:
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", rest)) <= options, name


def test_every_command_is_documented():
    assert [name for name in COMMANDS if name not in DOCUMENT] == []


def test_every_attack_is_in_the_table_and_every_line_is_a_test():
    tests = [
        *test_collections_transport.ATTACKS,
        *test_collections_metadata.ATTACKS,
        *test_collections_archives.ARCHIVES,
        *test_collections_archives.ENTRIES,
        *test_collections_archives.UNFIT,
    ]
    table = DOCUMENT.split("## Attacks")[1]
    assert re.findall(r"^\| ([^|]+) \| (?:failed|refused|unchanged) \|", table, re.M) == tests
    assert len(set(tests)) == len(tests) >= 40


def test_the_table_of_roles_is_that_of_the_code():
    for role, (count, needed) in layout.KEYS.items():
        each = " each" if role in ("staging", "snapshot", "timestamp") else ""
        assert re.search(rf"\| [^|]*\b{role}\b[^|]* \| {count}, {needed}{each} \|", DOCUMENT), role
    for days in set(layout.EXPIRY_DAYS.values()):
        assert f"{days} days" in DOCUMENT


def test_the_limits_of_the_protocol_are_those_of_the_code():
    config = trust.CONFIG
    limits = (config.root_max_length, config.timestamp_max_length, config.snapshot_max_length)
    root, timestamp, snapshot = limits
    text = f"root {root:,}, timestamp {timestamp:,}, snapshot {snapshot:,}, others "
    assert text + f"{config.targets_max_length:,}" in DOCUMENT


def test_the_rates_of_the_simulation_are_those_of_the_code():
    rates = {name: percent for name, (percent, _) in simulation.FAULTS.items()}
    assert rates == {"lost": 3, "cut": 3, "server error": 2, "slow": 1, "hung": 0.1}
    assert "3 % are lost, 3 % cut, 2 % are errors, 1 % drip, 0.1 %" in DOCUMENT
    assert f"in {simulated.KILLED} % of the polls" in DOCUMENT
    assert f"{len(scenario.STEPS)} steps" in DOCUMENT


def test_the_configuration_names_metrics_that_exist():
    config = gate.read_config(ROOT / layout.CONFIG)
    for model in config.models:
        names = {bound.metric.split(":")[0] for bound in model.bounds}
        files = {name: (ROOT / "metrics" / f"{name}.json").read_bytes() for name in names}
        any_value = [dataclasses.replace(b, at_least=-1e9, at_most=1e9) for b in model.bounds]
        wanted = dataclasses.replace(model, bounds=tuple(any_value))
        assert len(gate.check_metrics(wanted, gate.read_metrics(files))) == len(model.bounds) > 0


def test_the_configuration_names_packages_that_are_converted():
    convert = (ROOT / "metrics" / "ship.json").read_text(encoding="utf-8")
    for model in gate.read_config(ROOT / layout.CONFIG).models:
        folder, _, name = model.package.rpartition("/")
        assert folder == "models/coreml" and f'"{name.removesuffix(".mlpackage")}"' in convert


def test_what_the_workflow_installs_exists():
    document = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))
    runs = " ".join(step.get("run", "") for step in document["jobs"]["publish"]["steps"])
    files = re.findall(r"-r (\S+)", runs)
    assert files and all((ROOT / file).is_file() for file in files)


def test_swift_is_marked_as_not_compiled():
    assert "not compiled here" in DOCUMENT.split("```swift")[0][-200:]
