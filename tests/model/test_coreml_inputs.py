"""Packages that others might have written: their inputs and outputs, and what is refused."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from meishi.cli import app
from meishi.coreml.features import Feature
from meishi.coreml.package import save_package, spec_path
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from meishi.packages.inspection import inspect
from meishi.packages.predicting import read_picture, save_outputs
from tests.model.coreml_programs import altered, builder, mil_type, random, save

pytestmark = pytest.mark.tf


def converted(path, function, shape, inputs, **options):
    """Save a program of one input called x."""
    mb = builder()
    spec = mb.TensorSpec(shape=shape, dtype=mil_type(options.pop("dtype", "fp32")))
    target = options.pop("target", ct.target.iOS16)
    with only_errors():
        program = mb.program(input_specs=[spec], opset_version=target)(lambda x: function(mb, x))
        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=inputs,
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
            **options,
        )
    save_package(model, path)
    return Package.load(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.mlpackage"


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_pictures_come_in_the_order_of_the_model(path, layout):
    image = ct.ImageType(
        name="x", shape=(1, 3, 20, 24), color_layout=layout, scale=0.5, bias=[1.0, 2.0, 3.0]
    )
    package = converted(path, lambda mb, x: mb.mul(x=x, y=2.0), (1, 3, 20, 24), [image])
    (found,) = package.predict({"x": PIXELS}).values()
    ordered = PIXELS if layout == "RGB" else PIXELS[..., ::-1]
    expected = 2 * (ordered.transpose(2, 0, 1) * 0.5 + np.float32([1, 2, 3])[:, None, None])
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_a_grey_input_takes_one_channel(path):
    image = ct.ImageType(name="x", shape=(1, 1, 20, 24), color_layout="G")
    package = converted(path, lambda mb, x: mb.mul(x=x, y=2.0), (1, 1, 20, 24), [image])
    (found,) = package.predict({"x": PIXELS[..., 0]}).values()
    np.testing.assert_allclose(found[0, 0], PIXELS[..., 0] * 2.0)
    with pytest.raises(InputError, match=r"x must be \(20, 24\), got \(20, 24, 3\)"):
        package.predict({"x": PIXELS})


def test_a_picture_comes_out_as_pixels(path):
    image = ct.ImageType(name="x", shape=(1, 3, 20, 24), color_layout="BGR")

    def build(mb, x):
        return mb.sub(x=255.0, y=x, name="y")

    def to_picture(spec):
        (output,) = spec.description.output
        output.type.imageType.width, output.type.imageType.height = 24, 20
        output.type.imageType.colorSpace = ct.proto.FeatureTypes_pb2.ImageFeatureType.BGR

    converted(path, build, (1, 3, 20, 24), [image])
    altered(path, to_picture)
    found = Package.load(path).predict({"x": PIXELS})["y"]
    np.testing.assert_array_equal(found, 255 - PIXELS)


@pytest.mark.parametrize("made", [(1, 3, 20, 24), (20, 24), (2, 1, 20, 24)])
def test_what_is_described_as_a_picture_and_is_none_is_refused(path, made):
    def to_picture(spec):
        (output,) = spec.description.output
        output.type.imageType.width, output.type.imageType.height = 24, 20
        output.type.imageType.colorSpace = ct.proto.FeatureTypes_pb2.ImageFeatureType.GRAYSCALE

    converted(path, lambda mb, x: mb.mul(x=x, y=2.0, name="y"), made, [ct.TensorType("x", made)])
    altered(path, to_picture)
    with pytest.raises(InputError, match=r"than the function makes it: y, GRAYSCALE \(20, 24\)"):
        Package.load(path)


def test_a_result_of_flexible_size_that_is_no_picture_is_refused_when_it_is_made(path):
    from coremltools.converters.mil.mil import get_new_symbol

    def to_picture(spec):
        (output,) = spec.description.output
        output.type.imageType.colorSpace = ct.proto.FeatureTypes_pb2.ImageFeatureType.GRAYSCALE

    shape = ct.Shape((ct.RangeDim(1, 4, default=1), 1, 20, 24))
    inputs = [ct.TensorType("x", shape)]
    sizes = (get_new_symbol(), 1, 20, 24)
    converted(path, lambda mb, x: mb.mul(x=x, y=2.0, name="y"), sizes, inputs)
    altered(path, to_picture)
    package = Package.load(path)
    assert package.predict({"x": np.full((1, 1, 20, 24), 3)})["y"].shape == (20, 24)
    with pytest.raises(InputError, match=r"y is described as a picture \(GRAYSCALE\), made of"):
        package.predict({"x": np.ones((2, 1, 20, 24), np.float32)})


def test_shapes_within_a_range_and_no_others(path):
    from coremltools.converters.mil.mil import get_new_symbol

    shape = ct.Shape((1, ct.RangeDim(2, 6, default=3)))
    inputs = [ct.TensorType(name="x", shape=shape, dtype=np.float32)]

    def build(mb, x):
        sizes = mb.shape(x=x)
        return mb.mul(
            x=mb.reshape(
                x=x, shape=mb.concat(values=[[-1], mb.gather(x=sizes, indices=[0])], axis=0)
            ),
            y=2.0,
        )

    package = converted(path, build, (1, get_new_symbol()), inputs)
    for size in (2, 5):
        x = random(1, size)
        (found,) = package.predict({"x": x}).values()
        np.testing.assert_allclose(found, 2 * x.reshape(-1, 1))
    with pytest.raises(InputError, match=r"x must be \(1, 2\.\.6\), got \(1, 7\)"):
        package.predict({"x": random(1, 7)})


def test_an_axis_that_two_inputs_share_may_be_flexible(path):
    """Each comes as an axis of its own, and the definition of `einsum` wants both alike."""
    from coremltools.converters.mil.mil import get_new_symbol

    mb, batch, sizes = builder(), get_new_symbol(), ct.RangeDim(1, 4, default=2)
    shapes = {"x": (3, 1, 5), "y": (5, 1, 2)}
    specs = [mb.TensorSpec((batch, *shape), mil_type("fp32")) for shape in shapes.values()]

    @mb.program(input_specs=specs, opset_version=ct.target.iOS16)
    def program(x, y):
        return mb.einsum(values=(x, y), equation="nchw,nwhu->nchu", name="z")

    inputs = [
        ct.TensorType(name=name, shape=(sizes, *shape), dtype=np.float32)
        for name, shape in shapes.items()
    ]
    with only_errors():
        options = {"convert_to": "mlprogram", "minimum_deployment_target": ct.target.iOS16}
        model = ct.convert(program, inputs=inputs, skip_model_load=True, **options)
    save_package(model, path)
    package = Package.load(path)
    for count in (1, 2, 3):
        given = {name: random(count, *shape) for name, shape in shapes.items()}
        expected = np.einsum("nchw,nwhu->nchu", *given.values())
        np.testing.assert_allclose(package.predict(given)["z"], expected, atol=1e-5)


def test_many_shapes_do_not_fill_the_memory(path):
    from coremltools.converters.mil.mil import get_new_symbol

    shape = ct.Shape((1, ct.RangeDim(1, 20)))
    inputs = [ct.TensorType(name="x", shape=shape, dtype=np.float32)]
    package = converted(path, lambda mb, x: mb.mul(x=x, y=2.0), (1, get_new_symbol()), inputs)
    for size in (*range(1, 9), 3, 8):
        (found,) = package.predict({"x": random(1, size)}).values()
        np.testing.assert_allclose(found, 2 * random(1, size))
    (model,) = package.stages
    assert len(model._graphs._kept) == model._graphs.KEPT


def test_enumerated_shapes(path):
    from coremltools.converters.mil.mil import get_new_symbol

    shapes = ct.EnumeratedShapes([(1, 2), (1, 4)])
    inputs = [ct.TensorType(name="x", shape=shapes, dtype=np.float32)]
    package = converted(path, lambda mb, x: mb.relu(x=x), (1, get_new_symbol()), inputs)
    (found,) = package.predict({"x": random(1, 4)}).values()
    assert found.shape == (1, 4)
    with pytest.raises(InputError, match=r"one of \(1, 2\), \(1, 4\), got \(1, 3\)"):
        package.predict({"x": random(1, 3)})


def test_an_optional_input_has_its_default(path):
    inputs = [ct.TensorType(name="x", shape=(3,), default_value=np.full(3, 2.0, np.float32))]
    package = converted(path, lambda mb, x: mb.mul(x=x, y=3.0), (3,), inputs)
    (found,) = package.predict({}).values()
    assert found.tolist() == [6, 6, 6]


def test_an_optional_input_without_a_default_is_zero(path):
    inputs = [ct.TensorType(name="x", shape=(3,), default_value=np.full(3, 2.0, np.float32))]
    converted(path, lambda mb, x: mb.add(x=x, y=3.0), (3,), inputs)
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(spec_path(path).read_bytes())
    spec.description.input[0].type.multiArrayType.ClearField("defaultOptionalValue")
    spec_path(path).write_bytes(spec.SerializeToString())
    (found,) = Package.load(path).predict({}).values()
    assert found.tolist() == [3, 3, 3]


@pytest.mark.parametrize("layout", ["RGB", "G"])
def test_an_optional_picture_that_is_left_out_is_black(path, layout):
    channels = 3 if layout == "RGB" else 1
    image = ct.ImageType(name="x", shape=(1, channels, 20, 24), color_layout=layout)
    converted(path, lambda mb, x: mb.add(x=x, y=7.0), (1, channels, 20, 24), [image])
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(spec_path(path).read_bytes())
    spec.description.input[0].type.isOptional = True
    spec_path(path).write_bytes(spec.SerializeToString())
    (found,) = Package.load(path).predict({}).values()
    assert found.shape == (1, channels, 20, 24) and (found == 7).all()


def test_a_classifier_names_the_best_class(path):
    inputs = [ct.TensorType(name="x", shape=(1, 3))]
    package = converted(
        path,
        lambda mb, x: mb.softmax(x=x, axis=1, name="p"),
        (1, 3),
        inputs,
        classifier_config=ct.ClassifierConfig(["ant", "bee", "cat"]),
    )
    found = package.predict({"x": np.float32([[0, 2, 1]])})
    label, probabilities = (
        found["classLabel"],
        next(v for v in found.values() if isinstance(v, dict)),
    )
    assert str(label) == "bee"
    exp = np.exp([0, 2, 1])
    np.testing.assert_allclose(list(probabilities.values()), exp / exp.sum(), atol=1e-6)
    assert list(probabilities) == ["ant", "bee", "cat"]


COMPRESSIONS = {
    "int8": lambda model, o: o.linear_quantize_weights(
        model,
        o.OptimizationConfig(o.OpLinearQuantizerConfig(dtype="int8", weight_threshold=1)),
    ),
    "int4 in blocks": lambda model, o: o.linear_quantize_weights(
        model,
        o.OptimizationConfig(
            o.OpLinearQuantizerConfig(
                dtype="int4", granularity="per_block", block_size=4, weight_threshold=1
            )
        ),
    ),
    "palette of 4 bits": lambda model, o: o.palettize_weights(
        model,
        o.OptimizationConfig(o.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=1)),
    ),
    "palettes by group": lambda model, o: o.palettize_weights(
        model,
        o.OptimizationConfig(
            o.OpPalettizerConfig(
                mode="uniform",
                nbits=4,
                granularity="per_grouped_channel",
                group_size=4,
                weight_threshold=1,
            )
        ),
    ),
    "sparse": lambda model, o: o.prune_weights(
        model,
        o.OptimizationConfig(
            o.OpThresholdPrunerConfig(
                threshold=0.05, minimum_sparsity_percentile=0.01, weight_threshold=1
            )
        ),
    ),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_weights_of_ios_18(tmp_path, name):
    weight = np.round(random(8, 16) * 3) / 3
    x = random(2, 16)
    full = save(
        tmp_path / "full.mlpackage", lambda mb, x: mb.linear(x=x, weight=weight), [x], ios=18
    )
    with only_errors():
        model = ct.models.MLModel(str(full), skip_model_load=True)
        small = COMPRESSIONS[name](model, ct.optimize.coreml)
    save_package(small, tmp_path / "small.mlpackage")
    (found,) = Package.load(tmp_path / "small.mlpackage").predict({"a": x}).values()
    # Half a step of the grid, over the sum of |x|: of 8 bits, of 4, or no step at all.
    allowed = {"int8": 0.2, "sparse": 1e-4}.get(name, 2.5)
    assert np.abs(found - x @ weight.T).max() < allowed
    described = inspect(tmp_path / "small.mlpackage")["models"][0]
    assert described["compression"] and described["weights"] >= 128
    assert described["macs"] == 2 * 16 * 8


def test_weights_compressed_twice(path):
    mask = np.zeros((2, 4), np.uint8)
    mask[[0, 0, 1], [1, 3, 2]] = 1
    table = np.float32([-1.0, 0.5]).reshape(1, 1, 2, 1)

    def build(mb, x):
        from coremltools.converters.mil.mil import types

        kinds = [types.nptype_from_builtin(kind) for kind in (types.uint1, types.uint1)]
        where, values = mb.constexpr_lut_to_sparse(
            indices_mask=mask.astype(kinds[0]),
            indices_nonzero_data=np.array([1, 0, 1]).astype(kinds[1]),
            lut=table,
        )
        return mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=values, mask=where))

    inputs = [ct.TensorType(name="x", shape=(1, 4))]
    package = converted(path, build, (1, 4), inputs, target=ct.target.iOS18)
    (found,) = package.predict({"x": np.float32([[1, 2, 3, 4]])}).values()
    assert found.tolist() == [[0.5 * 2 - 4, 0.5 * 3]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "net.mlpackage"
    image = ct.ImageType(name="x", shape=(1, 3, 20, 24))
    weight = random(8, 3, 5, 5)
    converted(path, lambda mb, x: mb.conv(x=x, weight=weight, name="y"), (1, 3, 20, 24), [image])
    return path


@pytest.fixture
def spoiled(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "net.mlpackage")


def test_a_specification_from_the_future_is_refused(spoiled):
    altered(spoiled, lambda spec: setattr(spec, "specificationVersion", 11))
    with pytest.raises(InputError, match=r"version 11 is from the future: 10 is the newest"):
        Package.load(spoiled)


def test_what_only_apple_holds_is_refused(spoiled):
    altered(spoiled, lambda spec: spec.visionFeaturePrint.scene.SetInParent())
    with pytest.raises(InputError, match=r"visionFeaturePrint cannot run here.*part of Apple's"):
        Package.load(spoiled)


def test_a_zip_is_refused(spoiled, tmp_path):
    packed = tmp_path / "packed.mlpackage"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(spoiled / "Manifest.json", "Manifest.json")
    with pytest.raises(InputError, match=r"a zip archive: unpack it first"):
        Package.load(packed)


def test_a_file_of_another_kind_is_told_what_is_read(tmp_path):
    (tmp_path / "ssd.pb").write_bytes(b"a graph")
    with pytest.raises(
        InputError, match=r"ssd\.pb: neither a .* nor an \.mlmodel file, but a file"
    ):
        Package.load(tmp_path / "ssd.pb")


@pytest.mark.parametrize("item", ["../../elsewhere.mlmodel", "/etc/passwd"])
def test_a_manifest_that_leaves_the_package_is_refused(spoiled, item):
    manifest = json.loads((spoiled / "Manifest.json").read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = item
    (spoiled / "Manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"leaves the package"):
        Package.load(spoiled)


def test_an_unknown_precision_is_refused(saved):
    with pytest.raises(InputError, match=r"expected one of \('fp32', 'fp16'\), got 'int8'"):
        Package.load(saved, "int8")


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_folder_in_the_place_of_outputs_is_refused_before_any_prediction(saved, tmp_path):
    found = command("predict", saved, tmp_path / "no-such.png", "--out", tmp_path)
    assert isinstance(found.exception, InputError)
    assert f"{tmp_path}: cannot be written (Is a directory)" in str(found.exception)


def test_an_input_in_the_place_of_outputs_is_refused_and_stays(saved, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(photo)
    before = photo.read_bytes()
    found = command("predict", saved, photo, "--out", photo)
    assert isinstance(found.exception, InputError)
    assert f"{photo}: would replace {photo}" in str(found.exception)
    assert photo.read_bytes() == before


def test_every_input_that_cannot_be_used_is_told(saved, tmp_path):
    good, large, out = tmp_path / "good.png", tmp_path / "large.png", tmp_path / "out.npz"
    Image.fromarray(PIXELS).save(good)
    Image.fromarray(PIXELS).resize((48, 40)).save(large)
    (tmp_path / "text.png").write_text("no picture")
    files = [tmp_path / "text.png", good, large, tmp_path / "none.png"]
    told = str(command("predict", saved, *files, "--out", out).exception).splitlines()
    assert [line.split(":")[0] for line in told] == [str(file) for file in files if file != good]
    assert not out.exists()


def test_damage_inside_an_archive_is_told(saved, tmp_path):
    given = tmp_path / "given.npz"
    np.savez_compressed(given, x=PIXELS)
    content = bytearray(given.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    given.write_bytes(content)
    found = command("predict", saved, given, "--out", tmp_path / "out.npz")
    assert isinstance(found.exception, InputError)
    assert "given.npz: cannot be read as .npz" in str(found.exception)


def test_predict_writes_outputs_by_name(saved, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "out.npz"
    Image.fromarray(PIXELS).save(photo)
    assert command("predict", saved, photo, "--out", out).exit_code == 0
    expected = Package.load(saved).predict({"x": PIXELS})["y"]
    np.testing.assert_array_equal(np.load(out)["y"], expected)

    given = tmp_path / "given.npz"
    np.savez(given, x=PIXELS)
    assert command("predict", saved, given, "--out", out, "--precision", "fp16").exit_code == 0
    np.testing.assert_allclose(np.load(out)["y"], expected, rtol=1e-2, atol=2)
    assert not np.array_equal(np.load(out)["y"], expected)


@pytest.mark.parametrize("name", ["file", "allow_pickle", "args", "0/y"])
def test_outputs_are_written_whatever_they_are_called(tmp_path, name):
    for rows, prefixes in (([{name: PIXELS}], [""]), ([{name: PIXELS}] * 2, ["0/", "1/"])):
        save_outputs(rows, tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as written:
            assert sorted(written.files) == [prefix + name for prefix in prefixes]
            np.testing.assert_array_equal(written[prefixes[-1] + name], PIXELS)


@pytest.mark.parametrize(
    "named",
    [
        lambda mb: lambda self: mb.mul(x=self, y=2.0),
        lambda mb: lambda inputs: mb.mul(x=inputs, y=2.0),
    ],
)
def test_an_input_may_be_called_as_our_own_arguments(tmp_path, named):
    mb = builder()
    with only_errors():
        specs = [mb.TensorSpec(shape=(3,))]
        program = mb.program(input_specs=specs, opset_version=ct.target.iOS15)(named(mb))
        model = ct.convert(program, convert_to="mlprogram", skip_model_load=True)
    save_package(model, tmp_path / "net.mlpackage")
    package = Package.load(tmp_path / "net.mlpackage")
    [name] = package.inputs
    [found] = package.predict({name: np.float32([1, 2, 3])}).values()
    assert found.tolist() == [2, 4, 6]


def test_predict_says_which_outputs_are_no_numbers(path, tmp_path):
    kind = ct.TensorType(name="x", shape=(1, 4))
    [name] = converted(path, lambda mb, x: mb.sqrt(x=x), (1, 4), [kind]).outputs
    given, out = tmp_path / "given.npz", tmp_path / "out.npz"
    np.savez(given, x=np.float32([[-1, 0, 4, -9]]))
    found = command("predict", path, given, "--out", out)
    assert found.exit_code == 0 and np.isnan(np.load(out)[name]).sum() == 2
    assert f"prediction 0: 2 of 4 values of {name} are NaN" in found.stderr
    np.savez(given, x=np.float32([[1, 0, 4, 9]]))
    assert command("predict", path, given, "--out", out).stderr == ""


def test_predict_refuses_pictures_that_do_not_fit(saved, tmp_path):
    large, grey, out = tmp_path / "large.png", tmp_path / "grey.png", tmp_path / "out.npz"
    Image.fromarray(PIXELS).resize((48, 40)).save(large)
    Image.fromarray(PIXELS).convert("L").save(grey)
    found = command("predict", saved, large, "--out", out)
    assert "must be (20, 24), got (40, 48); --resize scales it" in str(found.exception)
    assert "a grey picture" in str(command("predict", saved, grey, "--out", out).exception)
    assert not out.exists()
    assert command("predict", saved, large, "--out", out, "--resize").exit_code == 0


@pytest.mark.parametrize(
    ("size_px", "read"), [((24, 20), (20, 24)), ((48, 40), (40, 48)), ((60, 40), (20, 24))]
)
def test_only_pictures_that_a_flexible_model_does_not_take_are_scaled(tmp_path, size_px, read):
    feature = Feature("x", "image", "RGB", (20, 24), ranges=((10, 50), (10, 50)))
    Image.fromarray(PIXELS).resize(size_px).save(tmp_path / "photo.png")
    assert read_picture(tmp_path / "photo.png", feature, resize=True).shape == (*read, 3)


def test_predict_refuses_an_input_from_two_files(saved, tmp_path):
    photo, given, out = tmp_path / "photo.png", tmp_path / "given.npz", tmp_path / "out.npz"
    Image.fromarray(PIXELS).save(photo)
    np.savez(given, x=PIXELS)
    found = command("predict", saved, photo, given, "--out", out)
    assert "given.npz: gives the inputs ['x'], which another file" in str(found.exception)
    assert not out.exists()


def test_a_path_to_nothing(tmp_path):
    with pytest.raises(InputError, match=r"nothing.mlpackage: there is no such file or folder"):
        Package.load(tmp_path / "nothing.mlpackage")


def test_what_fails_in_a_run_is_named(path):
    inputs = [ct.TensorType(name="x", shape=(1, 2), dtype=np.int32)]
    table = random(5, 3)
    package = converted(
        path,
        lambda mb, x: mb.gather(x=table, indices=x, axis=0, name="rows"),
        (1, 2),
        inputs,
        dtype="int32",
    )
    with pytest.raises(InputError, match=r"net.mlpackage: operation_gather_of_rows.* 9 is not in"):
        package.predict({"x": np.int32([[1, 9]])})


def test_inspect_describes_a_package(saved):
    found = json.loads(command("inspect", saved).stdout)
    assert found["kind"] == "mlProgram"
    assert found["inputs"] == [{"name": "x", "kind": "image", "type": "RGB", "shape": [20, 24]}]
    assert found["outputs"][0]["name"] == "y"
    (model,) = found["models"]
    assert model["operations"]["conv"] == 1 and model["unknown_operations"] == []
    assert model["macs"] == 16 * 20 * 8 * 3 * 25
    assert model["weights"] == 600
