"""Networks trained before: packed beside the backbone's weights, loaded, refused."""

import dataclasses

import numpy as np
import pytest
from typer.testing import CliRunner

from meishi import paths
from meishi.backbone import efficientnet as backbone
from meishi.cli import app
from meishi.clone.continued import continue_from
from meishi.data import records
from meishi.data.manifest import MANIFEST_FILE, read_manifest, read_seen
from meishi.data.shards import write_index, write_shards
from meishi.data.sources import seen_scenes, verified_scenes
from meishi.data.weights import of_network
from meishi.data.without_cards import TRAIN_PHOTOS, WITHOUT_CARDS
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes
from meishi.files.saved import save_network
from meishi.keras import keras
from meishi.params import FetchParams, SourceParams
from meishi.ssd import model as ssd_model
from meishi.training.continuing import load_trained, pack
from meishi.training.starting import begin_with, blended
from meishi.unet import model as unet_model
from meishi.unet.narrowing import narrow_bottom
from tests.small_models import SSD, TRAIN_UNET, UNET, backbone_arrays
from tests.tiny_data import WEIGHTS, draw_scene, scenes, write_data

TRAIN = dataclasses.replace(TRAIN_UNET, pretrained=True, continued=True, frozen_blocks=2)


def unet(seed=1):
    keras.utils.set_random_seed(seed)
    trainer = unet_model.build_trainer(UNET)
    for layer in trainer.layers:  # as after training: no statistics are those of a new layer
        if layer.name.endswith("_bn"):
            layer.set_weights([value + 0.1 for value in layer.get_weights()])
    return trainer


@pytest.fixture
def imagenet(tmp_path):
    """Stand-in weights of the backbone: those of another network, in float16."""
    arrays = backbone_arrays(ssd_model.build_trainer(SSD))
    halves = {key: array.astype(np.float16) for key, array in arrays.items()}
    np.savez(tmp_path / "imagenet.npz", **halves)
    return tmp_path / "imagenet.npz"


@pytest.fixture
def packed(imagenet, tmp_path):
    pack({"unet": unet()}, imagenet, tmp_path / "packed.npz")
    return tmp_path / "packed.npz"


def assert_alike(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)


def test_what_is_packed_is_loaded_to_float16(packed):
    loaded = unet(seed=2)
    load_trained(loaded, packed)
    assert_alike(loaded, unet())


def test_layers_that_training_left_as_they_were_are_not_packed_twice(imagenet, tmp_path):
    trainer = unet()
    backbone.load_imagenet(trainer, imagenet)
    pack({"unet": trainer}, imagenet, tmp_path / "packed.npz")
    keys = np.load(tmp_path / "packed.npz").files
    assert not [key for key in keys if key.startswith(("unet/stem", "unet/block"))]
    begun = unet(seed=2)
    begin_with(TRAIN, tmp_path / "packed.npz")(begun)
    assert_alike(begun, trainer)


