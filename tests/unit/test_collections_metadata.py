"""Forged, old, mixed and badly signed metadata: the device keeps what runs.

The attacker has the server, and in many cases also the keys that lie on machines: timestamp's,
snapshot's, staging's.
"""

import json
import re
import shutil
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from meishi.collections import founding, layout
from meishi.collections.faulty_server import Twist
from tests.collections_world import DETECTOR, days, runs
from tests.unit.collections_scene import NEW, OLD


def refused(scene, reason):
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("failed", "1.0.0"), outcome
    assert re.search(reason, outcome.reason), outcome.reason
    assert runs(scene.phone) == OLD


def flip(file):
    """Change one digit of the signed part."""
    content = bytearray(file.read_bytes())
    at = content.rindex(b'"version":') + len('"version":')
    content[at] = ord("9")
    file.write_bytes(bytes(content))


def tampered_timestamp(scene):
    flip(scene.served(layout.TIMESTAMP))
    return "signed by 0/1"


def tampered_snapshot(scene):
    flip(scene.newest("snapshot"))
    return "hash|length|snapshot"


def tampered_targets(scene):
    scene.phone.folder.joinpath("metadata", "targets.json").unlink()
    flip(scene.newest("targets"))
    return "hash|length"


def tampered_collection(scene):
    flip(scene.newest("release"))
    return "hash|length"


def tampered_archive(scene):
    file = scene.archive()
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(bytes(content))
    return "hash"


def archive_of_another_version(scene):
    shutil.copy(scene.archive("1.0.0"), scene.archive("1.1.0"))
    return "hash|length"


def staging_served_as_release(scene):
    shutil.copy(scene.newest("staging"), scene.newest("release"))
    return "hash|length"


def targets_served_as_release(scene):
    shutil.copy(scene.newest("targets"), scene.newest("release"))
    return "hash|length"


def snapshot_served_as_timestamp(scene):
    shutil.copy(scene.newest("snapshot"), scene.served(layout.TIMESTAMP))
    return "timestamp"


def frozen_until_expired(scene):
    """The server repeats what was true once."""
    shutil.copy(scene.before / layout.TIMESTAMP, scene.served(layout.TIMESTAMP))
    scene.phone.clock = lambda: days(layout.EXPIRY_DAYS["timestamp"] + 1)
    return "timestamp.json is expired"


def unchanged_for_ever(scene):
    """The server answers 304 whatever it is asked; the ETag is right."""
    scene.twists["metadata/timestamp"] = Twist(status=304, headers={"Content-Length": ""})
    scene.phone.clock = lambda: days(layout.EXPIRY_DAYS["timestamp"] + 1)
    return "304"


def expired_snapshot(scene):
    """With timestamp's stolen key an old snapshot is kept alive."""
    signed = scene.state().snapshot.signed
    late = signed.expires + timedelta(days=1)
    scene.forge_timestamp(lambda signed: signed.update(expires=f"{late:%Y-%m-%dT%H:%M:%SZ}"))
    scene.forge_timestamp(
        lambda signed: signed.update(expires=f"{late + timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}")
    )
    scene.phone.clock = lambda: late
    return "snapshot.json is expired"


def expired_collection(scene):
    """With the stolen keys of timestamp and snapshot an old collection is kept alive."""
    later = f"{days(400):%Y-%m-%dT%H:%M:%SZ}"
    scene.forge_snapshot(lambda signed: signed.update(expires=later))
    scene.forge_timestamp(lambda signed: signed.update(expires=later))
    scene.forge("targets", lambda signed: signed.update(expires=later), [scene.key("targets-1")])
    scene.phone.clock = lambda: days(layout.EXPIRY_DAYS["release"] + 1)
    return "release is expired"


def old_timestamp(scene):
    scene.phone.update()  # it has seen 1.1.0 by now
    scene.world.withdraw("1.1.0")
    scene.phone.update()
    shutil.copy(scene.before / layout.TIMESTAMP, scene.served(layout.TIMESTAMP))
    return "timestamp|version"


def old_snapshot(scene):
    """A timestamp of timestamp's stolen key leads back to an old snapshot."""
    scene.forge_timestamp(lambda signed: signed["meta"].update({"snapshot.json": {"version": 2}}))
    return "snapshot|version"


