"""What `meishi doctor` finds in clones that lack something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meishi import doctor
from meishi.clone import probing
from meishi.clone.findings import BLOCKS, LOOK, OK, Finding, table

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"dvc": "3.67.1", "numpy": "2.4.6"}
CONFIG = "core.remote=embedded\nremote.embedded.url=storage\nremote.embedded.verify=true"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A healthy clone on a healthy machine: nothing to find."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    monkeypatch.setattr(sys, "prefix", "/clone/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(doctor, "installed_packages", lambda: dict(PACKAGES))
    answer(monkeypatch, {"config": CONFIG, "status": "{}"})
    folder = tmp_path / "clone"
    write(folder, "requirements.txt", "-c constraints.txt\ndvc==3.67.1\nnumpy==2.4.6\n-e .\n")
    write(folder, "constraints.txt", "dvc==3.67.1\nnumpy==2.4.6\nscipy==1.17.1\n")
    write(folder, ".venv/bin/pip", "")
    write(folder, "dvc.yaml", "stages: {}\n")
    write(folder, "data.dvc", "outs:\n- md5: 0\n  size: 1000\n  path: data\n")
    write(folder, "data/records.jsonl", "")
    write(folder, "storage/files/md5/00/11", "object")
    write(folder, ".gitattributes", "storage/** -text\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Start")
    return folder


def answer(monkeypatch, answers):
    """Let DVC answer so; a missing answer is a failure."""
    monkeypatch.setattr(doctor, "ask_dvc", lambda root, command, *rest: answers.get(command))


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def found(folder, check):
    """List the findings of one check that are not OK."""
    return [f for f in doctor.examine(folder) if f.check == check and f.state != OK]


def only(folder, check, state, *words):
    """Expect one finding, of this check alone, that says these words and how to mend it."""
    findings = [f for f in doctor.examine(folder) if f.state != OK]
    assert [(f.check, f.state) for f in findings] == [(check, state)]
    assert all(word in f"{findings[0].found} {findings[0].mend}" for word in words), findings
    assert findings[0].mend


def test_a_healthy_clone_has_nothing_to_mend(clone):
    findings = doctor.examine(clone)
    assert {f.state for f in findings} == {OK}
    assert {f.mend for f in findings} == {""}


def test_each_check_says_something(clone):
    for check in doctor.CHECKS:
        assert list(check(clone)), check.__name__


@pytest.mark.parametrize("version", [(3, 8, 1), (3, 10, 0), (3, 12, 4), (3, 14, 0)])
def test_another_python_blocks(clone, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    only(clone, "python", BLOCKS, ".".join(map(str, version)), "needed is 3.11", "PYTHON=")


def test_a_python_outside_a_virtual_environment_is_told(clone, monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/usr")
    only(clone, "python", LOOK, "outside a virtual environment", ".venv/bin/activate")


def test_a_missing_package_blocks(clone, monkeypatch):
    monkeypatch.setattr(doctor, "installed_packages", lambda: {"dvc": "3.67.1"})
    only(clone, "packages", BLOCKS, "not installed: numpy", "pip install -r requirements.txt")


def test_an_empty_environment_names_some_packages_and_counts_the_rest(clone, monkeypatch):
    pins = "".join(f"package-{number}==1\n" for number in range(9))
    write(clone, "requirements.txt", pins)
    [finding] = found(clone, "packages")
    assert "package-0" in finding.found and "and 5 more" in finding.found


@pytest.mark.parametrize("name", ["numpy", "scipy"])
def test_another_version_than_pinned_is_told(clone, monkeypatch, name):
    monkeypatch.setattr(doctor, "installed_packages", lambda: PACKAGES | {name: "1.0"})
    only(clone, "packages", LOOK, f"{name} 1.0 (pinned:", "pip install")


@pytest.mark.parametrize("spelt", ["Ruamel.YAML", "ruamel_yaml", "ruamel-yaml"])
def test_a_package_is_known_under_every_spelling(clone, monkeypatch, spelt):
    monkeypatch.setattr(doctor, "installed_packages", lambda: PACKAGES | {"ruamel-yaml": "0.19.1"})
    write(clone, "requirements.txt", f"{spelt}==0.19.1\n")
    assert not found(clone, "packages")


def test_requirements_that_are_gone_block(clone):
    (clone / "requirements.txt").unlink()
    only(clone, "packages", BLOCKS, "requirements.txt", "git checkout")


def test_no_git_blocks(clone, monkeypatch):
    monkeypatch.setenv("PATH", str(clone))
    [finding] = found(clone, "git")
    assert finding.state == BLOCKS and "install git" in finding.mend


def test_an_old_git_is_told(clone, monkeypatch):
    ask = probing.ask
    told = "git version 2.17.1"
    monkeypatch.setattr(doctor, "ask", lambda c, r: told if "--version" in c else ask(c, r))
    only(clone, "git", LOOK, "2.17.1", "2.39")


@pytest.mark.parametrize("told", ["git version 2.39.5 (Apple Git-154)", "git version 3.0.0"])
def test_a_git_that_is_new_enough_is_taken(clone, monkeypatch, told):
    ask = probing.ask
    monkeypatch.setattr(doctor, "ask", lambda c, r: told if "--version" in c else ask(c, r))
    assert not found(clone, "git")


def test_a_zip_instead_of_a_clone_blocks(clone, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(clone.parent))
    (clone / ".git").rename(clone.parent / "elsewhere")
    [finding] = found(clone, "git")
    assert finding.state == BLOCKS and "git clone" in finding.mend


def test_a_lock_that_a_killed_git_left_blocks(clone):
    (clone / ".git" / "index.lock").touch()
    [finding] = found(clone, "git")
    assert finding.state == BLOCKS and "rm " in finding.mend and "index.lock" in finding.mend


@pytest.mark.parametrize("key", ["name", "email"])
def test_a_missing_half_of_the_identity_is_told(clone, key):
    subprocess.run(["git", "config", "--global", "--unset", f"user.{key}"], check=True)
    only(clone, "git identity", LOOK, f"git config --global user.{key}")


def test_a_missing_identity_is_one_finding(clone):
    subprocess.run(["git", "config", "--global", "--remove-section", "user"], check=True)
    only(clone, "git identity", LOOK, "user.name and user.email not set")


def test_an_identity_of_the_clone_is_enough(clone):
    subprocess.run(["git", "config", "--global", "--remove-section", "user"], check=True)
    git(clone, "config", "user.name", "Ann")
    git(clone, "config", "user.email", "ann@example.org")
    assert not found(clone, "git identity")


@pytest.mark.parametrize(("free", "state"), [(0, BLOCKS), (1999, BLOCKS), (2000, OK)])
def test_less_room_than_twice_the_outputs_blocks(clone, monkeypatch, free, state):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    [finding] = [f for f in doctor.examine(clone) if f.check == "disk"]
    assert finding.state == state


def test_only_outputs_count_for_the_room(tmp_path):
    lock = """schema: '2.0'
