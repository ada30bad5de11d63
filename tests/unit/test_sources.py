import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from meishi.data import sources
from meishi.data.records import Card
from meishi.data.shards import sha256
from meishi.data.sources import SourceError, verified_scenes
from meishi.params import FetchParams, SourceParams
from meishi.pictures import images
from tests import tiny_data

WEIGHTS = "data/weights/efficientnet_lite0.npz"
PARAMS = FetchParams((SourceParams("tiny", "data"),), WEIGHTS, WEIGHTS)
QUAD = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.7], [0.2, 0.7]])


def refusal(params: FetchParams = PARAMS) -> str:
    with pytest.raises(SourceError) as caught:
        list(verified_scenes(params))
    return str(caught.value)


def write_with(change, number: int = 2) -> None:
    """Write data/ with one scene changed, hashes and manifest in step with it."""
    drawn = list(tiny_data.scenes())
    drawn[number] = change(*drawn[number])
    tiny_data.write_data(Path("data"), iter(drawn))


def with_quad(quad):
    return lambda record, content: (replace(record, cards=(Card(np.array(quad), "d"),)), content)


def edit_manifest(change) -> None:
    file = Path("data/manifest.json")
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_a_sound_source_yields_every_scene(data):
    read = list(verified_scenes(PARAMS))
    drawn = list(tiny_data.scenes())
    assert [(r.id, content) for r, content in read] == [(r.id, content) for r, content in drawn]


def named_as(number: int, scene) -> tuple:
    record, content = scene
    return replace(record, id=f"s{number:05d}", image=f"s{number:05d}.webp"), content


def with_more(drawn) -> FetchParams:
    """Write a second source, and name both."""
    tiny_data.write_data(Path("more"), iter(drawn))
    both = (SourceParams("tiny", "data"), SourceParams("more", "more"))
    return replace(PARAMS, sources=both)


def test_several_sources_get_their_names_as_prefixes(data):
    others = [named_as(n, tiny_data.draw_scene(100 + n, n % 3, n)) for n in range(18)]
    read = [record for record, _ in verified_scenes(with_more(others))]
    assert [read[0].id, read[0].image] == ["tiny-s00000", "tiny-s00000.webp"]
    assert read[-1].id == "more-s00017"
    assert len({record.id for record in read}) == 36


def test_a_picture_of_two_sources_comes_once_and_is_told(data):
    params = with_more([*tiny_data.scenes(), named_as(99, tiny_data.draw_scene(99, 1, 0))])
    copies: list[str] = []
    read = [record.id for record, _ in verified_scenes(params, copies)]
    assert read == [*(f"tiny-s{n:05d}" for n in range(18)), "more-s00099"]
    assert copies[0] == "more-s00000: the same picture as tiny-s00000, with the same labels"
    assert len(copies) == 18


def test_a_picture_that_two_sources_label_otherwise_is_refused(data):
    moved = list(tiny_data.scenes())
    moved[1] = with_quad(QUAD)(*moved[1])
    told = refusal(with_more(moved))
    assert "more: more-s00001 is the same picture as tiny-s00001 of data, labelled other" in told


def test_a_picture_is_no_scene_and_a_photo_without_a_card(data):
    scene = tiny_data.draw_scene(0, 0, 0)
    params = replace(PARAMS, without_cards=photos("beside", scene=scene))
    assert "elsewhere-s00000 is the same picture as s00000, a scene of fetch.so" in refusal(params)


def test_two_sources_of_one_name_are_refused(data):
    twice = replace(PARAMS, sources=PARAMS.sources * 2)
    assert "two sources are called 'tiny'" in refusal(twice)
    assert "faults: 1\n" in refusal(twice)  # told before anything is read


def test_no_source_is_refused(data):
    assert "sources is empty" in refusal(replace(PARAMS, sources=()))


def test_a_missing_folder_is_named(data):
    nowhere = (*PARAMS.sources, SourceParams("far", "far"))
    named = "params.yaml [fetch]: source 'far': far/manifest.json: No such file"
    assert named in refusal(replace(PARAMS, sources=nowhere))
    with pytest.raises(SourceError, match=re.escape(named)):
        sources.seen_scenes(replace(PARAMS, sources=nowhere))


def test_an_empty_source_is_refused(workspace):
    tiny_data.write_data(Path("data"), iter([]))
    assert "data/records.jsonl: the source is empty" in refusal()


