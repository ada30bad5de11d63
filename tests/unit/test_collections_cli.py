"""`meishi collections` as people use it, from keys to devices; and the route from a git tag."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import filelock
import pytest
from typer.testing import CliRunner

from meishi.cli import app
from meishi.collections import cli_options, contract, gate, probing, publishing, registry, store
from meishi.collections.faulty_server import serving
from meishi.errors import InputError
from tests.collections_world import BAD, CONTRACT, DETECTOR, probe, weights, write_package

CONFIG = f"""
models:
  - name: {DETECTOR}
    package: models/CardDetector.mlpackage
    bounds:
      - {{metric: "evaluate:detection.ap50", at_least: 0.9}}
    apps:
      - {{since: "1.0", contract: {CONTRACT}}}
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory with a configuration, metrics and a package; no TensorFlow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contract, "contract_of", lambda package: CONTRACT)
    monkeypatch.setattr(contract, "system_of", lambda package: "16.0")
    monkeypatch.setattr(probing, "probe_package", probe)
    (tmp_path / "collections.yaml").write_text(CONFIG)
    (tmp_path / "evaluate.json").write_text('{"detection": {"ap50": 0.95}}')
    write_package(tmp_path / "app" / "CardDetector.mlpackage", b"embedded")
    return tmp_path


def run(*words, fails=False):
    """Run a command given as text and extra words; return what it prints, or its error."""
    arguments = [part for word in words for part in word.split()]
    done = CliRunner().invoke(app, ["collections", *arguments])
    if fails:
        assert isinstance(done.exception, InputError), done.output
        return str(done.exception)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


AT = "--at public --keys keys"


def publish(desk, version, content=b""):
    package = desk / "packages" / f"{version}.mlpackage"
    write_package(package, content or weights(version))
    metrics = f"--metrics {desk / 'evaluate.json'}"
    return run(f"publish {package} --model {DETECTOR} --version {version} {metrics}", AT)


def be(site, name, collection="release"):
    embedded = f"{DETECTOR}=app/CardDetector.mlpackage"
    device = f"--device {name} --state devices/{name} --collection {collection}"
    return run(f"client {site.url} --root keys/root.json --embedded {embedded}", device)


def test_a_copy_that_lacks_its_timestamp_is_no_place_to_begin(desk):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    (desk / "public/metadata/timestamp.json").unlink()
    told = run("init --at public --keys keys", fails=True)
    assert "timestamp.json is missing, but archives/" in told
    assert "a copy that is not whole" in run("status --at public --root keys/root.json", fails=True)
    shutil.rmtree(desk / "public/archives")
    assert "is missing, but metadata/3." in run("init --at public --keys keys", fails=True)


@pytest.mark.parametrize("left", [None, 100])
def test_what_the_store_lacks_is_not_promoted(desk, left):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    [archive] = (desk / "public/archives").iterdir()
    content = archive.read_bytes()
    archive.unlink()
    if left:
        archive.write_bytes(content[:left])
    assert archive.name in run(f"promote {DETECTOR} 1.0.0", AT, fails=True)
    archive.write_bytes(content)
    assert "release" in run(f"promote {DETECTOR} 1.0.0", AT)


def test_a_lock_that_another_holds_is_told(desk, monkeypatch):
    run("init --at public --keys keys")
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.1)
    with filelock.FileLock(desk / "public/.lock"):
        assert ".lock: held by another publisher" in run("refresh", AT, fails=True)
    run("refresh", AT)


def test_a_package_for_no_app_is_not_published(desk):
    run("init --at public --keys keys")
    write_package(desk / "a.mlpackage", weights("1.0.0"))
    words = f"publish a.mlpackage --model {DETECTOR} --version 1.0.0 --metrics evaluate.json"
    told = run(words, "--min-app 3.0 --max-app 2.0", AT, fails=True)
    assert "--max-app 2.0: below --min-app 3.0" in told


