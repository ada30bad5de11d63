"""Several runs of `meishi capture` into one folder, and what a folder's search takes for photos."""

import json
from pathlib import Path

import pytest
from PIL import Image

from meishi.capture.files import find_photos
from meishi.capture.outputs import LEDGER, OutputFolder


def draw(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path, "PNG")
    return path


def stems(out, *given):
    return [photo.stem for photo in find_photos([str(path) for path in given], out)[0]]


def write(out, photo, stem):
    OutputFolder(out, []).write(str(photo), {f"{stem}-1.png": b"", f"{stem}-overlay.jpg": b""})


def test_a_later_photo_does_not_take_the_stem_of_another(tmp_path):
    out, first, second = tmp_path / "out", draw(tmp_path / "a/x.png"), draw(tmp_path / "b/x.png")
    write(out, first, "x")
    assert stems(out, second) == ["x~2"]
    assert stems(out, second, first) == ["x~2", "x"]


def test_a_known_photo_alone_keeps_its_stem(tmp_path, monkeypatch):
    out = tmp_path / "out"
    draw(tmp_path / "x.png")
    second = draw(tmp_path / "x.tif")
    write(out, tmp_path / "x.png", "x")
    write(out, second, "x~2")
    monkeypatch.chdir(tmp_path)
    assert stems(out, "x.tif") == ["x~2"]


def test_runs_at_once_keep_the_entries_of_both(tmp_path):
    one, two = OutputFolder(tmp_path, []), OutputFolder(tmp_path, [])
    one.write("a.png", {"a-1.png": b"a"})
    two.write("b.png", {"b-1.png": b"b"})
    one.tidy(["a.png"])
    two.tidy(["b.png"])
    listed = json.loads((tmp_path / LEDGER).read_text())
    assert [row[0] for row in listed] == ["a.png", "b.png"]


def test_outputs_of_earlier_folders_are_no_photos(tmp_path):
    photo = draw(tmp_path / "photos/x.png")
    write(tmp_path / "photos/old", photo, "x")
    assert stems(tmp_path / "out", tmp_path / "photos") == ["x"]


def test_half_written_files_are_no_photos(tmp_path):
    draw(tmp_path / "in/.x-1.partial.png")
    draw(tmp_path / "in/x.png")
    assert stems(tmp_path / "out", tmp_path / "in") == ["x"]


@pytest.mark.parametrize("suffix", [".jfif", ".MPO"])
def test_rarer_suffixes_are_taken(tmp_path, suffix):
    draw(tmp_path / f"in/x{suffix}")
    assert stems(tmp_path / "out", tmp_path / "in") == ["x"]


@pytest.mark.parametrize("suffix", [".CR2", ".nef", ".arw", ".raf"])
def test_raw_files_are_named(tmp_path, suffix):
    file = draw(tmp_path / f"x{suffix}")
    photos, (fault,) = find_photos([str(tmp_path)], tmp_path / "out")
    assert photos == [] and fault.startswith(f"{file}: {suffix} is not read")


def test_a_broken_link_is_named(tmp_path):
    draw(tmp_path / "x.png")
    link = tmp_path / "y.jpg"
    link.symlink_to("gone.jpg")
    photos, faults = find_photos([str(tmp_path)], tmp_path / "out")
    assert [Path(photo.given).name for photo in photos] == ["x.png"]
    assert faults == [f"{link}: a link to gone.jpg, which is missing"]