@pytest.mark.parametrize(
    ("quad", "words"),
    [
        (QUAD[[0, 2, 1, 3]], "the quad is self-crossing"),
        (QUAD[::-1], "the quad is counter-clockwise"),
        (QUAD + [1.5, 0], "the quad is out of range"),
        (QUAD + [0.78, 0], "inside the frame"),
    ],
    ids=["self-crossing", "counter-clockwise", "out of range", "outside"],
)
def test_an_unusable_quad_is_named_with_its_line(workspace, quad, words):
    write_with(with_quad(quad))
    message = refusal()
    assert "data/records.jsonl line 3 (s00002): card 1: " in message and words in message


def test_a_tilt_in_words_is_refused(workspace):
    steep = {"tilt_deg": "35"}
    write_with(lambda record, content: (replace(record, attributes=steep), content))
    assert "line 3 (s00002): attribute 'tilt_deg': expected a number of degrees" in refusal()


def test_a_scene_that_names_another_source_belongs_to_the_one_it_stands_in(workspace):
    other = {"cards": 2, "source": "traced"}
    write_with(lambda record, content: (replace(record, attributes=other), content))
    found = [record.attributes for record, _ in sources.verified_scenes(PARAMS)]
    assert {attributes["source"] for attributes in found} == {"tiny"}
    assert list(found[2]) == ["source", "cards"]


def test_five_cards_are_refused(workspace):
    write_with(lambda record, content: (replace(record, cards=(Card(QUAD, "d"),) * 5), content))
    assert "line 3 (s00002): 5 cards; 4 at most" in refusal()


def test_an_id_that_occurs_twice_is_refused(workspace):
    write_with(lambda record, content: (replace(record, id="s00000"), content))
    assert "line 3 (s00000): the id also stands on line 1" in refusal()


def test_a_stated_size_other_than_the_images_is_refused(workspace):
    write_with(lambda record, content: (replace(record, width=161), content))
    assert "s00002.webp: is 160x120 px; its record says 161x120" in refusal()


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_an_image_that_cannot_be_decoded_is_refused(workspace, cut):
    write_with(lambda record, content: (record, content[:cut]))
    assert "data/scenes-000.zip: s00002.webp: s00002.webp: " in refusal()


def test_a_missing_image_is_refused(data):
    rename_in_records("s00002.webp", "gone.webp")
    assert "line 3 (s00002): missing image: no gone.webp in data/scenes-000.zip" in refusal()


def rename_in_records(old: str, new: str) -> None:
    """Change records.jsonl and its hash in the manifest."""
    file = Path("data/records.jsonl")
    file.write_text(file.read_text().replace(old, new))
    digest = sha256(file.read_bytes())
    edit_manifest(lambda manifest: manifest["records"].update(sha256=digest))


def test_an_image_of_another_sha256_is_refused(data):
    record = json.loads((data / "records.jsonl").read_text().splitlines()[2])
    rename_in_records(record["sha256"], "f" * 64)
    assert f"s00002.webp: wrong sha256: expected {'f' * 64}" in refusal()


def test_a_bad_line_is_refused(data):
    rename_in_records('{"id": "s00002"', '{"id": s00002')
    assert "data/records.jsonl line 3: not JSON" in refusal()


@pytest.mark.parametrize("name", ["scenes-000.zip", "records.jsonl"])
def test_a_changed_file_is_refused(data, name):
    with (data / name).open("ab") as stream:
        stream.write(b"\n")
    assert f"data/{name}: wrong sha256" in refusal()


def test_changed_weights_are_refused(data):
    (data / "weights" / "efficientnet_lite0.npz").write_bytes(b"others")
    assert "data/weights/efficientnet_lite0.npz: wrong sha256" in refusal()


def test_weights_no_manifest_lists_are_refused(data):
    for key in ("weights", "direction_weights"):
        told = refusal(replace(PARAMS, **{key: "data/w.npz"}))
        assert f"[fetch]: {key}: data/w.npz stands in the manifest.json of no source" in told


@pytest.mark.parametrize("name", ["scenes-000.zip", "records.jsonl"])
def test_a_missing_file_is_refused(data, name):
    (data / name).unlink()
    assert f"data/{name}: No such file" in refusal()