stages:
  one:
    cmd: python one.py
    deps:
    - path: data
      size: 5
    params:
      params.yaml:
        size: 7
    outs:
    - path: a
      size: 10
    - path: b
      size: 20
  two:
    cmd: python two.py
    outs:
    - path: c
      size: 30
"""
    (tmp_path / "dvc.lock").write_text(lock)
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0\n  size: 100\n  path: data\n")
    assert sorted(probing.out_sizes(tmp_path)) == [10, 20, 30, 100]


def test_the_recorded_sizes_of_this_repository_are_found():
    assert len(list(probing.out_sizes(ROOT))) > 10


def test_a_missing_store_blocks(clone):
    git(clone, "rm", "-rq", "storage")
    only(clone, "store", BLOCKS, "missing or empty", "git checkout storage")


def test_an_object_missing_from_the_store_blocks(clone):
    write(clone, "storage/files/md5/00/22", "another")
    git(clone, "add", ".")
    (clone / "storage/files/md5/00/11").unlink()
    only(clone, "store", BLOCKS, "storage/files/md5/00/11", "git checkout storage")


def test_an_object_with_other_bytes_blocks(clone):
    write(clone, "storage/files/md5/00/11", "damaged")
    only(clone, "store", BLOCKS, "storage/files/md5/00/11", "git checkout storage")


@pytest.mark.parametrize(
    "line", ["", "storage/** text\n", "storage/** text=auto\n", "*.jpg -text\n"]
)
def test_a_store_without_its_guard_blocks(clone, line):
    write(clone, ".gitattributes", line)
    only(clone, "store guard", BLOCKS, "line ends", "storage/** -text")


@pytest.mark.parametrize("verify", ["", "\nremote.embedded.verify=false"])
def test_a_remote_that_is_not_verified_is_told(clone, monkeypatch, verify):
    config = CONFIG.replace("\nremote.embedded.verify=true", verify)
    answer(monkeypatch, {"config": config, "status": "{}"})
    only(clone, "remote", LOOK, "dvc remote modify embedded verify true")


def test_no_default_remote_blocks(clone, monkeypatch):
    answer(monkeypatch, {"config": "core.analytics=false", "status": "{}"})
    only(clone, "remote", BLOCKS, "dvc remote default embedded")


def test_a_default_remote_without_a_url_blocks(clone, monkeypatch):
    answer(monkeypatch, {"config": "core.remote=team", "status": "{}"})
    only(clone, "remote", BLOCKS, "dvc remote default embedded")


def test_a_broken_configuration_blocks(clone, monkeypatch):
    answer(monkeypatch, {"status": "{}"})
    only(clone, "remote", BLOCKS, "cannot read its configuration", "git checkout .dvc/config")


@pytest.mark.parametrize("check", ["remote", "data"])
def test_without_dvc_what_needs_it_is_not_looked_at(clone, monkeypatch, check):
    monkeypatch.setattr(doctor, "installed_packages", lambda: {"numpy": "2.4.6"})
    [finding] = found(clone, check)
    assert finding.state == LOOK and "pip install" in finding.mend


@pytest.mark.parametrize("scheme", list(doctor.PLUGINS))
def test_a_remote_whose_package_is_missing_blocks(clone, monkeypatch, scheme):
    config = f"core.remote=team\nremote.team.url={scheme}://bucket/a=b\nremote.team.verify=true"
    answer(monkeypatch, {"config": config, "status": "{}"})
    only(clone, "remote", BLOCKS, doctor.PLUGINS[scheme], "requirements-remote.txt")
    installed = PACKAGES | {doctor.PLUGINS[scheme]: "1"}
    monkeypatch.setattr(doctor, "installed_packages", lambda: installed)
    assert not found(clone, "remote")


def lock(folder, held):
    write(folder, ".dvc/tmp/rwlock", held if isinstance(held, str) else json.dumps(held))


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("held", [{}, {"read": {}, "write": {}}])
def test_a_lock_file_without_holders_is_fine(clone, held):
    lock(clone, held)
    assert not found(clone, "dvc locks")


def test_a_lock_of_a_dead_process_is_told(clone, dead_pid):
    lock(clone, {"write": {"build/raw": {"pid": dead_pid, "cmd": "dvc repro"}}})
    only(clone, "dvc locks", LOOK, str(dead_pid), "dvc repro", "dead")


def test_a_lock_of_a_running_process_is_told(clone):
    lock(clone, {"read": {"data": [{"pid": os.getpid(), "cmd": "dvc repro"}]}})
    only(clone, "dvc locks", LOOK, str(os.getpid()), "held by", "wait for it")


def test_a_process_that_holds_several_locks_is_told_once(clone):
    entry = {"pid": os.getpid(), "cmd": "dvc repro"}
    lock(clone, {"read": {"a": [entry], "b": [entry]}, "write": {"c": entry}})
    assert len(found(clone, "dvc locks")) == 1


@pytest.mark.parametrize(
    "held",
    ["", "{", "[]", '"text"', '{"write": []}', '{"read": {"a": {}}, "write": {"b": 1}}',
     '{"write": {"a": {}}}', '{"write": {"a": {"pid": "x", "cmd": ""}}}', "\x00\x00"],
)  # fmt: skip
def test_a_damaged_lock_file_blocks(clone, held):
    lock(clone, held)
    only(clone, "dvc locks", BLOCKS, "damaged", "rm .dvc/tmp/rwlock")


def test_data_that_are_not_here_are_told(clone):
    git(clone, "rm", "-rq", "--cached", "data")
    (clone / "data" / "records.jsonl").unlink()
    (clone / "data").rmdir()
    only(clone, "data", LOOK, "not here yet: data", "make repro")


def test_stages_out_of_date_are_told(clone, monkeypatch):
    status = json.dumps({"train_ssd": ["changed command"], "convert": ["changed command"]})
    answer(monkeypatch, {"config": CONFIG, "status": status})
    only(clone, "data", LOOK, "convert, train_ssd", "make repro", "dvc add data")


MADE_AGAIN = {
    "fetch": [{"changed outs": {"build/raw": "deleted", "build/seen.txt": "not in cache"}}],
    "train_ssd": [{"changed deps": {"build/raw": "deleted"}}],
}


def test_build_alone_missing_is_not_told_as_stale_models(clone, monkeypatch):
    answer(monkeypatch, {"config": CONFIG, "status": json.dumps(MADE_AGAIN)})
    only(clone, "data", LOOK, "build/ is not made; models and metrics are as committed")


@pytest.mark.parametrize(
    "more",
    ["changed command", {"changed deps": {"build/raw": "modified"}},
     {"changed outs": {"models/ssd": "deleted"}}, {"changed deps": {"params.yaml": {"a": "new"}}}],
)  # fmt: skip
def test_whatever_else_is_changed_is_out_of_date(clone, monkeypatch, more):
    status = json.dumps(MADE_AGAIN | {"train_unet": [more]})
    answer(monkeypatch, {"config": CONFIG, "status": status})
    only(clone, "data", LOOK, "out of date, or not here: fetch, train_ssd, train_unet")


def test_without_an_environment_the_command_that_makes_it_is_told(clone, monkeypatch):
    (clone / ".venv" / "bin" / "pip").unlink()
    monkeypatch.setattr(doctor, "installed_packages", dict)
    assert {f.mend for f in found(clone, "packages")} == {"make repro"}
    assert {f.mend for f in found(clone, "data")} == {"make repro"}


def test_outside_a_clone_the_clone_is_all_it_asks_for(tmp_path):
    [finding] = doctor.examine(tmp_path)
    assert (finding.check, finding.state) == ("clone", BLOCKS)
    assert finding.mend == "run it in the clone"


def test_a_failing_status_blocks(clone, monkeypatch):
    answer(monkeypatch, {"config": CONFIG})
    only(clone, "data", BLOCKS, "dvc status")


def test_the_table_has_a_line_a_finding_and_one_how_to_mend_it():
    findings = [Finding("git", OK, "2.39.5"), Finding("git identity", LOOK, "not set", "set it")]
    assert table(findings).splitlines() == [
        "git           ok      2.39.5",
        "git identity  look    not set",
        "                      -> set it",
    ]


@pytest.mark.parametrize(("state", "status"), [(OK, 0), (LOOK, 0), (BLOCKS, 1)])
def test_only_what_blocks_ends_with_status_1(monkeypatch, capsys, state, status):
    monkeypatch.setattr(doctor, "examine", lambda root: [Finding("git", state, "found", "mend")])
    with pytest.raises(SystemExit) as ended:
        doctor.main()
    assert int(ended.value.code) == status
    assert "found" in capsys.readouterr().out


def test_it_runs_without_any_package(tmp_path):
    command = [sys.executable, "-I", "-S", "-c",
               f"import sys; sys.path.insert(0, {str(ROOT)!r}); from meishi import doctor; "
               "doctor.main()"]  # fmt: skip
    (tmp_path / "dvc.yaml").touch()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "packages" in done.stdout and "Traceback" not in done.stderr
