"""What an honest server costs a device, and how a device falls back."""

import pytest
from typer.testing import CliRunner

from meishi.cli import app
from meishi.collections import contract, probing
from meishi.collections.faulty_server import Twist
from tests.collections_world import BAD, CONTRACT, DETECTOR, probe, runs, weights
from tests.unit.collections_scene import NEW, OLD


def cost(scene, client=None):
    """Update; return the paths that were asked for and the bytes that came."""
    client = client or scene.phone
    asked, received = len(scene.site.asked), client.http.traffic.received
    client.update()
    return scene.site.asked[asked:], client.http.traffic.received - received


def test_an_unchanged_poll_is_one_request_without_a_body(scene):
    scene.attacked()
    assert cost(scene) == (["metadata/timestamp.json"], 0)


def test_an_unchanged_poll_of_a_restarted_app_is_one_request(scene):
    scene.attacked()
    again = scene.world.client(scene.site)
    assert cost(scene, again) == (["metadata/timestamp.json"], 0)
    assert runs(again) == NEW


def test_a_server_without_etags_costs_a_timestamp(scene):
    scene.twists["metadata/timestamp"] = Twist(headers={"ETag": ""})
    scene.attacked()
    asked, _ = cost(scene)
    assert asked == ["metadata/timestamp.json"]


def test_a_change_in_staging_costs_a_user_no_list_and_no_archive(scene):
    scene.attacked()
    scene.world.publish("1.2.0")
    asked, _ = cost(scene)
    assert [path.split(".", 1)[1] for path in asked] == ["json", "root.json", "snapshot.json"]


def test_a_note_of_another_timestamp_is_no_etag(scene):
    scene.attacked()
    timestamp = scene.phone.folder / "metadata" / "timestamp.json"
    timestamp.write_bytes(scene.old("metadata/timestamp.json"))
    asked, received = cost(scene)
    assert len(asked) == 2 and received > 0


def test_metadata_lost_on_the_device_come_again(scene):
    scene.attacked()
    (scene.phone.folder / "metadata" / "release.json").unlink()
    asked, _ = cost(scene)
    assert any(path.endswith(".release.json") for path in asked)
    assert runs(scene.phone) == NEW


def test_a_download_goes_on_where_it_broke_off(scene):
    scene.twists["archives/"] = Twist(cut=5000)
    outcome = scene.attacked()
    assert outcome.status == "failed"
    (part,) = (scene.phone.folder / "downloads").iterdir()
    assert part.stat().st_size == 15_000  # three attempts
    scene.twists.clear()
    asked, received = cost(scene)
    assert len([path for path in asked if path.startswith("archives/")]) == 1
    assert received < 7000
    assert runs(scene.phone) == NEW


def test_a_server_that_cannot_resume_sends_the_whole(scene):
    scene.twists["archives/"] = Twist(cut=5000)
    scene.attacked()
    whole = scene.archive().read_bytes()
    scene.twists["archives/"] = Twist(body=whole)
    assert scene.attacked().version == "1.1.0"
    assert runs(scene.phone) == NEW


def test_a_part_of_something_else_is_thrown_away(scene):
    archive = scene.archive()
    part = scene.phone.shelf.archive(archive.stem)
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"x" * 5000)
    assert scene.attacked().status == "failed"
    assert not part.exists()
    assert scene.attacked().version == "1.1.0"


def test_going_back_to_the_previous_package_downloads_nothing(scene):
    scene.attacked()
    scene.world.withdraw("1.1.0")
    asked, _ = cost(scene)
    assert not any(path.startswith("archives/") for path in asked)
    assert runs(scene.phone) == OLD
    assert scene.phone.shelf.state(DETECTOR).previous is None  # what was withdrawn is not kept


def test_a_withdrawal_of_all_leads_to_the_embedded_package(scene):
    scene.attacked()
    for version in ("1.1.0", "1.0.0"):
        scene.world.withdraw(version)
    assert scene.attacked().status == "went back"
    assert runs(scene.phone) == b"embedded"
    assert scene.phone.shelf.used() == 0


def damage(client, which):
    installed = getattr(client.shelf.state(DETECTOR), which)
    (file,) = client.shelf.package(installed.sha256).rglob("weight.bin")
    file.write_bytes(b"rot")


