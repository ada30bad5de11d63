"""Several runs of `meishi capture` into one folder, and what a folder's search takes for photos."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from meishi.capture.files import find_photos
from meishi.capture.ledger import LEDGER
from meishi.capture.listing import Listing
from meishi.capture.naming import identity, named
from meishi.capture.outputs import OutputFolder


def draw(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path, "PNG")
    return path


def stems(out, *given):
    return [photo.stem for photo in find_photos([str(path) for path in given], out)[0]]


def write(out, photo, stem):
    OutputFolder(out, []).write(str(photo), {f"{stem}-1.png": b"", f"{stem}-overlay.jpg": b""})


def listed(out):
    return [json.loads(line) for line in (out / LEDGER).read_text().splitlines()[1:]]


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
    assert set(OutputFolder(tmp_path, []).stems().values()) == {"a", "b"}


def as_given(photo, manner):
    return {
        "relative": photo.name,
        "dotted": f"./{photo.name}",
        "around": f"../{photo.parent.name}/{photo.name}",
        "absolute": str(photo),
    }[manner]


MANNERS = ["relative", "dotted", "around", "absolute"]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("before", MANNERS)
def test_a_photo_is_one_however_it_is_given(tmp_path, monkeypatch, before, manner):
    out, photo = tmp_path / "out", draw(tmp_path / "in/x.png")
    monkeypatch.chdir(photo.parent)
    OutputFolder(out, []).write(as_given(photo, before), {"x-1.png": b"1", "x-2.png": b"2"})
    given = as_given(photo, manner)
    assert stems(out, given) == ["x"]
    later = OutputFolder(out, [])
    later.write(given, {"x-1.png": b"3"})
    later.tidy([given])
    assert not (out / "x-2.png").exists()  # what it no longer shows
    assert len(listed(out)) == 1


def test_a_name_from_elsewhere_is_another_photo(tmp_path, monkeypatch):
    out = tmp_path / "out"
    for folder, stem in (("a", "x"), ("b", "x~2")):
        draw(tmp_path / folder / "x.png")
        monkeypatch.chdir(tmp_path / folder)
        assert stems(out, "x.png") == [stem]
        write(out, "x.png", stem)


def test_a_folder_that_moves_with_its_photos_keeps_their_names(tmp_path):
    write(tmp_path / "old/out", draw(tmp_path / "old/a/x.png"), "x~2")
    (tmp_path / "old").rename(tmp_path / "new")
    assert stems(tmp_path / "new/out", tmp_path / "new/a/x.png") == ["x~2"]


def test_a_list_of_an_earlier_version_is_read(tmp_path, monkeypatch):
    out, photo = tmp_path / "out", draw(tmp_path / "in/x.png")
    write(out, photo, "x~2")
    rows = [["x.png", *rest] for _, *rest in listed(out)]
    (out / LEDGER).write_text(json.dumps(rows))
    monkeypatch.chdir(photo.parent)
    assert stems(out, photo) == ["x~2"]


def test_a_list_in_one_value_is_read_and_kept(tmp_path):
    out, photo, other = tmp_path / "out", draw(tmp_path / "in/x.png"), draw(tmp_path / "in/y.png")
    write(out, photo, "x~2")
    older = {"photos": "paths from this folder", "outputs": listed(out)}
    (out / LEDGER).write_text(json.dumps(older, indent=0))
    assert stems(out, photo) == ["x~2"]
    write(out, other, "y~3")
    assert stems(out, photo, other) == ["x~2", "y~3"]


def test_half_a_line_of_a_killed_run_is_no_damage(tmp_path):
    out, photo, other = tmp_path / "out", draw(tmp_path / "in/x.png"), draw(tmp_path / "in/y.png")
    write(out, photo, "x~2")
    with (out / LEDGER).open("a") as file:
        file.write('["../in/y.png", "y-1.p')
    assert stems(out, photo) == ["x~2"]
    write(out, other, "y~3")
    assert stems(out, photo, other) == ["x~2", "y~3"]


def test_two_runs_that_take_turns_list_what_both_wrote(tmp_path):
    out, runs = tmp_path / "out", [OutputFolder(tmp_path / "out", []) for _ in range(2)]
    for number in range(6):
        name = f"{number}-1.png"
        runs[number % 2].write(str(tmp_path / f"{number}.png"), {name: b"card"})
    assert {name for _, name, _ in listed(out)} == {f"{number}-1.png" for number in range(6)}


def test_the_next_photo_adds_its_lines_and_leaves_the_others(tmp_path):
    out = tmp_path / "out"
    folder = OutputFolder(out, [])
    folder.write("x.png", {"x-1.png": b"card"})
    before, file = (out / LEDGER).read_text(), (out / LEDGER).stat().st_ino
    folder.write("y.png", {"y-1.png": b"card"})
    assert (out / LEDGER).read_text().startswith(before)
    assert (out / LEDGER).stat().st_ino == file


@pytest.mark.parametrize("name", ["../x.png", "a/b.png", "..", "x\0.png"])
def test_a_list_that_names_files_elsewhere_is_not_believed(tmp_path, name):
    out, photo = tmp_path / "out", draw(tmp_path / "in/x.png")
    write(out, photo, "x~2")
    with (out / LEDGER).open("a") as file:
        file.write(json.dumps(["../in/x.png", name, "0" * 64]) + "\n")
    assert len(OutputFolder(out, []).files()) == 2


@pytest.mark.parametrize("file", [LEDGER, "cards.json"])
def test_lists_nested_too_deeply_are_no_lists(tmp_path, file):
    (tmp_path / file).write_text("[" * 100_000)
    assert stems(tmp_path, draw(tmp_path / "in/x.png")) == ["x"]


def test_photos_by_the_thousand_may_have_one_name():
    stems = [photo.stem for photo in named((f"{i}/card.jpg" for i in range(3000)), {"": "CARD~3"})]
    assert stems[:4] == ["card", "card~2", "card~4", "card~5"]
    assert len(set(stems)) == 3000


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
    assert faults == [f"{link}: a link to gone.jpg, which cannot be reached"]


def test_photos_whose_names_differ_in_bytes_that_are_no_utf8_are_two(tmp_path):
    out = tmp_path / "out"
    first, second = (draw(tmp_path / os.fsdecode(name)) for name in (b"\x88.png", b"\x93.png"))
    write(out, first, "x")
    write(out, second, "x~2")
    assert stems(out, second) == ["x~2"] and stems(out, first) == ["x"]
    OutputFolder(out, []).tidy([str(first)])
    assert sorted(path.name for path in out.glob("x*")) == ["x~2-1.png", "x~2-overlay.jpg"]


def test_hidden_folders_hold_thumbnails_and_what_was_deleted(tmp_path):
    for name in ("a.png", ".Trash-1000/files/b.png", "in/.thumbnails/c.png", "in/d.png"):
        draw(tmp_path / "card" / name)
    assert stems(tmp_path / "out", tmp_path / "card") == ["a", "d"]
    assert stems(tmp_path / "out", tmp_path / "card" / ".Trash-1000") == ["b"]


def test_a_link_to_itself_is_a_fault_and_the_rest_is_found(tmp_path):
    draw(tmp_path / "card" / "a.png")
    (tmp_path / "card" / "loop.png").symlink_to("loop.png")
    photos, faults = find_photos([str(tmp_path / "card")], tmp_path / "out")
    assert [photo.stem for photo in photos] == ["a"]
    assert faults == [f"{tmp_path}/card/loop.png: a link to loop.png, which cannot be reached"]


def test_of_a_folder_and_a_link_to_it_the_first_gives_the_paths(tmp_path):
    draw(tmp_path / "card" / "m" / "a.png")
    (tmp_path / "card" / "b").symlink_to("m")
    (tmp_path / "card" / "z").symlink_to("m")
    [photo], _ = find_photos([str(tmp_path / "card")], tmp_path / "out")
    assert photo.given == str(tmp_path / "card" / "b" / "a.png")


def test_runs_at_one_time_lose_nothing_of_each_other(tmp_path):
    out = tmp_path / "out"
    photos = [draw(tmp_path / f"{number}.png") for number in range(40)]

    def one(photo):
        OutputFolder(out, []).write(str(photo), {f"{photo.stem}-1.png": b""})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, photos))
    assert sorted(OutputFolder(out, []).stems().values()) == sorted(p.stem for p in photos)


def test_a_list_is_known_by_its_crops_wherever_it_was_written(tmp_path, monkeypatch):
    out = tmp_path / "out"
    photo = draw(tmp_path / "a" / "p.png")
    write(out, photo, "p")
    rows = [{"file": "p.png", "cards": [{"crop": "p-1.png"}]}, {"file": "q.png", "cards": []}]
    Listing(out).replace(rows)
    monkeypatch.chdir(tmp_path)
    known = {identity("a/p.png")}
    Listing(out).strike_out(known, OutputFolder(out, []).names(known))
    assert json.loads((out / "cards.json").read_text()) == rows[1:]