def old_collection(scene):
    """A snapshot of stolen keys leads back to an old release."""
    scene.forge_snapshot(lambda signed: signed["meta"].update({"release.json": {"version": 2}}))
    return "release|version"


def collection_left_out(scene):
    scene.forge_snapshot(lambda signed: signed["meta"].pop("release.json"))
    return "release"


def mixed_and_matched(scene):
    """The snapshot of one state with the collection of another."""
    old = scene.before / "metadata" / scene.newest("release").name
    assert not old.exists()
    file = max((scene.before / "metadata").glob("*.release.json"))
    shutil.copy(file, scene.newest("release"))
    return "hash|length"


def mixed_without_hashes(scene):
    """The same where the snapshot names versions only: the version inside must agree."""
    signed = scene.state().snapshot.signed
    version = signed.meta["release.json"].version
    scene.forge_snapshot(
        lambda signed: signed["meta"].update({"release.json": {"version": version + 5}})
    )
    shutil.copy(scene.newest("release"), scene.served(f"metadata/{version + 5}.release.json"))
    return "Expected release v9, got v4"


def timestamp_of_an_unknown_key(scene):
    scene.forge_timestamp(lambda signed: None, [CryptoSigner.generate_ed25519()])
    return "signed by 0/1"


def timestamp_without_a_signature(scene):
    scene.forge_timestamp(lambda signed: None, [])
    return "signed by 0/1"


def timestamp_of_snapshots_key(scene):
    scene.forge_timestamp(lambda signed: None, [scene.key("snapshot-1")])
    return "signed by 0/1"


def timestamp_of_a_revoked_key(scene):
    old = scene.key("timestamp-1")
    founding.rotate_key(
        scene.world.repository, "timestamp", old.public_key.keyid, scene.world.folder / "new"
    )
    scene.forge_timestamp(lambda signed: None, [old])
    return "signed by 0/1"


def add_9(signed):
    """List the bytes of 1.0.0 as 9.0.0."""
    path = f"release/{DETECTOR}/1.0.0.zip"
    entry = json.loads(json.dumps(signed["targets"][path]))
    entry["custom"]["version"] = "9.0.0"
    signed["targets"][f"release/{DETECTOR}/9.0.0.zip"] = entry


def release_of_stagings_key(scene):
    scene.forge("release", add_9, [scene.key("staging-1")])
    return "signed by 0/2"


def release_of_targets_key(scene):
    scene.forge("release", add_9, [scene.key("targets-1")])
    return "signed by 0/2"


def release_below_its_threshold(scene):
    scene.forge("release", add_9, [scene.key("release-2")])
    return "signed by 1/2"


def release_of_one_key_twice(scene):
    one = scene.key("release-2")
    scene.forge("release", add_9, [one])
    file = scene.newest("release")
    document = json.loads(file.read_bytes())
    document["signatures"] *= 2
    file.write_bytes(json.dumps(document).encode())
    version = {"version": document["signed"]["version"]}
    scene.forge_snapshot(lambda signed: signed["meta"].update({"release.json": version}))
    return "Failed to deserialize"


def release_of_a_revoked_key(scene):
    old = scene.key("release-1")
    founding.rotate_key(
        scene.world.repository, "release", old.public_key.keyid, scene.world.folder / "new"
    )
    scene.forge("release", add_9, [old, scene.key("release-2")])
    return "signed by 1/2"


def delegation_without_targets_key(scene):
    """Who has staging's key makes itself the signer of release."""
    own = scene.key("staging-1")

    def edit(signed):
        roles = signed["delegations"]["roles"]
        next(r for r in roles if r["name"] == "release").update(
            keyids=[own.public_key.keyid], threshold=1
        )

    scene.forge("targets", edit, [own])
    return "signed by 0/1"


def root(scene, version, signers, edit=lambda signed: None):
    content = scene.altered(scene.state().root, edit, signers, version - 1)
    scene.served("metadata/2.root.json").write_bytes(content)
    return content


def root_of_unknown_keys(scene):
    root(scene, 2, [CryptoSigner.generate_ed25519() for _ in range(3)])
    return "root was signed by 0/2"


