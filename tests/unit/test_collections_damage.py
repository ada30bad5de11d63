"""A device's folder whose files are not what it wrote, and answers that would spoil it."""

import json
import os
import shutil

import pytest

from meishi.collections.faulty_server import Twist
from tests.collections_world import DETECTOR, runs, weights
from tests.unit.collections_scene import NEW, OLD

DEEP = "[" * 100_000
# What a file or a folder of the client's turns into.
KINDS = {
    "a folder": lambda path: (path.mkdir(), (path / "x").write_text("x")),
    "a file": lambda path: path.write_text("x"),
    "a link to nothing": lambda path: path.symlink_to("/nonexistent/x"),
    "deep JSON": lambda path: path.write_text(DEEP),
    "nothing": lambda path: None,
}
PLACES = [
    "state.json",
    "models",
    "downloads",
    "metadata",
    "metadata/root_history",
    "metadata/root_history/1.root.json",
    "metadata/root.json",
    "metadata/timestamp.json",
    "metadata/snapshot.json",
    "metadata/targets.json",
    "metadata/release.json",
    "metadata/poll.json",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_folder_heals_at_the_next_update(scene, place, kind):
    scene.attacked()
    path = scene.phone.folder / place
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    KINDS[kind](path)
    phone = scene.world.client(scene.site)
    outcome = phone.update()[0]
    assert outcome.status in ("updated", "unchanged"), outcome
    assert outcome.version == "1.1.0" and runs(phone) == NEW


def spoil(document, **values):
    document["current"].update(values)


STATES = {
    "a sha256 that is a path": lambda one: spoil(one, sha256=".."),
    "a sha256 with a zero byte": lambda one: spoil(one, sha256="a\0b"),
    "a sha256 that is no text": lambda one: spoil(one, sha256="\ud800"),
    "a version that is none": lambda one: spoil(one, version="abc"),
    "a tree that is none": lambda one: spoil(one, tree="x"),
    "a failure that is no sha256": lambda one: one.update(failed=["x"]),
    "a trial that never began": lambda one: one.update(
        begun=[{"sha256": "a" * 64, "count": -5, "begun": 0}]
    ),
    "a trial in no time that there is": lambda one: one.update(
        begun=[{"sha256": "a" * 64, "count": 5, "begun": 10**300}]
    ),
    "an unknown key": lambda one: one.update(trial="x"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_no_client_writes_is_damage(scene, name):
    scene.attacked()
    file = scene.phone.folder / "state.json"
    document = json.loads(file.read_text())
    STATES[name](document["models"][0])
    file.write_text(json.dumps(document))
    phone = scene.world.client(scene.site)
    assert runs(phone) == b"embedded"
    assert phone.update()[0].version == "1.1.0" and runs(phone) == NEW


def test_what_a_kill_left_among_the_metadata_is_cleared_away(scene):
    left = scene.phone.folder / "metadata" / "tmpabcdefgh"
    left.write_bytes(b"{")
    assert scene.attacked().version == "1.1.0" and not left.exists()


def test_a_part_that_is_a_folder_is_cleared_away(scene):
    part = scene.phone.shelf.archive(scene.archive().stem)
    part.mkdir(parents=True)
    assert scene.attacked().version == "1.1.0"


def test_the_same_bytes_under_a_new_number_are_reported_by_it(scene):
    scene.attacked()
    scene.world.publish("1.2.0", weights("1.1.0"))
    scene.world.promote("1.2.0")
    scene.world.withdraw("1.1.0")
    asked = len(scene.site.asked)
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("updated", "1.2.0")
    assert not any(path.startswith("archives/") for path in scene.site.asked[asked:])
    assert scene.attacked().status == "unchanged" and runs(scene.phone) == NEW
    state = scene.phone.shelf.state(DETECTOR)
    assert state.previous.version == "1.0.0"


@pytest.mark.parametrize("tag", ['"' + "a" * 20_000 + '"', '"ü"'])
def test_an_etag_that_no_server_would_take_back_is_not_kept(scene, tag):
    scene.twists["metadata/timestamp"] = Twist(headers={"ETag": tag})
    assert scene.attacked().version == "1.1.0"
    note = json.loads((scene.phone.folder / "metadata/poll.json").read_text())
    assert note["etag"] == ""
    asked = len(scene.site.asked)
    assert scene.attacked().status == "unchanged"
    assert len(scene.site.asked) - asked == 1


def test_an_etag_that_was_kept_too_long_is_not_sent(scene):
    scene.attacked()
    file = scene.phone.folder / "metadata/poll.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"etag": "a" * 70_000}))
    assert scene.attacked().status == "unchanged"


@pytest.mark.parametrize("status", [400, 412, 431])
def test_a_request_whose_tag_is_refused_is_made_again_without(scene, status):
    scene.attacked()
    answers = [Twist(status=status)]
    scene.site.twist = lambda path: answers.pop() if answers else None
    assert scene.attacked().status == "unchanged"
    assert not answers


def test_a_server_that_refuses_all_is_asked_once_more_and_no_longer(scene):
    scene.attacked()
    scene.twists["metadata/timestamp"] = Twist(status=431)
    asked = len(scene.site.asked)
    assert "HTTP 431" in scene.attacked().reason
    assert len(scene.site.asked) - asked == 2


def part_of(scene, length=5000):
    """Leave a part of the archive on the device, as a download that broke off does."""
    archive = scene.archive()
    part = scene.phone.shelf.archive(archive.stem)
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(archive.read_bytes()[:length])
    return part, archive.stat().st_size


@pytest.mark.parametrize(
    "said",
    [
        "bytes 4990-{last}/{size}",
        "bytes 5000-{last}/{more}",
        "bytes 5000-{size}/{size}",
        "bytes 5000-{last}",
        "bytes 50001-{last}/{size}",
        "",
        "bytes " + "9" * 5000 + "-{last}/{size}",
    ],
)
def test_a_part_that_was_not_asked_for_is_not_joined(scene, said):
    _, size = part_of(scene)
    said = said.format(last=size - 1, size=size, more=size + 1)
    answers = [Twist(status=206, headers={"Content-Range": said})]
    twisted = "archives/"
    scene.site.twist = lambda path: answers.pop() if answers and path.startswith(twisted) else None
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("updated", "1.1.0")
    archives = [path for path in scene.site.asked if path.startswith(twisted)]
    assert len(archives) == 2  # the second attempt asks for the whole


def test_a_first_part_that_is_another_is_not_taken(scene):
    size = scene.archive().stat().st_size
    said = f"bytes 10-{size - 1}/{size}"
    scene.twists["archives/"] = Twist(status=206, headers={"Content-Range": said})
    outcome = scene.attacked()
    assert outcome.status == "failed" and "got 'bytes 10-" in outcome.reason
    assert list((scene.phone.folder / "downloads").iterdir()) == []
    assert runs(scene.phone) == OLD


def test_a_part_stays_when_the_server_is_down(scene):
    part, _ = part_of(scene)
    scene.twists["archives/"] = Twist(status=503)
    assert scene.attacked().status == "failed"
    assert part.stat().st_size == 5000
    assert os.listdir(part.parent) == [part.name]
