"""Collections with real packages: their contract, their trial, and a device that takes one."""

import importlib.util

import numpy as np
import pytest

from meishi.collections import archive
from meishi.collections.contract import contract_of, system_of
from meishi.collections.disk import QuickDisk
from meishi.collections.faulty_server import serving
from meishi.collections.probing import probe_package
from meishi.collections.trials import ProbeError
from meishi.coreml.package import save_package, spec_path
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from tests.collections_world import DETECTOR, make_world
from tests.contract.imports import ROOT
from tests.model.coreml_programs import builder, mil_type

pytestmark = pytest.mark.tf

SIDE = 16


def save(path, weight=2.0, side=SIDE, name="score", labels="card", target=ct.target.iOS15):
    """Save a model that multiplies a picture by `weight`."""
    mb = builder()
    shape = (1, 3, side, side)
    with only_errors():
        program = mb.program(
            input_specs=[mb.TensorSpec(shape=shape, dtype=mil_type("fp32"))],
            opset_version=target,
        )(lambda x: mb.mul(x=x, y=np.float32(weight), name=name))
        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=[ct.ImageType(name="x", shape=shape)],
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
    model.user_defined_metadata["classes"] = labels
    model.short_description = f"times {weight}"
    save_package(model, path)
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return save(tmp_path_factory.mktemp("good") / "net.mlpackage")


def test_other_weights_keep_the_contract(package, tmp_path):
    assert contract_of(save(tmp_path / "other.mlpackage", weight=3.0)) == contract_of(package)


@pytest.mark.parametrize("change", [{"side": 20}, {"name": "mask"}, {"labels": "card,note"}])
def test_another_interface_is_another_contract(package, tmp_path, change):
    assert contract_of(save(tmp_path / "other.mlpackage", **change)) != contract_of(package)


def test_a_package_says_which_system_reads_it(package, tmp_path):
    assert system_of(package) == "15.0"
    assert system_of(save(tmp_path / "newer.mlpackage", target=ct.target.iOS17)) == "17.0"


def test_a_package_that_runs_passes_its_trial(package):
    probe_package(DETECTOR, package)


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_a_package_that_gives_no_numbers_fails_its_trial(tmp_path, weight):
    with pytest.raises(ProbeError, match="not finite"):
        probe_package(DETECTOR, save(tmp_path / "bad.mlpackage", weight=weight))


def test_a_damaged_package_fails_its_trial(package, tmp_path):
    content, size = archive.pack(package)
    (tmp_path / "x.zip").write_bytes(content)
    archive.unpack(tmp_path / "x.zip", tmp_path / "net.mlpackage", size, QuickDisk())
    probe_package(DETECTOR, tmp_path / "net.mlpackage")
    spec_path(tmp_path / "net.mlpackage").write_bytes(b"\xff" * 100)
    with pytest.raises(ProbeError, match="damaged"):
        probe_package(DETECTOR, tmp_path / "net.mlpackage")


def test_a_device_takes_a_package_and_runs_it(package, tmp_path):
    world = make_world(tmp_path / "founded", tmp_path / "world")
    contract = contract_of(package)
    from meishi.collections import gate, publishing

    model = gate.Model(DETECTOR, "", (), (gate.App("1.0", contract),))
    candidate = publishing.Candidate(package, DETECTOR, "1.0.0", {}, "test")
    terms, config = publishing.Terms("15.0", "1.0"), gate.Config((model,))
    publishing.publish(world.repository, "staging", candidate, terms, config, contract_of)
    with serving(world.public) as site:
        tester = world.client(
            site, collection="staging", contracts={DETECTOR: contract}, probe=probe_package
        )
        assert tester.update()[0].version == "1.0.0"
    loaded = Package.load(tester.package(DETECTOR))
    picture = np.full((SIDE, SIDE, 3), 7, np.uint8)
    (found,) = loaded.predict({"x": picture}).values()
    np.testing.assert_allclose(found, np.full((1, 3, SIDE, SIDE), 14.0))


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "docs/collections_figures.py")
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    return figures


IN_STEP = "run: python docs/collections_figures.py --write"


def test_the_documents_sizes_are_those_of_the_packages(figures):
    text = figures.DOCUMENT.read_text(encoding="utf-8")
    assert figures.block(text, "sizes") == figures.sizes(), IN_STEP


def test_the_documents_transcript_is_what_the_commands_print(figures):
    text = figures.DOCUMENT.read_text(encoding="utf-8")
    shown, printed = figures.block(text, "transcript"), figures.transcript()
    assert figures.without_sizes(shown) == figures.without_sizes(printed), IN_STEP


def test_the_documents_simulation_is_that_of_the_report(figures):
    text = figures.DOCUMENT.read_text(encoding="utf-8")
    assert figures.block(text, "simulation") == figures.simulation(), IN_STEP


def test_the_apps_read_the_contracts_of_the_packages_that_are_converted():
    from meishi.collections import gate, layout

    wrong = {}
    for model in gate.read_config(ROOT / layout.CONFIG).models:
        (app,) = model.apps[-1:]
        if contract_of(ROOT / model.package) != app.contract:
            wrong[model.name] = f"meishi collections contract {model.package}"
    assert not wrong, (
        f"the contract changed: if the app is to read it, put what these print into {layout.CONFIG}"
    )
