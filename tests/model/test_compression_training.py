"""Fine-tuning onto palettes and grids: folding, learning, and packages that hold it exactly."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from meishi.compression import distillation, folding, grids, layers, student, tuned, tuning
from meishi.compression.folding import CONVOLUTIONS
from meishi.coreml import convert, exact_storage, freeze, parity
from meishi.coreml.package import save_package
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct
from meishi.data.samples import SampleSet
from meishi.errors import InputError
from meishi.files.saved import WEIGHTS, save_network
from meishi.keras import keras, tf
from meishi.pictures import images
from meishi.ssd import model as ssd
from meishi.tunings import Tuning
from meishi.unet import model as unet
from meishi.variants import Variant
from tests.small_models import SSD, UNET

PALETTE = Tuning("unet", "crops", 4, 2000, {}, 0, 1, 12, 4, 0.002, 2, 100)


def varied(model):
    """Give an untrained model batch norms that do something."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            spread = [rng.uniform(0.5, 1.5, shape) for _ in range(2)]
            shift = [rng.normal(0, 0.3, shape) for _ in range(2)]
            layer.set_weights([spread[0], *shift, spread[1]])
    return model


@pytest.fixture(scope="module")
def segmenter():
    keras.utils.set_random_seed(3)
    return varied(unet.build_segmenter(unet.build_trainer(UNET)))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def samples(pictures):
    jpegs = [images.encode(picture, ".jpg", 90) for picture in pictures]
    return SampleSet(jpegs, [np.zeros((0, 4, 2))] * len(jpegs), "noise")


def run_tuning(segmenter, samples, folder, settings=PALETTE):
    chosen, plan = tuning.make_plan(samples, settings, 1, folder, "weights")
    found = tuning.tune(segmenter, distillation.SEGMENTER, chosen, settings, plan)
    return *found, plan


@pytest.fixture(scope="module")
def tuned_segmenter(segmenter, samples, tmp_path_factory):
    return run_tuning(segmenter, samples, tmp_path_factory.mktemp("checkpoints"))[0]