def test_packing_again_replaces_the_networks_and_gives_the_same_bytes(packed, tmp_path):
    pack({"unet": unet()}, packed, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == packed.read_bytes()


def test_training_begins_with_the_trained_network_or_with_imagenet(packed):
    begun = {}
    for continued in (True, False):
        begun[continued] = unet(seed=2)
        begin_with(dataclasses.replace(TRAIN, continued=continued), packed)(begun[continued])
    assert_alike(begun[True], unet())
    kernels = [
        net.get_layer("mask_logits").get_weights()[0] for net in (begun[False], unet(seed=2))
    ]
    np.testing.assert_array_equal(*kernels)
    assert not begun[True].get_layer("stem").trainable  # frozen blocks stay so
    assert begin_with(dataclasses.replace(TRAIN, pretrained=False), packed) is None


def test_a_blend_lies_between_what_it_began_with_and_what_was_trained(packed):
    first, trained = unet(seed=2), unet(seed=3)
    begin_with(TRAIN, packed)(first)
    begin_with(TRAIN, packed)(trained)
    for layer in trained.layers:
        if layer.trainable:
            layer.set_weights([value + 0.5 for value in layer.get_weights()])
    train = dataclasses.replace(TRAIN, trained_share=0.25)
    mixed = blended(trained, unet, train, packed)
    changed = 0
    for layer in mixed.layers:
        ends = [net.get_layer(layer.name).get_weights() for net in (first, trained)]
        for found, begun, end in zip(layer.get_weights(), *ends, strict=True):
            np.testing.assert_allclose(found, 0.75 * begun + 0.25 * end, atol=1e-6)
            if np.array_equal(begun, end):  # frozen: to the bit
                np.testing.assert_array_equal(found, begun)
            changed += not np.array_equal(begun, end)
    assert changed


def test_the_whole_of_a_training_is_kept_where_it_was_not_a_continued_one(packed):
    trained = unet(seed=3)
    some = dataclasses.replace(TRAIN, trained_share=0.25)
    for train in (
        TRAIN,
        dataclasses.replace(some, continued=False),
        dataclasses.replace(some, pretrained=False),
    ):
        assert blended(trained, unet, train, packed) is trained


def detector(expansion, seed=1):
    """Return a detector whose last block expands to so many channels; every other one is idle."""
    keras.utils.set_random_seed(seed)
    trainer = ssd_model.build_trainer(dataclasses.replace(SSD, last_expansion=expansion))
    project = trainer.get_layer("block10_project")
    [kernel] = project.get_weights()
    kernel[:, :, ::2] = 0
    project.set_weights([kernel])
    for layer in trainer.layers:
        if layer.name.startswith(("stem", "block")) and layer.name.endswith("_bn"):
            drawn = np.random.default_rng(0).uniform(0.5, 1.5, (4, layer.gamma.shape[0]))
            layer.set_weights(list(np.float32(np.float16(drawn))))
    return trainer


def test_a_narrower_last_block_takes_the_channels_that_give_something(imagenet, tmp_path):
    wide = detector(SSD.last_expansion)
    arrays = backbone_arrays(wide)
    np.savez(tmp_path / "wide.npz", **arrays)
    frames = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    narrow = detector(SSD.last_expansion // 2, seed=2)
    backbone.load_imagenet(narrow, tmp_path / "wide.npz")
    ends = [net.get_layer("block10_add").output for net in (wide, narrow)]
    found = [
        keras.Model(net.input, end)(frames).numpy()
        for net, end in zip((wide, narrow), ends, strict=True)
    ]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(
        detector(SSD.last_expansion // 2, seed=2)(frames)[0], narrow(frames)[0]
    )
    pack({"ssd": wide}, imagenet, tmp_path / "packed.npz")
    continued = detector(SSD.last_expansion // 2, seed=3)
    load_trained(continued, tmp_path / "packed.npz")
    for outputs in zip(wide(frames), continued(frames), strict=True):
        np.testing.assert_allclose(*outputs, rtol=1e-2, atol=1e-2)


def test_a_wider_last_block_than_the_file_s_is_refused(imagenet, tmp_path):
    wider = detector(SSD.last_expansion + 1)
    with pytest.raises(InputError, match=r"not the backbone's weights: .*block10_expand"):
        backbone.load_imagenet(wider, imagenet)
    pack({"ssd": detector(SSD.last_expansion)}, imagenet, tmp_path / "packed.npz")
    with pytest.raises(InputError, match="not this 'ssd'"):
        load_trained(wider, tmp_path / "packed.npz")


def test_a_file_without_the_network_is_refused_with_the_way_out(imagenet):
    wanted = r"no network 'unet' in it; .*train_unet\.continued: false"
    with pytest.raises(InputError, match=wanted):
        load_trained(unet(), imagenet)


def test_a_network_of_another_shape_is_refused(packed):
    wider = unet_model.build_trainer(dataclasses.replace(UNET, bottom_channels=24))
    with pytest.raises(InputError, match="not this 'unet'"):
        load_trained(wider, packed)
    shallower = unet_model.build_trainer(dataclasses.replace(UNET, blocks=2))
    with pytest.raises(InputError, match="'unet'"):
        load_trained(shallower, packed)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_a_damaged_file_is_refused(packed, content, tmp_path):
    packed.write_bytes(content)
    with pytest.raises(InputError, match=r"packed\.npz: not this 'unet'"):
        load_trained(unet(), packed)
    with pytest.raises(InputError, match=r"packed\.npz: not the backbone's weights"):
        pack({}, packed, tmp_path / "new.npz")
    assert not (tmp_path / "new.npz").exists()


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_weight_beyond_float16_is_refused(imagenet, tmp_path):
    trainer = unet()
    layer = trainer.get_layer("mask_logits")
    layer.set_weights([value + 1e6 for value in layer.get_weights()])
    with pytest.raises(InputError, match="unet/mask_logits: a weight is beyond float16"):
        pack({"unet": trainer}, imagenet, tmp_path / "packed.npz")


@pytest.fixture
def source(tmp_path, imagenet, monkeypatch):
    """A source, networks, and what fetch and preprocess make of it: six train scenes, no photo."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    drawn = list(scenes())
    paths.RAW.mkdir(parents=True)
    write_shards(paths.RAW, drawn, to_line=records.to_source_line)
    paths.TRAIN.mkdir(parents=True)
    write_index(paths.TRAIN, "train", write_shards(paths.TRAIN, drawn[:6]))
    for folder in (WITHOUT_CARDS, TRAIN_PHOTOS):
        folder.mkdir(parents=True)
        write_shards(folder, [])
    (tmp_path / "data" / WEIGHTS.file).write_bytes(imagenet.read_bytes())
    keras.utils.set_random_seed(4)
    save_network(ssd_model.build_trainer(SSD), SSD, tmp_path / "models" / "ssd")
    save_network(unet(), UNET, tmp_path / "models" / "unet")
    return tmp_path / "data"


def test_a_source_ships_what_was_trained(source, tmp_path):
    file = continue_from(source, tmp_path / "models")
    loaded = unet(seed=2)
    load_trained(loaded, file)
    assert_alike(loaded, unet())
    assert not (source / WEIGHTS.file).exists()
    params = FetchParams((SourceParams("tiny", str(source)),), str(file), str(file))
    shown = list(verified_scenes(params))  # hashes and all
    seen = seen_scenes(params)
    assert [record.sha256 in seen for record, _ in shown] == [True] * 6 + [False] * 12
    before = file.read_bytes(), (source / MANIFEST_FILE).read_bytes()
    assert continue_from(source, tmp_path / "models") == file
    assert before == (file.read_bytes(), (source / MANIFEST_FILE).read_bytes())


@pytest.mark.parametrize(("only", "other"), [("ssd", "unet"), ("unet", "ssd")])
def test_one_network_goes_on_and_the_other_begins_where_it_began(source, tmp_path, only, other):
    file = continue_from(source, tmp_path / "models")
    before = {name: of_network(file, name) for name in (only, other)}
    keras.utils.set_random_seed(8)
    save_network(ssd_model.build_trainer(SSD), SSD, tmp_path / "models" / "ssd")
    save_network(unet(seed=9), UNET, tmp_path / "models" / "unet")
    arguments = ["continue", str(source), "--models", str(tmp_path / "models"), "--only", only]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    file = source / read_manifest(source, []).weights.file
    assert of_network(file, other) == before[other]
    assert of_network(file, only) != before[only]


def test_a_bottom_is_not_cut_where_the_segmenter_stays(source, tmp_path):
    before = (source / MANIFEST_FILE).read_bytes()
    arguments = ["continue", str(source), "--models", str(tmp_path / "models")]
    done = CliRunner().invoke(app, [*arguments, "--only", "ssd", "--bottom-channels", "2"])
    assert done.exit_code == 2 and "segmenter" in done.output
    assert (source / MANIFEST_FILE).read_bytes() == before


def test_the_command_says_what_comes_next(source, tmp_path):
    arguments = ["continue", str(source), "--models", str(tmp_path / "models")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert "fetch.weights:" in done.output and "dvc add data" in done.output


def test_a_segmenter_goes_on_with_a_narrower_bottom(source, tmp_path):
    fewer = dataclasses.replace(UNET, bottom_channels=UNET.bottom_channels - 1)
    arguments = ["continue", str(source), "--models", str(tmp_path / "models")]
    done = CliRunner().invoke(app, [*arguments, "--bottom-channels", str(fewer.bottom_channels)])
    assert done.exit_code == 0, done.output
    loaded = unet_model.build_trainer(fewer)
    file = source / read_manifest(source, []).weights.file
    load_trained(loaded, file)
    with pytest.raises(InputError, match="not this 'unet'"):
        load_trained(unet(), file)


@pytest.mark.parametrize("channels", [0, UNET.bottom_channels, UNET.bottom_channels + 1])
def test_a_bottom_is_narrowed_or_refused(source, tmp_path, channels):
    before = (source / MANIFEST_FILE).read_bytes()
    with pytest.raises(InputError, match=f"fewer than the segmenter has, got {channels}"):
        continue_from(source, tmp_path / "models", channels)
    assert (source / MANIFEST_FILE).read_bytes() == before


def silenced(trainer, name, channels):
    """Let nothing come out of some channels."""
    layer = trainer.get_layer(f"{name}_bn")
    weights = layer.get_weights()
    for values in weights[:2]:  # gamma, beta
        values[channels] = 0
    layer.set_weights(weights)


def test_channels_that_give_nothing_are_the_ones_that_go():
    trainer = unet()
    rng = np.random.default_rng(7)
    for layer in trainer.layers:  # so that the bottom is heard in the mask
        if layer.name.startswith(("bottom", "up", "mask")):
            shapes = [value.shape for value in layer.get_weights()]
            if layer.name.endswith("_bn"):  # gamma, beta, mean, variance
                layer.set_weights([np.full(shapes[0], value) for value in (1, 0.5, 0, 1)])
            else:
                layer.set_weights([rng.normal(0, 0.2, shape) for shape in shapes])
    silenced(trainer, "bottom_a", [1, 4])
    silenced(trainer, "bottom_b", [0, 2])
    segmenter = unet_model.build_segmenter(trainer)
    narrow = narrow_bottom(segmenter, UNET, UNET.bottom_channels - 2)
    image = np.random.default_rng(5).uniform(0, 255, (2, UNET.input_px, UNET.input_px, 3))
    np.testing.assert_allclose(narrow(image), segmenter(image), atol=1e-5)
    one_less = narrow_bottom(segmenter, UNET, UNET.bottom_channels - 3)
    assert np.abs(one_less(image) - segmenter(image)).max() > 1e-3


def test_photos_that_were_trained_on_are_seen_too(source, tmp_path):
    photos = [draw_scene(number, 0, number) for number in (901, 902)]
    fetched = write_shards(WITHOUT_CARDS, photos)
    write_shards(TRAIN_PHOTOS, [(fetched[0], b"scaled")])
    continue_from(source, tmp_path / "models")
    seen = read_seen(source, read_manifest(source, []), [])
    assert [record.sha256 in seen for record in fetched] == [True, False]


def test_what_was_seen_before_stays_seen(source, tmp_path):
    continue_from(source, tmp_path / "models")
    write_index(paths.TRAIN, "train", write_shards(paths.TRAIN, list(scenes())[12:]))
    continue_from(source, tmp_path / "models")
    manifest = read_manifest(source, [])
    assert len(read_seen(source, manifest, [])) == 12
    (source / manifest.seen.file).write_text("0\n")
    with pytest.raises(InputError, match=r"seen-[0-9a-f]{12}\.txt: wrong sha256"):
        continue_from(source, tmp_path / "models")


@pytest.mark.parametrize("written", [1, 2])
def test_a_source_that_was_to_continue_stays_sound_when_that_is_killed(
    source, tmp_path, monkeypatch, written
):
    def kill_after(written):
        left = iter(range(written))

        def write(target, content):
            if next(left, None) is None:
                raise KeyboardInterrupt
            atomic_write_bytes(target, content)

        return write

    def sound(file):
        params = FetchParams((SourceParams("tiny", str(source)),), str(file), str(file))
        return len(list(verified_scenes(params))), len(seen_scenes(params))

    file = continue_from(source, tmp_path / "models")
    save_network(unet(seed=9), UNET, tmp_path / "models" / "unet")
    write_index(paths.TRAIN, "train", write_shards(paths.TRAIN, list(scenes())[12:]))
    with monkeypatch.context() as patch:
        patch.setattr("meishi.data.manifest.atomic_write_bytes", kill_after(written))
        patch.setattr("meishi.data.manifest.atomic_write_text", kill_after(0))
        with pytest.raises(KeyboardInterrupt):
            continue_from(source, tmp_path / "models")
    assert sound(file) == (18, 6)
    # Another network still: what the killed one left is nobody's then.
    save_network(unet(seed=10), UNET, tmp_path / "models" / "unet")
    other = continue_from(source, tmp_path / "models")
    assert other != file and sound(other) == (18, 12)
    named = read_manifest(source, [])
    left = {path.relative_to(source).as_posix() for path in (source / "weights").iterdir()}
    assert left == {named.weights.file, named.seen.file}


@pytest.mark.parametrize("damage", ["source", "ssd", "unet"])
def test_a_source_stays_as_it_is_where_something_is_missing(source, tmp_path, damage):
    before = (source / MANIFEST_FILE).read_bytes()
    for file in (tmp_path / "models" / damage).glob("*"):
        file.unlink()
    given = tmp_path / "none" if damage == "source" else source
    with pytest.raises(InputError, match="none" if damage == "source" else damage):
        continue_from(given, tmp_path / "models")
    assert (source / MANIFEST_FILE).read_bytes() == before
    assert read_manifest(source, []).weights.file == WEIGHTS.file