def test_a_version_below_the_newest_is_published_with_a_note(desk):
    run("init --at public --keys keys")
    assert "note" not in publish(desk, "1.10.0")
    told = publish(desk, "1.9.0").splitlines()
    assert told[0].startswith("staging: card-detector 1.9.0, contract")
    assert told[1].startswith("note: staging: card-detector 1.10.0 is newer than 1.9.0: devices")


def test_names_that_differ_by_case_are_not_published(desk):
    run("init --at public --keys keys")
    package = desk / "a.mlpackage"
    write_package(package, weights("1.0.0"))
    for name in ("README.txt", "readme.txt"):
        (package / name).write_text(name)
    words = f"publish a.mlpackage --model {DETECTOR} --version 1.0.0 --metrics evaluate.json"
    assert "differ by case alone" in run(words, AT, fails=True)


def test_from_keys_to_a_rollback(desk):
    assert "staging and release, empty" in run("init --at public --keys keys")
    publish(desk, "1.0.0")
    with serving(desk / "public") as site:
        assert "runs embedded" in be(site, "user")
        assert "updated, runs 1.0.0" in be(site, "tester", "staging")
        run(f"promote {DETECTOR} 1.0.0", AT)
        assert "updated, runs 1.0.0" in be(site, "user")
        assert "unchanged, runs 1.0.0" in be(site, "user")
        publish(desk, "1.1.0")
        run(f"promote {DETECTOR} 1.1.0 --rollout 100", AT)
        assert "updated, runs 1.1.0" in be(site, "user")
        assert "1.1.0 withdrawn" in run(f"rollback {DETECTOR}", AT)
        assert "went back, runs 1.0.0" in be(site, "user")
        publish(desk, "1.2.0", BAD)
        run(f"promote {DETECTOR} 1.2.0", AT)
        assert "refused, runs 1.0.0 (1.2.0: the outputs are not finite)" in be(site, "user")
        run(f"halt {DETECTOR} 1.2.0", AT)
        run(f"withdraw {DETECTOR} 1.0.0", AT)
        assert "went back, runs embedded" in be(site, "user")
    shown = run("status --at public --root keys/root.json")
    assert "card-detector 1.2.0: halted, 100 %" in shown
    assert "timestamp: expires in 7.0 days" in shown
    assert "what was signed" in run("verify --at public --root keys/root.json")


def test_a_package_is_for_the_systems_that_read_it(desk):
    run("init --at public --keys keys")
    package = write_package(desk / "x.mlpackage", b"x")
    words = f"publish {package} --model {DETECTOR} --metrics {desk / 'evaluate.json'} {AT}"
    refused = run(words, "--version 1.0.0 --min-os 15.4", fails=True)
    assert "--min-os 15.4: the package needs system 16.0" in refused
    run(words, "--version 1.0.0")
    run(words, "--version 1.0.1 --min-os 17.1")
    shown = run("status --at public --root keys/root.json")
    assert "system 16.0 on" in shown and "system 17.1 on" in shown


def test_keeping_it_in_order(desk):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    assert "timestamp, snapshot, root" in run("refresh --roles root", AT)
    keyid = json.loads((desk / "public/metadata/2.root.json").read_text())["signed"]["roles"][
        "timestamp"
    ]["keyids"][0]
    assert "revoked" in run(f"rotate-key timestamp {keyid[:8]} --into new", AT)
    assert "signed anew" in run("refresh", AT, "--keys new")
    assert "needs 1 of its 1 keys, 0 are at hand" in run("refresh", AT, fails=True)
    assert run("gc --days 1", AT) == "nothing to remove\n"
    assert "what was signed" in run("verify --at public --root keys/root.json")


