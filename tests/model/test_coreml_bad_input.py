"""Packages and inputs that must not run: each is refused by its reason, and nothing is written."""

import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from meishi.cli import app
from meishi.coreml.package import save_package, spec_path
from meishi.coreml.runtime import REASONS, Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from tests.model.coreml_programs import altered, builder, mil_type, random

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A package with an image, an array and an integer as inputs, and a weight file."""
    path = tmp_path_factory.mktemp("saved") / "net.mlpackage"
    mb, weight = builder(), random(4, 3, 5, 5)
    specs = [mb.TensorSpec((1, 3, 8, 6)), mb.TensorSpec((1, 4, 8, 6))]
    specs.append(mb.TensorSpec((1,), dtype=mil_type("int32")))

    @mb.program(input_specs=specs)
    def program(image, x, n):
        y = mb.add(x=mb.conv(x=image, weight=weight, pad_type="same"), y=x)
        return mb.mul(x=y, y=mb.cast(x=n, dtype="fp32"), name="y")

    inputs = [ct.ImageType(name="image", shape=(1, 3, 8, 6))]
    inputs += [ct.TensorType(name="x", shape=(1, 4, 8, 6))]
    inputs += [ct.TensorType(name="n", shape=(1,), dtype=np.int32)]
    with only_errors():
        options = {"convert_to": "mlprogram", "compute_precision": ct.precision.FLOAT32}
        model = ct.convert(program, inputs=inputs, skip_model_load=True, **options)
    save_package(model, path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "net.mlpackage")


GOOD = {
    "image": np.zeros((8, 6, 3), np.uint8),
    "x": np.zeros((1, 4, 8, 6), np.float32),
    "n": np.int32([2]),
}


def refused(path, tmp_path, reason, **changes):
    """Predict from the good inputs with changes (None leaves one out); expect the reason."""
    given, out = tmp_path / "given.npz", tmp_path / "out.npz"
    np.savez(given, **{name: v for name, v in (GOOD | changes).items() if v is not None})
    found = CliRunner().invoke(app, ["predict", str(path), str(given), "--out", str(out)])
    assert found.exit_code != 0 and not out.exists()
    with pytest.raises(InputError, match=reason) as caught:
        raise found.exception
    assert "net" in str(caught.value)


def test_the_good_inputs_are_taken(saved, tmp_path):
    given, out = tmp_path / "given.npz", tmp_path / "out.npz"
    np.savez(given, **GOOD)
    assert (
        CliRunner().invoke(app, ["predict", str(saved), str(given), "--out", str(out)]).exit_code
        == 0
    )
    assert np.load(out)["y"].shape == (1, 4, 8, 6)


INPUTS = {
    "NaN": ({"x": np.full((1, 4, 8, 6), np.nan)}, r"x: 192 values are NaN"),
    "text": ({"x": np.full((1, 4, 8, 6), "a")}, r"x: expected numbers"),
    "complex numbers": ({"x": np.zeros((1, 4, 8, 6), complex)}, r"x: expected numbers"),
    "another shape": (
        {"x": np.zeros((1, 4, 6, 8))},
        r"x must be \(1, 4, 8, 6\), got \(1, 4, 6, 8\)",
    ),
    "fewer axes": ({"x": np.zeros((4, 8, 6))}, r"x must be"),
    "a picture for an array": ({"x": np.zeros((8, 6, 3), np.uint8)}, r"x must be"),
    "an array for a picture": ({"image": np.zeros((1, 3, 8, 6))}, r"image must be \(8, 6, 3\)"),
    "a grey picture": ({"image": np.zeros((8, 6))}, r"image must be \(8, 6, 3\), got \(8, 6\)"),
    "alpha": ({"image": np.zeros((8, 6, 4))}, r"image must be"),
    "another size": ({"image": np.zeros((6, 8, 3))}, r"image must be"),
    "bright pixels": ({"image": np.full((8, 6, 3), 300)}, r"pixels of 0..255, got 300..300"),
    "negative pixels": ({"image": np.full((8, 6, 3), -1)}, r"pixels of 0..255"),
    "NaN pixels": ({"image": np.full((8, 6, 3), np.nan)}, r"image: 144 values are NaN"),
    "a fraction": ({"n": np.float32([1.5])}, r"n: expected integers \(int32\), got fractions"),
    "an integer beyond int32": ({"n": np.int64([2**40])}, r"n: expected int32, .*, got 1099511"),
    "a number beyond int32": ({"n": np.float64([1e20])}, r"n: expected int32, .*, got 1e\+20"),
    "an infinite number": ({"n": np.float32([np.inf])}, r"n: expected int32, .*, got inf"),
    "a missing input": ({"n": None}, r"missing inputs \['n'\]"),
    "missing inputs": ({"n": None, "x": None}, r"missing inputs \['n', 'x'\]"),
    "an unknown input": ({"m": np.zeros(1)}, r"unknown inputs \['m'\]; it has"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_bad_inputs(saved, tmp_path, name):
    changes, reason = INPUTS[name]
    refused(saved, tmp_path, reason, **changes)


def model_file(path):
    return spec_path(path)


def weight_file(path):
    return spec_path(path).parent / "weights" / "weight.bin"


def manifest(path, text):
    (path / "Manifest.json").write_text(text, encoding="utf-8")


def with_blobs(spec, change):
    for function in spec.mlProgram.functions.values():
        for operation in function.block_specializations[function.opset].operations:
            for value in operation.attributes.values():
                if value.WhichOneof("value") == "blobFileValue":
                    change(value.blobFileValue)


def record(place, form, value):
    """Change the record of the first constant in the weight file, which begins at byte 64."""

    def change(path):
        content = bytearray(weight_file(path).read_bytes())
        struct.pack_into(form, content, 64 + place, value)
        weight_file(path).write_bytes(content)

    return change


def of_opset(name):
    def change(path):
        def rename(spec):
            function = spec.mlProgram.functions["main"]
            function.block_specializations[name].CopyFrom(
                function.block_specializations[function.opset]
            )
            function.opset = name

        altered(path, rename)

    return change


def linked_weights(path):
    file = weight_file(path)
    elsewhere = path.parent / "elsewhere"
    shutil.move(file.parent, elsewhere)
    file.parent.symlink_to(elsewhere)


def linked_model(path):
    file = model_file(path)
    shutil.move(file, path.parent / "elsewhere.mlmodel")
    file.symlink_to(path.parent / "elsewhere.mlmodel")


def unknown_operation(spec):
    function = spec.mlProgram.functions["main"]
    function.block_specializations[function.opset].operations[-1].type = "warp"


def own_function(spec):
    function = spec.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def twice_made(spec):
    operations = own_function(spec).operations
    operations.append(operations[-1])


def circle(spec):
    last = own_function(spec).operations[-1]
    last.inputs["x"].arguments[0].name = last.outputs[0].name


def linked_in_a_circle(path):
    file = model_file(path)
    file.unlink()
    file.symlink_to(file)


def item_path(path, where):
    found = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
    found["itemInfoEntries"][found["rootModelIdentifier"]]["path"] = where
    manifest(path, json.dumps(found))


def without_operations(spec):
    function = spec.mlProgram.functions["main"]
    del function.block_specializations[function.opset].operations[:]


PACKAGES = {
    "another kind of numbers": (
        record(4, "<I", 1),
        r"weight.bin holds FLOAT16, expected FLOAT32 \(\w+\)",
    ),
    "an unknown kind of numbers": (record(4, "<I", 99), r"holds the unknown type 99, expected FL"),
    "fewer numbers": (record(8, "<Q", 860), r"holds 860 bytes, expected 1200 \(FLOAT32\)"),
    "data in the record": (record(16, "<Q", 64), r"weight.bin is damaged"),
    "data in the file's head": (record(16, "<Q", 0), r"weight.bin is damaged"),
    "data between the lines": (record(16, "<Q", 132), r"weight.bin is damaged"),
    "an opset of the future": (of_opset("CoreML99"), r"of the opset 'CoreML99', which is unknown"),
    "no opset": (of_opset(""), r"of the opset '', which is unknown; this runtime knows CoreML3"),
    "no weight file": (lambda p: weight_file(p).unlink(), r"weight.bin is missing"),
    "an empty weight file": (lambda p: weight_file(p).write_bytes(b""), r"weight.bin is cut short"),
    "a truncated weight file": (
        lambda p: weight_file(p).write_bytes(weight_file(p).read_bytes()[:-9]),
        r"weight.bin is cut short",
    ),
    "another weight file": (
        lambda p: weight_file(p).write_bytes(bytes(9000)),
        r"weight.bin is damaged",
    ),
    "an offset beyond the file": (
        lambda p: altered(p, lambda s: with_blobs(s, lambda b: setattr(b, "offset", 10**9))),
        r"weight.bin is cut short",
    ),
    "weights outside by a path": (
        lambda p: altered(
            p, lambda s: with_blobs(s, lambda b: setattr(b, "fileName", "@model_path/../w.bin"))
        ),
        r"leaves the package",
    ),
    "weights outside by a link": (linked_weights, r"weights' leaves the package by a link"),
    "a model outside by a link": (linked_model, r"leaves the package by a link \(of DVC\?"),
    "an unknown operation": (lambda p: altered(p, unknown_operation), r"\['warp'\] are not impl"),
    "no operations": (lambda p: altered(p, without_operations), r"cannot be read"),
    "no function": (
        lambda p: altered(p, lambda s: s.mlProgram.functions.clear()),
        r"cannot be read|no function",
    ),
    "a specification from the future": (
        lambda p: altered(p, lambda s: setattr(s, "specificationVersion", 99)),
        r"version 99 is from the future",
    ),
    "no model": (lambda p: altered(p, lambda s: s.ClearField("mlProgram")), r"holds no model"),
    "a torn specification": (
        lambda p: model_file(p).write_bytes(model_file(p).read_bytes()[:-40]),
        r"net.mlpackage",
    ),
    "an empty specification": (lambda p: model_file(p).write_bytes(b""), r"holds no model"),
    "no specification": (lambda p: model_file(p).unlink(), r"missing from the package"),
    "no manifest": (lambda p: (p / "Manifest.json").unlink(), r"there is no Manifest.json"),
    "an empty manifest": (lambda p: manifest(p, ""), r"Manifest.json: damaged"),
    "a manifest of nothing": (lambda p: manifest(p, "{}"), r"Manifest.json: damaged"),
    "a manifest that is a list": (lambda p: manifest(p, "[1]"), r"Manifest.json: damaged"),
    "a manifest outside": (
        lambda p: manifest(
            p,
            json.dumps(
                {"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "../../x.mlmodel"}}}
            ),
        ),
        r"the path '../../x.mlmodel' leaves the package",
    ),
    "a manifest without a root": (
        lambda p: manifest(p, json.dumps({"itemInfoEntries": {"a": {"path": "x.mlmodel"}}})),
        r"Manifest.json: damaged \(KeyError\('rootModelIdentifier'\)\)",
    ),
    "a manifest of brackets": (lambda p: manifest(p, "[" * 100_000), r"Manifest.json: damaged"),
    "a path that is none": (lambda p: item_path(p, "a\0b"), r"leaves the package"),
    "a model that is a folder": (
        lambda p: item_path(p, "com.apple.CoreML/weights"), r"a folder where the model file should",
    ),
    "a circle of links": (linked_in_a_circle, r"leaves the package"),
    "an offset beyond all files": (
        lambda p: altered(p, lambda s: with_blobs(s, lambda b: setattr(b, "offset", 2**63))),
        r"weight.bin is cut short",
    ),
    "a value made twice": (lambda p: altered(p, twice_made), r"values \['y'\] are there more than"),
    "a circle of values": (lambda p: altered(p, circle), r"cannot be read"),
    "an input named twice": (
        lambda p: altered(p, lambda s: s.description.input.append(s.description.input[1])),
        r"inputs \['x'\] are there more than once",
    ),
    "an output named twice": (
        lambda p: altered(p, lambda s: s.description.output.append(s.description.output[0])),
        r"outputs \['y'\] are there more than once",
    ),
    "an input the function does not take": (
        lambda p: altered(p, lambda s: setattr(s.description.input[2], "name", "m")),
        r"the inputs \['image', 'm', 'x'\], but the function main takes \['image', 'n', 'x'\]",
    ),
    "an output the function does not make": (
        lambda p: altered(p, lambda s: setattr(s.description.output.add(), "name", "z")),
        r"the outputs \['y', 'z'\], but the function makes \['y'\]",
    ),
    "no output": (
        lambda p: altered(p, lambda s: s.description.ClearField("output")),
        r"the outputs \[\], but the function makes \['y'\]",
    ),
    "numbers of an unknown kind": (
        lambda p: altered(p, lambda s: numbers_of_kind(s, 65599)),
        r"[nx]: numbers of the unknown kind 65599; this runtime knows FLOAT32",
    ),
    "colours of an unknown kind": (
        lambda p: altered(p, lambda s: setattr(picture_of(s), "colorSpace", 99)),
        r"image: colours of the unknown kind 99; this runtime knows .*RGB",
    ),
    "a compiled model": (lambda p: (p / "coremldata.bin").touch(), r"a compiled model"),
}  # fmt: skip


def numbers_of_kind(spec, kind):
    arrays = [part.type.multiArrayType for part in spec.description.input]
    next(array for array in arrays if array.shape).dataType = kind


def picture_of(spec):
    return next(p for p in spec.description.input if p.name == "image").type.imageType


@pytest.mark.parametrize("name", PACKAGES)
def test_bad_packages(path, tmp_path, name):
    change, reason = PACKAGES[name]
    change(path)
    refused(path, tmp_path, reason)


def test_a_model_file_may_have_another_name(path, tmp_path):
    model_file(path).rename(model_file(path).with_name("other.mlmodel"))
    item_path(path, "com.apple.CoreML/other.mlmodel")
    assert Package.load(path).predict(GOOD)["y"].shape == (1, 4, 8, 6)


@pytest.mark.parametrize("kind", sorted(REASONS))
def test_what_only_apple_or_an_app_holds(path, tmp_path, kind):
    altered(path, lambda spec: getattr(spec, kind).SetInParent())
    refused(path, tmp_path, rf"a model of kind {kind} cannot run here: {REASONS[kind]}")


KINDS = ["treeEnsembleClassifier", "treeEnsembleRegressor", "glmClassifier", "glmRegressor"]
KINDS += ["supportVectorClassifier", "kNearestNeighborsClassifier", "scaler", "imputer"]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_are_no_network(path, tmp_path, kind):
    altered(path, lambda spec: getattr(spec, kind).SetInParent())
    refused(path, tmp_path, rf"cannot run a model of kind {kind}: only ML programs")


def test_a_pipeline_with_a_part_that_is_refused(path, tmp_path):
    altered(path, lambda s: s.pipeline.models.add().visionFeaturePrint.scene.SetInParent())
    refused(path, tmp_path, r"visionFeaturePrint cannot run here")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"no picture", b"\x93NUMPY"])
def test_files_that_are_no_input(saved, tmp_path, content):
    for name in ("photo.png", "given.npz"):
        file, out = tmp_path / name, tmp_path / "out.npz"
        file.write_bytes(content)
        words = ["predict", str(saved), str(file), "--out", str(out)]
        found = CliRunner().invoke(app, words)
        assert isinstance(found.exception, InputError) and not out.exists()
    assert "given.npz: expected an .npz" in str(found.exception)


def test_a_photo_for_a_model_with_more_inputs(saved, tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (24, 20), "red").save(photo)
    words = ["predict", str(saved), str(photo), "--resize", "--out", str(tmp_path / "out.npz")]
    with pytest.raises(InputError, match=r"missing inputs \['n', 'x'\]"):
        raise CliRunner().invoke(app, words).exception
