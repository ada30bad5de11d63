"""Entries of `exports`: what a system can hold is taken, all else refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from meishi import schema, variants
from meishi.errors import InputError
from meishi.params import ParamsError, load_params

GOOD = {
    "model": "ssd",
    "source": "ssd",
    "format": "mlprogram",
    "target": "iOS16",
    "precision": "fp16",
    "weights": "palette4",
    "tolerance": 0.1,
    "loss": 0.01,
}
NETWORK = {"format": "neuralnetwork", "precision": None, "weights": "fp16", "target": "iOS13"}


def entry(**changes):
    """Change a good entry; None takes a key out."""
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not None}


def faults_of(content) -> list[str]:
    faults: list[schema.Fault] = []
    variants.read_variants({"a": content}, faults)
    return [f"{fault.where}: {fault.what}" for fault in faults]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "unet", "source": "unet"},
        {"weights": "fp16", "target": "iOS15"},
        {"weights": "fp32", "precision": "fp32", "target": "iOS15"},
        {"weights": "int8", "precision": "fp32"},
        {"weights": "sparse", "sparsity": 0.5},
        {"weights": "palette6", "group": 16, "target": "iOS18"},
        {"source": "tuned/ssd_palette4"},
        {"weights": "int8", "source": "tuned/other"},
        NETWORK,
        {**NETWORK, "weights": "fp32", "target": "iOS18"},
    ],
)
def test_what_a_system_holds_is_taken(changes):
    assert faults_of(entry(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": "ssd"}, "exports.a: unknown key 'modle' (did you mean 'model'?)"),
        ({"model": None}, "exports.a: missing key 'model'"),
        ({"loss": None}, "exports.a: missing key 'loss'"),
        ({"model": "yolo"}, "model: expected one of ssd, unet, flat, direction, got 'yolo'"),
        ({"model": 3}, "model: expected str, got int 3"),
        ({"format": "onnx"}, "format: expected one of mlprogram, neuralnetwork, got 'onnx'"),
        ({"weights": "int4"}, "weights: expected one of fp32, fp16, int8, sparse, palette8"),
        ({"target": "iOS15"}, "target: palette4 weights need iOS16, got iOS15"),
        ({"target": "iOS15", "weights": "int8"}, "target: int8 weights need iOS16, got iOS15"),
        ({"target": "iOS14"}, "target: expected one of iOS15, iOS16, iOS17, iOS18, got 'iOS14'"),
        ({"target": "iOS99"}, "got 'iOS99'"),
        ({"target": "macOS13"}, "got 'macOS13'"),
        ({"target": 16}, "target: expected str, got int 16"),
        ({"group": 16}, "target: grouped palettes need iOS18, got iOS16"),
        ({"group": -4}, "group: expected 0 at least, got -4"),
        ({"group": 4, "weights": "int8", "target": "iOS18"}, "group: only palettes have groups"),
        ({"precision": "fp8"}, "precision: expected one of fp16, fp32, got 'fp8'"),
        ({"precision": None}, "precision: expected one of fp16, fp32, got ''"),
        ({"weights": "fp32"}, "weights: fp32 in a program of precision fp16"),
        ({"weights": "sparse"}, "sparsity: expected above 0, below 1, got 0"),
        ({"weights": "sparse", "sparsity": 1.0}, "sparsity: expected above 0, below 1, got 1"),
        ({"sparsity": 0.5}, "sparsity: expected none, the weights are not sparse, got 0.5"),
        (
            {"source": "tuned/a", "weights": "fp16", "target": "iOS15"},
            "source: only int8, palette8",
        ),
        ({"source": "unet"}, "source: expected ssd or tuned/NAME, got 'unet'"),
        ({"source": None}, "exports.a: missing key 'source'"),
        ({"source": 4}, "source: expected str, got int 4"),
        ({"tolerance": -0.1}, "tolerance: expected 0 at least, got -0.1"),
        ({"loss": -1.0}, "loss: expected 0 at least, got -1"),
        ({"tolerance": float("nan")}, "tolerance: expected float, got float nan"),
        ({**NETWORK, "weights": "int8"}, "weights: int8 needs the format mlprogram"),
        ({**NETWORK, "precision": "fp16"}, "precision: Core ML chooses that of a neuralnetwork"),
        ({**NETWORK, "target": "iOS12"}, "target: expected one of iOS13, iOS14"),
    ],
)
def test_what_it_cannot_hold_is_refused_with_the_reason(changes, message):
    found = faults_of(entry(**changes))
    assert any(message in fault for fault in found), found
    assert all(fault.startswith("exports.a: ") for fault in found)


@pytest.mark.parametrize("content", [None, "ssd", 4, [], ["model"]])
def test_an_entry_that_is_no_mapping_is_refused(content):
    assert any("expected keys and values" in fault for fault in faults_of(content))


@pytest.mark.parametrize("name", ["a b", "a/b", "../a", "", "a@b", "${x}"])
def test_a_name_that_is_no_name_of_a_folder_or_stage_is_refused(name):
    faults: list[schema.Fault] = []
    variants.read_variants({name: entry()}, faults)
    assert "use letters, digits and _" in faults[0].what


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "format": st.sampled_from(["mlprogram", "neuralnetwork", "x", 1]),
            "target": st.sampled_from(["iOS13", "iOS15", "iOS16", "iOS18", "iOSx", "", 16]),
            "precision": st.sampled_from(["fp16", "fp32", "", None, 2.0]),
            "weights": st.sampled_from([*variants.WEIGHTS, "none", 8]),
            "sparsity": st.sampled_from([0, 0.3, 1, -1, 2.5]),
            "group": st.sampled_from([0, 8, -1, 1.5]),
            "source": st.sampled_from(["ssd", "tuned/ssd_palette4", "unet", ""]),
        },
    )
)
def test_whatever_is_taken_suits_its_system(changes):
    faults: list[schema.Fault] = []
    found = variants.read_variants({"a": entry() | changes}, faults)
    if faults:
        return
    variant = found["a"]
    if variant.weights in variants.COMPRESSED:
        assert variant.format == "mlprogram" and variant.floor >= 16
    if variant.group:
        assert variant.floor >= 18 and variant.weights in variants.PALETTES


def test_all_faults_of_all_entries_come_at_once(workspace):
    file = workspace / "params.yaml"
    yaml = YAML()
    content = yaml.load(file.read_text())
    content["exports"] = {"a": entry(target="iOS15"), "b": entry(weights="int3"), "c": entry()}
    with file.open("w") as stream:
        yaml.dump(content, stream)
    with pytest.raises(ParamsError) as caught:
        load_params("seed")
    assert str(caught.value).splitlines() == [
        "params.yaml [exports.a]: target: palette4 weights need iOS16, got iOS15",
        "params.yaml [exports.b]: weights: expected one of fp32, fp16, int8, sparse, palette8, "
        "palette6, palette4, palette2, got 'int3'",
    ]


def test_the_entries_of_the_repository_are_variants(workspace):
    exports = load_params("exports").exports
    assert {variant.model for variant in exports.values()} == {"ssd", "unet", "flat", "direction"}
    assert all(isinstance(variant, variants.Variant) for variant in exports.values())


def test_an_entry_is_found_by_its_name(workspace):
    exports = load_params("exports").exports
    assert variants.find(exports, "ssd_fp16") is exports["ssd_fp16"]
    with pytest.raises(InputError, match=r"no entry 'ssd_fp8'; there are ssd_fp16, ssd_int8"):
        variants.find(exports, "ssd_fp8")