@pytest.mark.parametrize("build", ["ssd", "unet"])
def test_a_folded_network_does_what_it_did_without_batch_norms(build, pictures, segmenter):
    if build == "ssd":
        segmenter = varied(ssd.build_detector(SSD, ssd.build_trainer(SSD)))
    folded = folding.fold_batch_norms(segmenter)
    given = pictures.astype(np.float32)
    for expected, found in zip(
        tf.nest.flatten(segmenter(given)), tf.nest.flatten(folded(given)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in folded.layers)


def test_a_batch_norm_without_a_convolution_is_refused():
    image = keras.Input((4, 4, 3))
    norm = keras.layers.BatchNormalization(name="lost")(keras.layers.ReLU()(image))
    with pytest.raises(ValueError, match="lost: expected a convolution of its own before it"):
        folding.fold_batch_norms(keras.Model(image, norm))


def kernels(model):
    return {x.name: x.get_weights()[0] for x in model.layers if isinstance(x, CONVOLUTIONS)}


def test_large_kernels_lie_on_a_palette_and_the_others_on_a_grid(tuned_segmenter):
    sizes = {"few": 0, "many": 0}
    for name, kernel in kernels(tuned_segmenter).items():
        paletted = kernel.size >= PALETTE.palette_values and "depthwise" not in name
        sizes["few" if paletted else "many"] += 1
        if paletted:
            assert len(np.unique(kernel)) <= 16
        else:
            axis = 2 if "depthwise" in name else 3
            channels = np.moveaxis(kernel, axis, 0)
            assert max(len(np.unique(np.abs(channel))) for channel in channels) <= 128
    assert sizes["few"] >= 3 and sizes["many"] >= 10


def test_a_named_layers_kernel_has_bits_of_its_own(segmenter):
    bits = {"bottom_a": 2, "bottom_b": 0, "block0_project": 6}
    kernel = kernels(tuning.round_weights(segmenter, replace(PALETTE, kernel_bits=bits)))
    assert len(np.unique(kernel["bottom_a"])) == 4
    assert 16 < len(np.unique(kernel["block0_project"])) <= 64
    channels = np.moveaxis(kernel["bottom_b"], 3, 0)
    assert 16 < max(len(np.unique(np.abs(channel))) for channel in channels) <= 128


@pytest.mark.parametrize("name", ["no_layer", "block0_depthwise", "mask"])
def test_a_name_of_no_such_layer_is_refused_with_those_there_are(segmenter, name):
    settings = replace(PALETTE, kernel_bits={name: 6})
    with pytest.raises(InputError, match=f"kernel_bits names {name}; .* are stem, .*bottom_a"):
        tuning.round_weights(segmenter, settings)


def test_fine_tuning_brings_the_network_nearer_to_the_float_one(segmenter, samples, pictures,
                                                                tmp_path):  # fmt: skip
    settings = Tuning("unet", "crops", 2, 500, {}, 0, 0, 60, 4, 0.005, 5, 100)
    found, history, _ = run_tuning(segmenter, samples, tmp_path, settings)
    given = pictures.astype(np.float32)
    before, after = (
        float(np.abs(net(given) - segmenter(given)).mean())
        for net in (tuning.round_weights(segmenter, settings), found)
    )
    assert after < 0.7 * before
    assert history[-1]["step"] == 60


def test_two_runs_give_the_same_weights(segmenter, samples, tmp_path, tuned_segmenter):
    again, _, _ = run_tuning(segmenter, samples, tmp_path)
    for first, second in zip(again.get_weights(), tuned_segmenter.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_frozen_layers_keep_their_biases(segmenter, tuned_segmenter):
    rounded = tuning.round_weights(segmenter, PALETTE)
    biases = [
        [net.get_layer(name).get_weights()[1] for net in (rounded, tuned_segmenter)]
        for name in ("stem", "block0_depthwise", "bottom_a")
    ]
    assert np.array_equal(*biases[0]) and np.array_equal(*biases[1])
    assert not np.array_equal(*biases[2])


def test_the_gradient_reaches_palette_kernel_and_bias(segmenter, pictures):
    net = student.build_student(folding.fold_batch_norms(segmenter), PALETTE)
    layer = net.get_layer("bottom_a")
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(net(pictures.astype(np.float32)) ** 2)
    for gradient in tape.gradient(value, [layer.palette, layer.kernel, layer.bias]):
        assert np.abs(gradient).max() > 0


def test_what_is_stored_is_what_was_trained(segmenter, pictures):
    folded = folding.fold_batch_norms(segmenter)
    net = student.build_student(folded, PALETTE)
    rng = np.random.default_rng(7)
    for layer in net.layers:  # as after many steps: nothing lies on its grid any more
        if isinstance(layer, CONVOLUTIONS):
            kernel = layer.weights[0]
            kernel.assign(kernel * rng.uniform(0.9, 1.1, kernel.shape))
    given = pictures.astype(np.float32)
    seen, stored = net(given).numpy(), student.finish(folded, net)(given).numpy()
    # Palettes, scales and biases go to float16 when they are stored: nothing more.
    assert np.abs(seen - stored).max() < 0.02 * np.abs(seen - segmenter(given).numpy()).max()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_rounded_depthwise_convolution_is_kerass_own_on_the_grid(stride):
    settings = {"kernel_size": 3, "strides": stride, "padding": "same", "activation": "relu"}
    rounding = layers.Int8DepthwiseConv2D(**settings)
    plain = keras.layers.DepthwiseConv2D(**settings)
    given = np.random.default_rng(2).normal(size=(2, 9, 8, 5)).astype(np.float32)
    rounding(given), plain(given)
    kernel, bias, unit = rounding.get_weights()
    rounding.set_weights([kernel, bias + 0.1, unit * 0.5])
    scale = np.abs(kernel).max(axis=(0, 1, 3), keepdims=True) / grids.LEVELS
    plain.set_weights([np.round(kernel / scale) * scale * 0.5, bias + 0.1])
    np.testing.assert_allclose(rounding(given), plain(given), atol=1e-5)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(rounding(given) ** 2)
    assert np.abs(tape.gradient(value, rounding.depthwise_kernel)).max() > 0


def test_samples_are_drawn_anew_when_they_do_not_suffice(samples, tmp_path):
    chosen, plan = tuning.make_plan(samples, PALETTE, 1, tmp_path)
    assert len(chosen.jpegs) == 48 and plan.steps == 12
    for round_ in range(6):
        assert set(chosen.jpegs[8 * round_ : 8 * round_ + 8]) == set(samples.jpegs)


def test_groups_that_do_not_divide_the_channels_are_refused(segmenter):
    settings = Tuning("unet", "crops", 4, 2000, {}, 7, 1, 1, 4, 0.002, 2, 100)
    with pytest.raises(InputError, match="group_channels: expected a divisor of the .* got 7"):
        student.build_student(folding.fold_batch_norms(segmenter), settings)


VARIANT = partial(
    Variant, model="unet", source="tuned/x", format="mlprogram", precision="fp16", tolerance=0.1,
    loss=0.1,
)  # fmt: skip


def packed(model, path, target, weights, group=0):
    frozen = freeze.freeze(model, ["mask"], keep_batch=False)
    variant = VARIANT(target=target, weights=weights, group=group)
    program = convert.convert_program(frozen, variant, convert.Metadata("a", "1", "d"))
    save_package(program, path)
    return Package.load(path), program


def operations(program):
    [function] = program.get_spec().mlProgram.functions.values()
    [block] = function.block_specializations.values()
    return [operation.type for operation in block.operations]


@pytest.mark.parametrize(
    ("bits", "group", "target", "weights", "kind"),
    [
        (4, 0, "iOS16", "palette4", "constexpr_lut_to_dense"),
        (4, 8, "iOS18", "palette4", "constexpr_lut_to_dense"),
        (0, 0, "iOS16", "int8", "constexpr_affine_dequantize"),
        (0, 0, "iOS18", "int8", "constexpr_blockwise_shift_scale"),
    ],
)
def test_a_package_holds_the_tuned_network(
    segmenter, pictures, tmp_path, bits, group, target, weights, kind
):
    settings = Tuning("unet", "crops", bits, 2000, {}, group, 1, 1, 4, 0.002, 2, 100)
    model = tuning.round_weights(segmenter, settings)
    package, program = packed(model, tmp_path / "net.mlpackage", target, weights, group)
    differences = parity.program_differences(model, ["mask"], package, list(pictures))
    assert differences["mask"] < 1e-5
    assert operations(program).count(kind) >= 3


def test_weights_off_every_grid_stay_as_they_are(segmenter, pictures, tmp_path):
    folded = folding.fold_batch_norms(segmenter)
    package, program = packed(folded, tmp_path / "net.mlpackage", "iOS16", "palette4")
    assert not [kind for kind in operations(program) if kind.startswith("constexpr")]
    differences = parity.program_differences(folded, ["mask"], package, list(pictures))
    assert differences["mask"] < 0.01


def test_each_small_constant_is_kept_once(tuned_segmenter, tmp_path):
    _, program = packed(tuned_segmenter, tmp_path / "net.mlpackage", "iOS16", "palette4")
    [function] = program.get_spec().mlProgram.functions.values()
    [block] = function.block_specializations.values()
    values = [
        operation.attributes["val"].SerializeToString(deterministic=True)
        for operation in block.operations
        if operation.type == "const"
    ]
    assert len(values) == len(set(values))


def test_a_constant_that_came_out_changed_is_refused(tuned_segmenter, monkeypatch, tmp_path):
    def off_by_a_little(values):
        return np.unique(values.astype(np.float32) + 0.01, return_inverse=True)

    monkeypatch.setattr(exact_storage, "_distinct", off_by_a_little)
    with pytest.raises(InputError, match="constants came out changed by their compression"):
        packed(tuned_segmenter, tmp_path / "net.mlpackage", "iOS16", "palette4")


def test_a_tuned_network_is_loaded_as_it_was_saved(segmenter, tuned_segmenter, tmp_path):
    def build(folder):
        return unet.build_segmenter(unet.build_trainer(unet.load_settings(folder)))

    save_network(unet.build_trainer(UNET), UNET, tmp_path / "unet")
    folder = tmp_path / "tuned" / "unet_int8"
    tuned.save_tuned(tuned_segmenter, tmp_path / "unet", folder)
    loaded = tuned.load_tuned(folder, build)
    for first, second in zip(loaded.get_weights(), tuned_segmenter.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    (folder / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(InputError, match=rf"{WEIGHTS}: .*run the stage tune@unet_int8"):
        tuned.load_tuned(folder, build)


def test_the_distance_of_a_network_from_itself_is_zero():
    rng = np.random.default_rng(1)
    logits, offsets = rng.normal(size=(2, 5, 1)) * 4, rng.normal(size=(2, 5, 4))
    logits, offsets = tf.constant(logits, tf.float32), tf.constant(offsets, tf.float32)
    same = distillation.detector_distance([offsets, logits], [offsets, logits])
    assert float(same["distance"]) == pytest.approx(0, abs=1e-6)
    for other in ([offsets + 0.1, logits], [offsets, logits + 0.5], [offsets, logits - 0.5]):
        moved = distillation.detector_distance(other, [offsets, logits])
        assert float(moved["distance"]) > 1e-3
    masks = distillation.segmenter_distance([logits + 0.5], [logits])
    assert float(masks["distance"]) > 1e-3


def test_stored_agrees_with_coremltools(tmp_path):
    """Our reading of its quantisation, against its own: the constants of a quantised program."""
    from meishi.compression.grids import stored

    image = keras.Input((8, 8, 3), name="image")
    net = keras.Model(image, keras.layers.Conv2D(24, 3, name="mask")(image))
    frozen = freeze.freeze(net, ["mask"], keep_batch=False)
    plain = VARIANT(source="unet", target="iOS16", weights="fp16")
    program = convert.convert_program(frozen, plain, convert.Metadata("a", "1", "d"))
    [before] = exact_storage._constants(program).values()
    setting = ct.optimize.coreml.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8",
                                                         weight_threshold=0)  # fmt: skip
    config = ct.optimize.coreml.OptimizationConfig(global_config=setting)
    quantised = ct.optimize.coreml.linear_quantize_weights(program, config)
    after = exact_storage._constants(ct.optimize.coreml.decompress_weights(quantised))
    [after] = after.values()
    np.testing.assert_array_equal(stored(before, 0), after)
    assert not np.array_equal(before, after)
