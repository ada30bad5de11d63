"""CONTRIBUTING's way from labelled photos to a pull request, command by command, on small data."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import tiny_data
from tests.exports import EDGES_PX, picture, write_zip
from tests.smoke.test_stages import write_params

pytestmark = [pytest.mark.smoke, pytest.mark.tf]

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = 6
# They need figures that networks which have seen a few pictures may lack: test_commands says where.
ELSEWHERE = ("meishi pr-report", "meishi model-card", "python docs/")


def section():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split("## Your own photos, start to pull request\n")[1].split("\n## ")[0]


def blocks(language):
    """List the section's fenced blocks of a language, in order."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", section(), re.S | re.M)
    return [block for name, block in fenced if name == language]


def commands():
    """List the section's commands, in order."""
    return [line for block in blocks("") for line in block.strip().splitlines()]


def added_source():
    """Read the entry for params.yaml that the section gives."""
    [block] = blocks("yaml")
    return YAML(typ="safe").load(block)


def run(command, folder):
    variables = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache"),
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "ann@example.org",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "ann@example.org",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def lend_environment(folder):
    """Give a clone this interpreter's packages as its .venv, without writing into them."""
    venv = folder / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        if (Path(sys.prefix) / name).exists():
            (venv / name).symlink_to(Path(sys.prefix) / name)
    for name in ("installed", "tests-installed"):
        (venv / name).touch()


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of a small upstream: our files, another data set, small params."""
    folder = tmp_path_factory.mktemp("own")
    upstream, clone = folder / "upstream", folder / "clone"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--", ".", ":!storage"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        (upstream / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, upstream / name)
    write_params(upstream, ("ssd_fp16", "unet_fp16", "flat_fp16", "direction_fp16"))
    tiny_data.write_data(upstream / "data")
    (upstream / "storage").mkdir()
    run("git init -q -b main && dvc add -q data && git add . && git commit -qm Start", upstream)
    run("git init -q --bare -b main origin.git", folder)
    run("git remote add origin ../origin.git && git push -q origin main", upstream)
    run("git clone -q origin.git clone", folder)
    shutil.copytree(upstream / "data", clone / "data")
    lend_environment(clone)
    return clone


@pytest.fixture(scope="module")
def transcript(clone):
    """What each command of the section printed, by command, in a clone with an export."""
    outline = EDGES_PX.ravel().tolist()
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 160, "height": 120} for n in range(PHOTOS)
    ]
    cards = [
        {"id": n, "image_id": n, "category_id": 1, "segmentation": [outline]}
        for n in range(PHOTOS - 1)
    ]
    labels = {"images": images, "annotations": cards, "categories": [{"id": 1, "name": "card"}]}
    (clone / "exports").mkdir()
    photos = {f"{n}.jpg": picture(seed=n) for n in range(PHOTOS)}
    write_zip(clone / "exports" / "desk.zip", {"labels.json": labels, **photos})
    printed = {}
    for command in commands():
        if command == "dvc add data":
            add_source(clone / "params.yaml")
        if not command.startswith(ELSEWHERE):
            printed[command] = run(command, clone)
    return printed


def add_source(file):
    yaml = YAML()
    params = yaml.load(file.read_text(encoding="utf-8"))
    params["fetch"]["sources"] += added_source()
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)


def test_the_export_is_counted_and_drawn(clone, transcript):
    [said] = [out for command, out in transcript.items() if "add-photos" in command]
    assert f"{PHOTOS} photos, {PHOTOS - 1} cards" in said
    assert (clone / "build" / "add-photos.jpg").stat().st_size


def test_what_add_photos_tells_to_do_next_is_what_the_section_says(transcript):
    [said] = [out for command, out in transcript.items() if "add-photos" in command]
    told = {line.strip() for line in said.split("to train on these photos:")[1].splitlines()}
    written = set(commands())
    assert {"dvc add data", "dvc repro", "meishi model-card", "make push"} <= told & written
    assert {line for line in told if line.startswith("git add")} <= written


def test_the_photos_are_among_the_scenes(clone, transcript):
    prepared = "".join(
        file.read_text() for file in (clone / "build" / "prepared").rglob("records.jsonl")
    )
    assert prepared.count("desk-") >= PHOTOS


def test_the_metrics_are_compared_with_main(transcript):
    assert "metrics/evaluate.json" in transcript["dvc metrics diff main"]


def test_nothing_is_left_to_commit(clone, transcript):
    assert run("git status --porcelain --untracked-files=no", clone) == ""
    assert run("git status --porcelain -- storage models plots metrics data.dvc", clone) == ""


def test_a_reviewers_clone_has_the_new_model_without_training(clone, transcript):
    review = clone.parent / "review"
    run("git clone -q -b desk-photos origin.git review", clone.parent)
    lend_environment(review)
    run("make restore", review)
    for package in ("CardDetector", "CardSegmenter", "CardFlatSegmenter", "CardDirection"):
        path = f"models/coreml/{package}.mlpackage/Manifest.json"
        assert (review / path).read_bytes() == (clone / path).read_bytes()
    assert (review / "data" / "desk" / "records.jsonl").exists()