FAULTS = {
    "init --at public --keys keys": "published here already",
    "promote card-detector 9.9.9 --at public --keys keys": "there is none",
    "promote card-detector 1.0.0 --to beta --at public --keys keys": "one of staging, release",
    "publish nowhere.mlpackage --at public --keys keys": "--model, --version: not given",
    "publish card-detector@v1.0.0 --at public --keys keys": "not a git repository",
    "publish x --to beta --at public --keys keys": "one of staging, release",
    "publish x --config none.yaml --at public --keys keys": "none.yaml: cannot be read",
    "status --at nowhere --root keys/root.json": "nothing is published here",
    "status --at public --root nowhere.json": "nowhere.json: the trusted root cannot be read",
    "status --at http://127.0.0.1:9/x --root keys/root.json": "cannot be read",
    "promote card-detector 1.0.0 --at dask://x --keys keys": "cannot be opened",
    "status --at nosuch://x/y --root keys/root.json": "cannot be opened",
    "verify --at public --root app/CardDetector.mlpackage/Manifest.json": "refused",
    "refresh --roles cook --at public --keys keys": "expected some of root",
    "refresh --at public --keys nowhere --root keys/root.json": "no such folder",
    "rotate-key staging none --into new --at public --keys keys": "expected one of",
    "rotate-key cook none --into new --at public --keys keys": "expected one of root",
    "client http://x --root keys/root.json --state d --embedded card-detector": "MODEL=PACKAGE",
    "client http://x --root keys/root.json --state d --embedded a=nowhere": "no such package",
    "client file:///x --root none --state d --embedded a": "or https://, got file:",
    "client public --root none --state d --embedded a": "or https://, got no scheme",
    "client http:///x --root none --state d --embedded a": "no host; expected http://HOST",
    "client http://[ --root none --state d --embedded a": "http://[: no address",
}


@pytest.mark.parametrize("command", FAULTS)
def test_a_fault_of_the_user_is_named(desk, command):
    run("init --at public --keys keys")
    assert FAULTS[command] in run(command, fails=True)


def test_keys_are_not_put_into_a_repository(desk):
    (desk / ".git").mkdir()
    assert "do not belong there" in run("init --at public --keys keys", fails=True)
    assert not (desk / "keys").exists()


@pytest.fixture
def below(desk, monkeypatch):
    """The working directory is a folder further down in a repository; keys are beside that."""
    run("init --at public --keys keys")
    (desk / "repo" / "sub").mkdir(parents=True)
    (desk / "repo" / ".git").write_text("gitdir: elsewhere\n")  # a work tree: .git is a file
    monkeypatch.chdir(desk / "repo" / "sub")
    return desk


@pytest.mark.parametrize("folder", ["keys", "deep/er/keys", "../keys", "../../repo/sub/keys"])
def test_keys_are_not_put_into_a_repository_from_a_folder_in_it(below, folder):
    before = sorted(below.rglob("*"))
    assert "do not belong there" in run(f"init --at public --keys {folder}", fails=True)
    assert sorted(below.rglob("*")) == before


def test_a_link_into_a_repository_is_seen_through(below):
    (below / "link").symlink_to(below / "repo")
    assert "do not belong" in run(f"init --at public --keys {below}/link/keys", fails=True)


def test_a_new_key_is_not_put_into_a_repository(below):
    root = json.loads((below / "public/metadata/1.root.json").read_text())["signed"]["roles"]
    rotate = f"rotate-key timestamp {root['timestamp']['keyids'][0]} --into"
    at = "--at ../../public --keys ../../keys"
    before = sorted(below.rglob("*"))
    assert "do not belong there" in run(f"{rotate} new", at, fails=True)
    assert sorted(below.rglob("*")) == before
    assert "revoked" in run(f"{rotate} ../../new", at)


def test_a_halted_version_is_promoted_with_resume(desk):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    run(f"promote {DETECTOR} 1.0.0 --rollout 10", AT)
    run(f"halt {DETECTOR} 1.0.0", AT)
    assert "--resume" in run(f"promote {DETECTOR} 1.0.0", AT, fails=True)
    run(f"promote {DETECTOR} 1.0.0 --resume --rollout 20", AT)
    assert "1.0.0: live, 20 %" in run("status --at public --root keys/root.json")


def test_a_share_of_what_went_to_release_at_once_is_raised(desk):
    run("init --at public --keys keys")
    write_package(desk / "a.mlpackage", weights("1.0.0"))
    words = f"publish a.mlpackage --model {DETECTOR} --version 1.0.0 --metrics evaluate.json"
    run(words, "--to release --rollout 10", AT)
    assert "1.0.0 for 50 %" in run(f"promote {DETECTOR} 1.0.0 --rollout 50", AT)
    assert "1.0.0: live, 50 %" in run("status --at public --root keys/root.json")