def test_a_shard_the_manifest_does_not_list_is_refused(data):
    edit_manifest(lambda manifest: manifest["shards"].clear())
    assert "data/scenes-000.zip: missing shard" in refusal()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(schema=2), "schema: expected 1, got 2"),
        (lambda m: m.pop("licence"), "missing key 'licence'"),
        (lambda m: m.update(note=""), "unknown key 'note'"),
        (lambda m: m["shards"][0].pop("sha256"), "shards[0]: missing key 'sha256'"),
    ],
)
def test_a_manifest_of_another_form_is_refused(data, change, words):
    edit_manifest(change)
    assert f"data/manifest.json: {words}" in refusal()


def test_a_manifest_that_is_no_json_is_refused(data):
    (data / "manifest.json").write_text("{")
    assert "data/manifest.json: not JSON" in refusal()


def test_all_faults_come_at_once_and_twenty_are_listed(workspace):
    drawn = [(replace(r, width=1 + r.width), c) for r, c in tiny_data.scenes(10, 3)]
    tiny_data.write_data(Path("data"), iter(drawn))
    lines = refusal().splitlines()
    assert lines[0] == "the data is refused, faults: 30"
    assert len(lines) == 22 and lines[-1] == "... and 10 more"


def test_a_rotated_image_is_measured_upright(workspace):
    def rotate(record, content):
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = Path("rotated.jpg")
        Image.fromarray(images.decode(content)).save(stored, exif=exif)
        return replace(record, image="r.jpg", width=120, height=160), stored.read_bytes()

    write_with(rotate, number=0)
    assert len(list(verified_scenes(PARAMS))) == 18


def test_other_line_separators_do_not_end_a_record(workspace):
    record, content = tiny_data.draw_scene(0, 1, 0)
    odd = replace(record, backgrounds=("desk\u2028two", "desk\x85three"))
    tiny_data.write_data(workspace / "data", iter([(odd, content)]))
    ((found, _),) = verified_scenes(PARAMS)
    assert found.backgrounds == odd.backgrounds


def test_ids_that_meet_through_their_prefixes_are_refused(workspace):
    record, content = tiny_data.draw_scene(0, 1, 0)
    for folder, name in (("one", "b-c"), ("two", "c")):
        scene = replace(record, id=name, image=f"{name}.webp")
        tiny_data.write_data(workspace / folder, iter([(scene, content)]))
    sources = (SourceParams("a", "one"), SourceParams("a-b", "two"))
    params = FetchParams(sources, *["one/weights/efficientnet_lite0.npz"] * 2)
    with pytest.raises(SourceError, match="a-b-c is also the id"):
        list(verified_scenes(params))


def photos(folder: str, cards: int = 0, scene=None, **changes) -> tuple[SourceParams, ...]:
    """Write a source of one scene, and name it `elsewhere`."""
    scene = scene or named_as(0, tiny_data.draw_scene(1000, cards, 0))
    tiny_data.write_data(Path(folder), iter([scene]))
    return (SourceParams(**{"name": "elsewhere", "path": folder} | changes),)


def test_photos_without_cards_are_read_beside_the_scenes(data):
    params = replace(PARAMS, without_cards=photos("beside"))
    assert len(list(verified_scenes(params))) == len(list(tiny_data.scenes()))
    ((found, content),) = sources.without_cards(params)
    assert (found.cards, found.attributes["source"]) == ((), "elsewhere") and content
    assert found.id == "elsewhere-s00000"  # never that of a scene, which may have no prefix
    assert list(sources.without_cards(PARAMS)) == []


def test_a_photo_with_a_card_is_refused_among_those_without(data):
    params = replace(PARAMS, without_cards=photos("beside", cards=2))
    told = refusal(params)
    assert "'elsewhere': elsewhere-s00000: expected a photo without a card, got 2 labelled" in told
    with pytest.raises(SourceError, match=r"\[fetch\.without_cards\]"):
        list(sources.without_cards(params))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "tiny"}, "called 'tiny'"),
        ({"path": "nowhere"}, "'elsewhere'"),
        ({"format": "x"}, "'x'"),
    ],
)
def test_faults_of_photos_without_cards_are_told_with_those_of_the_scenes(data, changes, message):
    edit_manifest(lambda manifest: manifest["shards"][0].update(sha256="0" * 64))
    told = refusal(replace(PARAMS, without_cards=photos("beside", **changes)))
    assert message in told and "sha256" in told