def test_a_damaged_package_is_not_run(scene):
    scene.attacked()
    damage(scene.phone, "current")
    assert runs(scene.phone) == OLD
    damage(scene.phone, "previous")
    assert runs(scene.phone) == b"embedded"
    assert scene.attacked().version == "1.1.0"
    assert runs(scene.phone) == NEW


def test_a_package_that_fails_in_use_is_left_and_not_taken_again(scene):
    scene.attacked()
    outcome = scene.phone.report_failure(DETECTOR)
    assert (outcome.status, outcome.version) == ("went back", "1.0.0")
    assert runs(scene.phone) == OLD
    assert scene.attacked().version == "1.0.0"
    scene.world.publish("1.2.0")
    scene.world.promote("1.2.0")
    assert scene.attacked().version == "1.2.0"
    assert runs(scene.phone) == weights("1.2.0")


def test_an_embedded_package_that_fails_stays(scene):
    phone = scene.world.client(scene.site, "new-phone")
    assert phone.report_failure(DETECTOR).status == "unchanged"
    assert runs(phone) == b"embedded"


def test_a_broken_state_file_means_the_embedded_package(scene):
    (scene.phone.folder / "state.json").write_bytes(b"{")
    phone = scene.world.client(scene.site)
    assert runs(phone) == b"embedded"
    assert phone.update()[0].version == "1.1.0"


def test_halting_keeps_who_has_it(scene):
    scene.attacked()
    scene.world.set_state("1.1.0", "halted")
    assert scene.attacked().version == "1.1.0"
    other = scene.world.client(scene.site, "late")
    assert other.update()[0].version == "1.0.0"


def test_a_clock_that_is_behind_changes_nothing(scene):
    from tests.collections_world import days

    scene.phone.clock = lambda: days(-3000)
    assert scene.attacked().version == "1.1.0"


def test_a_note_counts_for_its_collection_and_its_embedded_root_alone(scene):
    scene.attacked()
    tester = scene.world.client(scene.site, collection="staging")
    assert any(path.endswith(".staging.json") for path in cost(scene, tester)[0])
    again = scene.world.client(scene.site)
    again.root += b"\n"  # another file of the same content: a new app may trust another one
    assert len(cost(scene, again)[0]) > 1


def test_metadata_that_were_changed_on_the_device_are_not_believed(scene):
    scene.attacked()
    listed = scene.phone.folder / "metadata" / "release.json"
    listed.write_bytes(listed.read_bytes().replace(b'"1.1.0"', b'"9.9.9"'))
    asked, _ = cost(scene)
    assert any(path.endswith(".release.json") for path in asked)
    assert runs(scene.phone) == NEW


@pytest.fixture
def command(scene, monkeypatch):
    """Return `meishi collections client` as a new device; gives its exit code and its words."""
    monkeypatch.setattr(contract, "contract_of", lambda package: CONTRACT)
    monkeypatch.setattr(probing, "probe_package", probe)
    folder = scene.world.folder
    embedded = f"{DETECTOR}={folder / 'app' / 'CardDetector.mlpackage'}"
    options = ["--root", folder / "keys" / "root.json", "--state", folder / "new"]

    def run(url=scene.site.url):
        words = ["collections", "client", url, *options, "--embedded", embedded]
        done = CliRunner().invoke(app, [str(word) for word in words])
        return done.exit_code, done.output

    return run


def test_the_command_tells_the_status_and_ends_with_0_whatever_it_is(scene, command):
    scene.twists["archives/"] = Twist(status=500)
    code, told = command()
    assert code == 0 and "failed, runs embedded" in told and " of answers" in told
    scene.twists.clear()
    code, told = command()
    assert code == 0 and "updated, runs 1.1.0" in told
    code, told = command()
    assert code == 0 and told.endswith("\n1 request, 0 bytes of answers\n")


def test_the_command_tells_of_a_package_that_is_refused(scene, command):
    scene.world.publish("1.2.0", BAD)
    scene.world.promote("1.2.0")
    code, told = command()
    assert code == 0 and "refused, runs embedded" in told


def test_the_command_names_who_does_not_answer(command):
    code, told = command("http://127.0.0.1:1")
    assert code == 0 and "no answer: 127.0.0.1:1: " in told and "_Plain" not in told