def test_what_is_withdrawn_is_taken_off_the_lists_if_that_is_asked_for(desk):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    publish(desk, "1.1.0")
    run(f"withdraw {DETECTOR} 1.0.0 --in staging", AT)
    assert run("gc", AT) == "nothing to remove\n"
    assert run("gc --withdrawn", AT) == f"removed staging/{DETECTOR}/1.0.0.zip\n"
    assert run("gc --withdrawn", AT) == "nothing to remove\n"
    shown = run("status --at public --root keys/root.json")
    assert "1.1.0: live" in shown and "1.0.0" not in shown


@pytest.mark.parametrize("off", [-30, -2])
def test_a_wrong_clock_is_told_and_a_right_one_goes_on(desk, monkeypatch, off):
    run("init --at public --keys keys")
    now = datetime.now(UTC) + timedelta(days=off)
    monkeypatch.setattr(cli_options, "time_now", lambda: now)
    assert "set the clock right" in run("refresh", AT, fails=True)
    assert "signed anew" in run("refresh --clock-is-right", AT)
    assert "signed anew" in run("refresh", AT)


def test_an_altered_archive_fails_verification(desk):
    run("init --at public --keys keys")
    publish(desk, "1.0.0")
    (file,) = (desk / "public" / "archives").iterdir()
    file.write_bytes(file.read_bytes() + b"x")
    assert "refused" in run("verify --at public --root keys/root.json", fails=True)


def command(folder, *words):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "DVC_NO_ANALYTICS": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@example.org"}
    subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)


def test_a_tag_is_published_as_it_was(desk):
    """The package of the tag, not the one in the working tree; its DVC hash and its metrics."""
    run("init --at public --keys keys")
    repo = desk / "repo"
    package = write_package(repo / "models" / "CardDetector.mlpackage", b"tagged")
    (repo / "metrics").mkdir()
    shutil.copy(desk / "evaluate.json", repo / "metrics")
    (repo / "dvc.yaml").write_text("stages:\n  convert:\n    cmd: 'true'\n    outs: [models]\n")
    command(repo, "git", "init", "-q")
    command(repo, "dvc", "init", "-q")
    command(repo, "dvc", "commit", "-f", "-q")
    command(repo, "git", "add", "-A")
    command(repo, "git", "commit", "-qm", "one")
    command(repo, "git", "tag", "card-detector@v1.0.0")
    (package / "Data" / "weights" / "weight.bin").write_bytes(b"later")
    tag, wanted = (
        registry.parse_tag("card-detector@v1.0.0"),
        gate.read_config(desk / "collections.yaml"),
    )
    found = publishing.from_tag(repo, tag, wanted, desk / "scratch")
    assert (found.package / "Data" / "weights" / "weight.bin").read_bytes() == b"tagged"
    assert json.loads(found.metrics["evaluate"]) == {"detection": {"ap50": 0.95}}
    assert found.source.startswith("card-detector@v1.0.0 dvc:") and found.source.endswith(".dir")
    unknown = registry.parse_tag("card-detector@v2.0.0")
    with pytest.raises(
        InputError, match=r"v2\.0\.0: no such tag; `git fetch --tags`.* `gto register"
    ):
        publishing.from_tag(repo, unknown, wanted, desk / "scratch")


def test_what_is_given_twice_is_named(desk):
    (desk / "other").mkdir()
    shutil.copy(desk / "evaluate.json", desk / "other")
    run("init --at public --keys keys")
    words = f"publish app/CardDetector.mlpackage --model {DETECTOR} --version 1.0.0 {AT}"
    done = run(words, "--metrics evaluate.json --metrics other/evaluate.json", fails=True)
    assert "several files are called evaluate; name one of each" in done
    embedded = f"--embedded {DETECTOR}=app/CardDetector.mlpackage"
    done = run("client http://x --root keys/root.json --state s", embedded, embedded, fails=True)
    assert f"--embedded {DETECTOR}=...: given twice" in done