def root_of_one_key(scene):
    root(scene, 2, [scene.key("root-1")])
    return "root was signed by 1/2"


def root_that_skips_a_version(scene):
    root(scene, 3, [scene.key("root-1"), scene.key("root-2")])
    return "version"


def root_that_lowers_its_threshold(scene):
    """A new root has to hold under the old one's threshold, too."""
    root(
        scene,
        2,
        [scene.key("root-1")],
        lambda signed: signed["roles"]["root"].update(threshold=1),
    )
    return "signed by 1/2"


def expired_root(scene):
    scene.phone.clock = lambda: days(layout.EXPIRY_DAYS["root"] + 1)
    return "expired"


def deep_json(scene):
    scene.served(layout.TIMESTAMP).write_bytes(b"[" * 7000)
    return "Failed to deserialize"


def huge_json(scene):
    scene.newest("release").write_bytes(b'{"signed": "' + b"x" * 300_000 + b'"}')
    return "at most|exceed"


def json_of_another_shape(scene):
    scene.served(layout.TIMESTAMP).write_bytes(b'{"signed": [], "signatures": {}}')
    return "Failed to deserialize"


def version_that_is_no_number(scene):
    scene.served(layout.TIMESTAMP).write_bytes(
        scene.old(layout.TIMESTAMP).replace(b'"version":', b'"version":1e', 1)
    )
    return "Error"


def other_format_version(scene):
    text = scene.served(layout.TIMESTAMP).read_bytes()
    scene.served(layout.TIMESTAMP).write_bytes(text.replace(b'"1.0.', b'"2.0.'))
    return "Failed to deserialize"


ATTACKS = {
    attack.__name__.replace("_", " "): attack
    for attack in (
        tampered_timestamp,
        tampered_snapshot,
        tampered_targets,
        tampered_collection,
        tampered_archive,
        archive_of_another_version,
        staging_served_as_release,
        targets_served_as_release,
        snapshot_served_as_timestamp,
        frozen_until_expired,
        unchanged_for_ever,
        expired_snapshot,
        expired_collection,
        old_snapshot,
        old_collection,
        collection_left_out,
        mixed_and_matched,
        mixed_without_hashes,
        timestamp_of_an_unknown_key,
        timestamp_without_a_signature,
        timestamp_of_snapshots_key,
        timestamp_of_a_revoked_key,
        release_of_stagings_key,
        release_of_targets_key,
        release_below_its_threshold,
        release_of_one_key_twice,
        release_of_a_revoked_key,
        delegation_without_targets_key,
        root_of_unknown_keys,
        root_of_one_key,
        root_that_skips_a_version,
        root_that_lowers_its_threshold,
        expired_root,
        deep_json,
        huge_json,
        json_of_another_shape,
        version_that_is_no_number,
        other_format_version,
    )
}


@pytest.mark.parametrize("name", ATTACKS)
def test_is_refused(scene, name):
    refused(scene, ATTACKS[name](scene))


def test_without_an_attack_the_device_updates(scene):
    assert scene.attacked().status == "updated"
    assert runs(scene.phone) == NEW


def test_old_timestamp_after_a_withdrawal_brings_nothing_back(scene):
    outcome = old_timestamp(scene) and scene.attacked()
    assert outcome.status == "failed" and "version" in outcome.reason
    assert runs(scene.phone) == OLD


def test_release_names_in_staging_are_nobodys(scene):
    keys = [scene.key("staging-1")]

    def edit(signed):
        path = f"staging/{DETECTOR}/1.1.0.zip"
        entry = json.loads(json.dumps(signed["targets"][path]))
        entry["custom"]["version"] = "9.0.0"
        signed["targets"][f"release/{DETECTOR}/9.0.0.zip"] = entry

    scene.forge("staging", edit, keys)
    assert scene.attacked().version == "1.1.0"
    tester = scene.world.client(scene.site, "tester", collection="staging")
    assert tester.update()[0].version == "1.1.0"


def test_a_new_root_that_its_keys_signed_is_followed(scene):
    keys = [scene.key("root-2"), scene.key("root-3")]
    root(scene, 2, keys)
    assert scene.attacked().version == "1.1.0"
