"""`meishi capture` with stand-in networks: files, names, faults."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from typer.testing import CliRunner

from meishi import cli
from meishi.capture.files import CaptureError, capture_photos, find_photos
from meishi.capture.flow import CardCapture
from meishi.capture.outputs import OutputFolder
from meishi.errors import InputError
from meishi.files import atomic
from meishi.litert import running as litert
from meishi.params import CaptureParams, ConfidenceParams
from tests import heif

PARAMS = CaptureParams(
    score_threshold=0.5,
    iou_threshold=0.45,
    candidates=4,
    max_cards=4,
    confidence_threshold=0.3,
    looks=(),
    max_side_ratio=4.0,
    direction_threshold=0.8,
    confidence=ConfidenceParams(2.0, 0.2, 1.2, -0.8),
)


def bright_box(frame):
    """Stand in for a detector: one box around what is bright."""
    ys, xs = np.nonzero(frame[..., 0] > 150)
    if len(xs) == 0:
        return {"coordinates": np.zeros((1, 4)), "confidence": np.zeros((1, 1))}
    low, high = np.array([xs.min(), ys.min()]) / 64, np.array([xs.max() + 1, ys.max() + 1]) / 64
    row = np.concatenate([(low + high) / 2, high - low])
    return {"coordinates": row[None], "confidence": np.array([[0.9]])}


def bright_mask(crop):
    """Stand in for a segmenter: what is brighter than the padding."""
    small = cv2.resize(crop[..., 0], (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    return {"mask": np.clip((small - 140) / 100, 0, 1)[..., None]}


@pytest.fixture
def capture():
    return CardCapture(bright_box, bright_mask, 64, 96, 0.2, PARAMS)


def draw_card(path):
    """A white card of 200x120 pixels on black."""
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[90:210, 100:300] = 255
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture
def photo(tmp_path):
    return draw_card(tmp_path / "photos" / "card.png")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def run(capture, out, *given):
    photos, faults = find_photos([str(path) for path in given], out)
    capture_photos(capture, photos, out, faults)
    return json.loads((out / "cards.json").read_text())


@pytest.mark.parametrize(("option", "mirrored"), [([], True), (["--no-mirror"], False)])
def test_the_command_captures(capture, photo, out, monkeypatch, option, mirrored):
    asked = []
    monkeypatch.setattr(litert, "load_capture", lambda *given: asked.append(given) or capture)
    result = CliRunner().invoke(cli.app, ["capture", str(photo), "--out", str(out), *option])
    assert result.exit_code == 0, result.output
    assert asked == [(Path("models"), 1, mirrored)]
    (row,) = json.loads((out / "cards.json").read_text())
    assert (out / row["cards"][0]["crop"]).is_file() and (out / "card-overlay.jpg").is_file()
    assert result.output == f"{out}: 1 photo, 1 card\n"


def names(out, *given):
    return [Path(photo.given).name for photo in find_photos([str(g) for g in given], out)[0]]


def test_the_result_has_the_documented_form(capture, photo, out):
    (row,) = run(capture, out, photo)
    assert (row["file"], row["width"], row["height"]) == (str(photo), 400, 300)
    assert set(row) == {"file", "width", "height", "focal_length", "cards"}
    assert row["focal_length"] is None  # nothing tells it
    (card,) = row["cards"]
    assert set(card) == {"score", "quad", "direction", "direction_confidence", "crop"}
    assert (card["direction"], card["direction_confidence"]) == (0, None)  # nobody was asked
    # Pixel centres at integers: the card's edges lie at 99.5, 89.5, 299.5, 209.5.
    expected = [[99.5, 89.5], [299.5, 89.5], [299.5, 209.5], [99.5, 209.5]]
    np.testing.assert_allclose(card["quad"], expected, atol=2.5)


def test_the_path_is_kept_as_it_was_given(capture, photo, out, monkeypatch):
    monkeypatch.chdir(photo.parent)
    assert run(capture, out, "./card.png")[0]["file"] == "./card.png"


def test_the_crop_has_the_cards_proportion(capture, photo, out):
    run(capture, out, photo)
    width, height = Image.open(out / "card-1.png").size
    assert width / height == pytest.approx(200 / 120, rel=0.04)


def test_the_focal_length_by_exif_is_told_and_settles_the_proportion(capture, photo, out):
    picture = np.zeros((300, 400, 3), np.uint8)
    cv2.fillPoly(picture, [np.array([[150, 60], [250, 60], [300, 160], [100, 160]])], (255,) * 3)
    sizes = {}
    for film_mm in (24, 77):
        exif = Image.Exif()
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.FocalLengthIn35mmFilm: film_mm}
        Image.fromarray(picture).save(photo, exif=exif.tobytes())
        (row,) = run(capture, out, photo)
        assert row["focal_length"] == pytest.approx(film_mm / 34.61, abs=1e-4)
        sizes[film_mm] = Image.open(out / "card-1.png").size
    # The same trapezium, from farther off: the card is longer in depth.
    assert sizes[24][0] / sizes[24][1] > 1.3 * sizes[77][0] / sizes[77][1]


def test_an_overlay_is_drawn_for_each_photo(capture, photo, out):
    run(capture, out, photo)
    assert Image.open(out / "card-overlay.jpg").size == (400, 300)


def test_a_photo_without_cards_has_an_empty_list(capture, photo, out):
    Image.new("RGB", (200, 100)).save(photo.parent / "desk.png")
    photos, _ = find_photos([str(photo.parent)], out)
    told = capture_photos(capture, photos, out)
    assert told == f"{out}: 2 photos, 1 card; 1 photo without a card"
    rows = json.loads((out / "cards.json").read_text())
    assert [len(row["cards"]) for row in rows] == [1, 0]


def test_bad_photos_are_told_and_the_good_ones_done(capture, photo, out):
    bad = photo.parent / "broken.jpg"
    bad.write_bytes(b"no picture at all")
    with pytest.raises(CaptureError, match=r"broken\.jpg: not a picture") as told:
        run(capture, out, photo.parent)
    assert str(told.value).endswith(f"\n{out}: 1 photo done")
    assert [r["file"] for r in json.loads((out / "cards.json").read_text())] == [str(photo)]


def test_a_photo_that_is_damaged_inside_is_done_and_told(capture, photo, out):
    cut = photo.parent / "cut.jpg"
    picture = np.random.default_rng(0).integers(0, 90, (300, 400, 3), dtype=np.uint8)
    picture[40:140, 100:300] = 255
    Image.fromarray(picture).save(cut)
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    with pytest.raises(CaptureError, match=r"cut\.jpg: done, but the file is damaged") as told:
        run(capture, out, photo.parent)
    assert str(told.value).endswith(f"\n{out}: 2 photos done")
    rows = json.loads((out / "cards.json").read_text())
    assert [len(row["cards"]) for row in rows] == [1, 1]


def test_a_photo_that_there_is_not_counts_as_not_done(capture, photo, out):
    with pytest.raises(CaptureError, match=r"(?s)no such file.*: 1 photo done$"):
        run(capture, out, photo, photo.parent / "missing.jpg")


@pytest.mark.parametrize("name", ["名刺 2026.png", "a b.png", "x.y.z.png", "名" * 82 + ".png"])
def test_names_of_any_kind_are_taken(capture, out, tmp_path, name):
    draw_card(tmp_path / "photos" / name)
    (card,) = run(capture, out, tmp_path / "photos")[0]["cards"]
    assert (out / card["crop"]).is_file()


def test_an_output_that_cannot_be_written_is_a_fault_and_the_rest_is_done(capture, photo, out):
    draw_card(photo.parent / "good.png")
    (out / "card-1.png").mkdir(parents=True)
    with pytest.raises(CaptureError, match=r"card-1\.png is there and was not written here"):
        run(capture, out, photo.parent)
    rows = json.loads((out / "cards.json").read_text())
    assert [Path(row["file"]).name for row in rows] == ["good.png"]


@pytest.mark.parametrize("failing", ["card-1.png", "card-overlay.jpg"])
def test_a_photo_of_which_not_all_is_written_leaves_nothing(
    capture, photo, out, monkeypatch, failing
):
    draw_card(photo.parent / "good.png")
    write = atomic.atomic_write_bytes

    def full_disk(path, content):
        if path.name == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(atomic, "atomic_write_bytes", full_disk)
    with pytest.raises(CaptureError, match=r"card\.png: cannot be written: .*No space left"):
        run(capture, out, photo.parent)
    assert sorted(file.name for file in out.iterdir()) == [
        ".meishi.json",
        "cards.json",
        "good-1.png",
        "good-overlay.jpg",
    ]
    assert "card-" not in (out / ".meishi.json").read_text()


@pytest.mark.parametrize(
    "content", ['{"mine": "precious"}', "{", "[1, 2]", '[{"file": "a"}]', '"text"', "7"]
)
def test_a_list_of_somebody_else_is_not_replaced(capture, photo, out, content):
    out.mkdir()
    (out / "cards.json").write_text(content)
    with pytest.raises(InputError, match=r"cards\.json: is there and is no list that"):
        run(capture, out, photo)
    assert [file.name for file in out.iterdir()] == ["cards.json"]
    assert (out / "cards.json").read_text() == content


def test_an_empty_path_is_a_fault(out):
    assert find_photos([""], out) == ([], ["an empty path; expected a photo or a folder of photos"])


def test_a_list_that_cannot_be_written_is_told_before_the_work(capture, photo, out):
    (out / "cards.json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"cards\.json: cannot be written"):
        run(capture, out, photo)
    assert [path.name for path in out.iterdir()] == ["cards.json"]


def test_no_photo_is_overwritten(capture, photo):
    other = draw_card(photo.parent / "card-1.png")
    before = other.read_bytes()
    photos, faults = find_photos([str(photo), str(other)], photo.parent)
    with pytest.raises(CaptureError, match="is a photo; choose another --out"):
        capture_photos(capture, photos, photo.parent, faults)
    assert other.read_bytes() == before


def test_no_file_of_others_is_overwritten(capture, photo):
    """It is no photo of this run: only its name tells that it is in the way."""
    mine = photo.parent / "card-1.png"
    mine.write_bytes(b"of the user")
    with pytest.raises(CaptureError, match=r"card-1\.png is there and was not written here"):
        run(capture, photo.parent, photo)
    assert mine.read_bytes() == b"of the user"
    assert sorted(file.name for file in photo.parent.iterdir()) == ["card-1.png", "card.png"]


def test_an_output_that_somebody_changed_is_not_overwritten(capture, photo, out):
    run(capture, out, photo)
    listed = (out / "cards.json").read_bytes()
    (out / "card-1.png").write_bytes(b"retouched")
    with pytest.raises(CaptureError, match="or was changed since; move it away"):
        run(capture, out, photo)
    assert (out / "card-1.png").read_bytes() == b"retouched"
    assert (out / "cards.json").read_bytes() == listed


def test_what_is_neither_file_nor_folder_is_named(photo, out):
    os.mkfifo(photo.parent / "pipe.jpg")
    photos, faults = find_photos([str(photo.parent)], out)
    assert len(photos) == 1 and faults == [
        f"{photo.parent / 'pipe.jpg'}: neither a file nor a folder"
    ]


def test_outputs_are_not_searched_for_photos(capture, photo):
    out = photo.parent / "out"
    run(capture, out, photo.parent)
    assert names(out, photo.parent) == ["card.png"]


def test_crops_that_are_no_longer_true_go_and_other_files_stay(capture, photo, out):
    run(capture, out, photo)
    (out / "mine-1.png").write_bytes(b"of the user")
    Image.new("RGB", (400, 300)).save(photo)  # the card is gone
    assert run(capture, out, photo)[0]["cards"] == []
    assert not (out / "card-1.png").exists()
    assert (out / "mine-1.png").exists()


def test_a_folder_is_searched_through_in_order(photo, out):
    inner = photo.parent / "inner"
    inner.mkdir()
    Image.new("RGB", (50, 50)).save(inner / "a.JPG", "JPEG")
    (photo.parent / "notes.txt").write_text("no photo")
    assert names(out, photo.parent) == ["card.png", "a.JPG"]


def test_photos_that_cannot_be_decoded_are_named_not_passed_over(photo, out):
    (photo.parent / "IMG_1.DNG").write_bytes(b"II*")
    photos, faults = find_photos([str(photo.parent)], out)
    assert len(photos) == 1
    assert "IMG_1.DNG: .DNG is not read; convert it to JPEG" in faults[0]


def test_photos_of_one_name_get_different_outputs(photo, out):
    draw_card(photo.parent / "inner" / "card.png")
    photos, _ = find_photos([str(photo.parent)], out)
    assert [p.stem for p in photos] == ["card", "card~2"]


def test_a_later_photo_of_one_name_leaves_the_outputs_of_the_first(capture, photo, out):
    other = draw_card(photo.parent / "inner" / "card.png")
    run(capture, out, photo)
    first = (out / "card-1.png").read_bytes()
    picture = np.asarray(Image.open(other)).copy()
    picture[100:140, 110:200] = 200
    Image.fromarray(picture).save(other)
    for _ in range(2):
        (row,) = run(capture, out, other)
        assert row["cards"][0]["crop"] == "card~2-1.png"
    assert (out / "card-1.png").read_bytes() == first
    (row,) = run(capture, out, photo)
    assert row["cards"][0]["crop"] == "card-1.png" and (out / "card~2-1.png").is_file()


@pytest.mark.parametrize("name", [".card-1.partial.png", "._card.png"])
def test_what_a_kill_or_another_system_left_is_no_photo(photo, out, name):
    draw_card(photo.parent / name)
    assert names(out, photo.parent) == ["card.png"]


@pytest.mark.parametrize("name", ["a.jfif", "a.mpo", "a.JPE"])
def test_other_names_of_jpeg_are_photos(photo, out, name):
    Image.new("RGB", (50, 50)).save(photo.parent / name, "JPEG")
    assert sorted(names(out, photo.parent)) == sorted(["card.png", name])


@pytest.mark.parametrize("suffix", [".CR2", ".nef", ".raw"])
def test_raw_files_are_named(photo, out, suffix):
    (photo.parent / f"IMG_1{suffix}").write_bytes(b"raw")
    assert f"IMG_1{suffix}: {suffix} is not read" in find_photos([str(photo.parent)], out)[1][0]


def test_a_link_that_leads_nowhere_is_named(photo, out):
    (photo.parent / "gone.jpg").symlink_to("nowhere.jpg")
    photos, faults = find_photos([str(photo.parent)], out)
    assert (
        len(photos) == 1 and "gone.jpg: a link to nowhere.jpg, which cannot be reached" in faults[0]
    )


def test_a_photo_given_twice_is_done_once(photo, out):
    assert names(out, photo, photo.parent, photo.parent / ".." / "photos" / "card.png") == [
        "card.png"
    ]


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path, out):
    empty = tmp_path / "empty"
    empty.mkdir()
    _, faults = find_photos([str(empty), str(tmp_path / "missing.jpg")], out)
    assert "no photos in this folder" in faults[0]
    assert str(empty) in faults[0]
    assert "missing.jpg: no such file" in faults[1]


def test_an_output_that_is_a_file_is_refused(capture, photo, out):
    out.write_text("in the way")
    with pytest.raises(InputError, match=r"^--out .* is a file; expected a folder$"):
        run(capture, out, photo)
    assert out.read_text() == "in the way"


def test_an_output_below_a_file_is_refused(capture, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        run(capture, tmp_path / "file" / "out", photo)


def test_a_name_that_is_no_utf8_is_done(capture, photo, out):
    """Zips of Windows in Japan hold names in Shift-JIS."""
    draw_card(photo.parent / "other.png").rename(photo.parent / os.fsdecode(b"\x96\xbc\x8eh.png"))
    rows = run(capture, out, photo.parent)
    assert sorted(Path(row["file"]).name for row in rows) == ["card.png", "\ufffd\ufffd\ufffdh.png"]
    assert all((out / row["cards"][0]["crop"]).is_file() for row in rows)


def test_what_other_photos_showed_stays(capture, photo, out):
    run(capture, out, photo)
    other = draw_card(photo.parent / "other.png")
    assert [row["file"] for row in run(capture, out, other)] == [str(other)]
    assert (out / "card-1.png").is_file() and (out / "card-overlay.jpg").is_file()


def test_a_run_without_a_good_photo_replaces_nothing(capture, photo, out):
    run(capture, out, photo)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    photo.write_bytes(b"cut")
    with pytest.raises(CaptureError, match="not a picture"):
        run(capture, out, photo)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("out", [".", "..", "../photos"])
def test_an_output_folder_that_holds_the_photos_hides_none(capture, photo, out, monkeypatch):
    monkeypatch.chdir(photo.parent)
    Image.new("RGB", (200, 100)).save(photo.parent / "desk.png")
    for _ in range(2):  # what the first run wrote is no photo for the second
        rows = run(capture, Path(out), photo.parent)
        found = {Path(row["file"]).name: len(row["cards"]) for row in rows}
        assert found == {"card.png": 1, "desk.png": 0}


def test_outputs_are_no_photos_after_a_run_of_one_photo(capture, photo):
    here = photo.parent
    other = draw_card(here / "other.png")
    for given in (here, other, here):
        rows = run(capture, here, given)
    assert [Path(row["file"]).name for row in rows] == ["card.png", "other.png"]
    (here / "cards.json").unlink()
    assert names(here, here) == ["card.png", "other.png"]


def test_a_photo_keeps_its_stem_when_another_is_gone(capture, photo):
    here = photo.parent
    bad = here / "a" / "card.png"
    bad.parent.mkdir()
    bad.write_bytes(b"no picture at all")
    draw_card(here / "b" / "card.png")
    photo.unlink()
    with pytest.raises(CaptureError):
        run(capture, here, here)
    assert (here / "card~2-overlay.jpg").is_file()
    bad.unlink()
    (row,) = run(capture, here, here)
    assert Path(row["file"]) == here / "b" / "card.png"
    assert sorted(path.name for path in here.glob("card*.*")) == [
        "cards.json",
        "card~2-1.png",
        "card~2-overlay.jpg",
    ]


def test_a_photo_that_takes_the_name_of_an_output_is_a_photo_and_stays(capture, photo):
    here = photo.parent
    run(capture, here, here)
    mine = draw_card(here / "card-1.png")
    before = mine.read_bytes()
    assert names(here, here) == ["card-1.png", "card.png"]
    Image.new("RGB", (400, 300)).save(photo)  # the card is gone, its crop would go
    run(capture, here, photo)
    assert mine.read_bytes() == before


@pytest.mark.parametrize("damage", ["", "{", "[1]"])
def test_outputs_of_a_folder_without_a_sound_list_are_known_by_cards_json(capture, photo, damage):
    here = photo.parent
    run(capture, here, here)
    (here / ".meishi.json").write_text(damage)
    assert names(here, here) == ["card.png"]
    other = draw_card(here / "other.png")
    run(capture, here, other)
    assert names(here, here) == ["card.png", "other.png"]  # the new list took over the old one


def test_a_run_that_is_killed_leaves_no_output_that_is_taken_for_a_photo(
    capture, photo, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    draw_card(photo.parent / "other.png")
    monkeypatch.setattr("meishi.capture.outputs.OutputFolder.tidy", killed)
    with pytest.raises(KeyboardInterrupt):
        run(capture, photo.parent, photo.parent)
    (photo.parent / "cards.json").unlink()
    assert names(photo.parent, photo.parent) == ["card.png", "other.png"]


@pytest.mark.parametrize("stopped_at", [1, 2])
def test_after_an_interrupted_run_the_list_tells_of_the_crops_that_are_there(
    capture, photo, out, monkeypatch, stopped_at
):
    for name in ("other.png", "third.png"):
        draw_card(photo.parent / name)
    run(capture, out, photo.parent)
    Image.fromarray(np.asarray(Image.open(photo))[:, :290]).save(photo)
    write, calls = OutputFolder.write, []

    def interrupted(folder, given, files):
        write(folder, given, files)
        calls.append(given)
        if len(calls) == stopped_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(OutputFolder, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(capture, out, photo.parent)
    rows = json.loads((out / "cards.json").read_text())
    told = {Path(row["file"]).name: row["width"] for row in rows}
    # The photo whose outputs were being written is left out; those not reached are as before.
    expected = [{"other.png": 400, "third.png": 400}, {"card.png": 290, "third.png": 400}]
    assert told == expected[stopped_at - 1]


def test_a_run_that_is_killed_leaves_no_false_list(capture, photo, out, monkeypatch):
    other = draw_card(photo.parent / "other.png")
    run(capture, out, photo.parent)
    listed = []

    def watched(folder, given, files):
        listed.append([row["file"] for row in json.loads((out / "cards.json").read_text())])

    monkeypatch.setattr(OutputFolder, "write", watched)
    run(capture, out, photo)
    assert listed == [[str(other)]]  # while the crops of the one are replaced


def test_names_that_only_some_disks_tell_apart_get_different_outputs(photo, out):
    for folder, name in (("a", "Card.png"), ("b", "caf\u00e9.png"), ("c", "cafe\u0301.png")):
        draw_card(photo.parent / folder / name)
    photos, _ = find_photos([str(photo.parent)], out)
    stems = [p.stem for p in photos]
    assert stems == ["Card", "caf\u00e9", "cafe\u0301~2", "card~2"]


def test_what_cannot_be_read_is_named(photo, out, monkeypatch):
    def walk(folder, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(Path(folder) / "locked")))
        yield str(folder), [], [photo.name]

    monkeypatch.setattr(os, "walk", walk)
    photos, faults = find_photos([str(photo.parent)], out)
    assert len(photos) == 1 and "locked: cannot be read: Permission denied" in faults[0]

    def denied(path, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", denied)
    assert "cannot be read" in find_photos([str(photo)], out)[1][0]


def test_links_are_followed_but_not_in_circles(photo, out, tmp_path):
    album = tmp_path / "album"
    draw_card(album / "deep.png")
    (photo.parent / "link").symlink_to(album)
    (album / "back").symlink_to(photo.parent)
    assert names(out, photo.parent) == ["card.png", "deep.png"]


def test_what_macos_keeps_beside_a_photo_is_no_photo(photo, out):
    (photo.parent / "._card.png").write_bytes(b"\x00\x05\x16\x07")
    assert names(out, photo.parent) == ["card.png"]


def test_a_raw_photo_that_is_given_by_name_gets_the_hint(capture, tmp_path, out):
    raw = tmp_path / "IMG_1.DNG"
    raw.write_bytes(b"II*")
    with pytest.raises(CaptureError, match=r"\.DNG is not read; convert it to JPEG"):
        run(capture, out, raw)


def test_photos_of_iphones_are_captured(capture, tmp_path, out):
    (tmp_path / "IMG_1.HEIC").write_bytes(heif.TURNED)
    (photo,) = run(capture, out, tmp_path)
    assert (photo["width"], photo["height"]) == (32, 48)  # upright
