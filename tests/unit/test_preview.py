"""`meishi preview` with stand-ins for the networks: outputs, times, faults."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from meishi import cli
from meishi.capture.card import CapturedCard
from meishi.errors import InputError
from meishi.geometry import quads
from meishi.litert import running as litert
from meishi.pictures import videos
from meishi.preview.drawing import drawn
from meishi.preview.previewing import Outputs, PreviewError, preview
from meishi.preview.tracking import TrackedCard

SIZE = (160, 120)


def desk(number, size=SIZE):
    """A dark desk; a white card moves to the right."""
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    image[30:70, 20 + 2 * number : 90 + 2 * number] = 240
    return image


def bright(image):
    """Find the white card, as the networks would."""
    rows, columns = np.nonzero(image[..., 0] > 140)
    if len(rows) == 0:
        return []
    low, high = (np.array([f(columns), f(rows)]) for f in (np.min, np.max))
    quad = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float64)
    size = (image.shape[1], image.shape[0])
    box = quads.to_relative(quad[[0, 2]], size).ravel()
    return [CapturedCard(0.8, 0.95, quad, box)]


def write(path, frames=15, size=SIZE, draw=desk):
    with videos.written(path, 30.0) as add:
        for number in range(frames):
            add(draw(number, size))
    return path


def frames_of(path):
    with videos.opened(path) as video:
        return [frame.image for frame in video.frames([])]


def test_the_video_and_the_tracks_are_written(tmp_path):
    source = write(tmp_path / "a.mp4")
    outputs = Outputs(tmp_path / "out" / "o.mp4", tmp_path / "tracks" / "t.json")
    seen = preview(bright, source, outputs)
    assert len(frames_of(outputs.video)) == len(seen.cards) == 15
    content = json.loads(outputs.tracks.read_text())
    assert (content["width"], content["height"], content["frames"]) == (160, 120, 15)
    assert content["video"] == "a.mp4"
    assert [row["frame"] for row in content["tracks"]] == list(range(2, 15))
    times = [row["frame"] / 30 for row in content["tracks"]]
    assert [row["seconds"] for row in content["tracks"]] == pytest.approx(times, abs=2e-3)
    assert {row["track"] for row in content["tracks"]} == {1}
    assert {row["score"] for row in content["tracks"]} == {0.7894}  # score^0.6 x agreement^2
    assert content["tracks"][12]["quad"][0] == pytest.approx([48, 30], abs=1.5)


def test_frames_are_shown_when_the_source_shows_them(tmp_path):
    source = tmp_path / "a.mp4"
    times_s = [0, 0.03, 0.06, 0.2, 0.3, 0.33, 1.0, 1.03]
    with videos.written(source, 30.0) as add:
        for number, seconds in enumerate(times_s):
            add(desk(number, SIZE), seconds)
    preview(bright, source, Outputs(tmp_path / "o.mp4"))
    with videos.opened(tmp_path / "o.mp4") as video:
        shown_s = [frame.seconds for frame in video.frames([])]
    assert shown_s == pytest.approx(times_s, abs=2e-3)


def test_the_tracks_are_the_same_each_time(tmp_path):
    source = write(tmp_path / "a.mp4")
    texts = set()
    for number in range(3):
        tracks = tmp_path / f"{number}.json"
        preview(bright, source, Outputs(tmp_path / "o.mp4", tracks))
        texts.add(tracks.read_bytes())
    assert len(texts) == 1


def test_without_json_only_the_video_is_written(tmp_path):
    source = write(tmp_path / "a.mp4")
    preview(bright, source, Outputs(tmp_path / "o.mp4"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "o.mp4"]


def test_what_is_seen_is_said_with_where_it_was_measured(tmp_path):
    seen = preview(bright, write(tmp_path / "a.mp4"), Outputs(tmp_path / "o.mp4"))
    assert "15 frames, 1 track;" in str(seen)
    assert "measured on this host" in str(seen)
    assert seen.fps > 0


def test_a_video_without_cards_has_no_tracks(tmp_path):
    source = write(tmp_path / "a.mp4")
    tracks = tmp_path / "t.json"
    preview(lambda image: [], source, Outputs(tmp_path / "o.mp4", tracks))
    assert json.loads(tracks.read_text())["tracks"] == []


def test_a_frame_missing_in_the_middle_is_told_and_the_rest_is_done(tmp_path):
    source = write(tmp_path / "a.mp4", frames=20)
    content = bytearray(source.read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 4] == b"\x00\x00\x01\xb6"]
    content[starts[9] : starts[10]] = bytes(starts[10] - starts[9])
    source.write_bytes(content)
    outputs = Outputs(tmp_path / "o.mp4", tmp_path / "t.json")
    with pytest.raises(PreviewError, match=r"(?s)19 frames.*missing between.*19 of 20 stated"):
        preview(bright, source, outputs)
    assert len(frames_of(outputs.video)) == 19
    assert {row["track"] for row in json.loads(outputs.tracks.read_text())["tracks"]} == {1}


def test_a_fault_in_the_midst_leaves_the_old_outputs(tmp_path):
    source = write(tmp_path / "a.mp4")
    outputs = Outputs(tmp_path / "o.mp4", tmp_path / "t.json")
    outputs.video.write_bytes(b"old")
    outputs.tracks.write_text("old")
    calls = []

    def breaks(image):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return bright(image)

    with pytest.raises(KeyboardInterrupt):
        preview(breaks, source, outputs)
    assert outputs.video.read_bytes() == b"old"
    assert outputs.tracks.read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "o.mp4", "t.json"]


@pytest.mark.parametrize(
    ("video", "tracks", "words"),
    [
        ("a.mp4", None, "would replace"),
        ("o.mp4", "a.mp4", "would replace"),
        ("o.mp4", "o.mp4", "would replace"),
        ("sub/../a.mp4", None, "would replace"),
        ("o.avi", None, "written as .mp4"),
        ("o", None, "written as .mp4"),
        ("folder.mp4", None, "cannot be written"),
        ("file/o.mp4", None, "cannot be written"),
        ("o.mp4", "folder", "cannot be written"),
        ("o.mp4", "file/t.json", "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_the_work(tmp_path, video, tracks, words):
    source = write(tmp_path / "a.mp4", frames=2)
    before = source.read_bytes()
    for name in ("folder", "folder.mp4", "sub"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")

    def never(image):
        raise AssertionError("the work began")

    outputs = Outputs(tmp_path / video, tmp_path / tracks if tracks else None)
    with pytest.raises(InputError, match=words):
        preview(never, source, outputs)
    assert source.read_bytes() == before


@pytest.mark.parametrize("output", ["video", "tracks"])
def test_the_truth_is_not_replaced(tmp_path, output):
    source, truth = write(tmp_path / "a.mp4", frames=2), tmp_path / "truth.mp4"
    truth.write_text("true quads")
    files = {"video": tmp_path / "o.mp4", "tracks": tmp_path / "t.json", output: truth}
    with pytest.raises(InputError, match="would replace"):
        preview(bright, source, Outputs(**files, truth=truth))
    assert truth.read_text() == "true quads"


@pytest.mark.parametrize("content", [None, b"", b"no video"])
def test_a_bad_video_leaves_no_output(tmp_path, content):
    source = tmp_path / "bad.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.mp4"):
        preview(bright, source, Outputs(tmp_path / "o.mp4", tmp_path / "t.json"))
    assert {file.name for file in tmp_path.iterdir()} <= {"bad.mp4"}


@pytest.mark.parametrize("size", [(17, 16), (161, 121), (16, 300), (301, 17)])
def test_odd_sizes_pass(tmp_path, size):
    source = write(tmp_path / "a.mp4", frames=4, size=size)
    seen = preview(bright, source, Outputs(tmp_path / "o.mp4"))
    assert len(frames_of(tmp_path / "o.mp4")) == 4
    assert seen.size_px == (size[0] + size[0] % 2, size[1] + size[1] % 2)


def test_drawing_changes_a_copy_and_shows_box_quad_and_speed():
    image = desk(0)
    before = image.copy()
    [card] = bright(image)
    tracked = TrackedCard(7, card.quad_px + 12, 0.8, True)
    canvas = drawn(image, [card], [tracked], 12.3)
    np.testing.assert_array_equal(image, before)
    assert canvas.shape == image.shape
    for part in ([card], []), ([], [tracked]):
        assert (drawn(image, *part, 12.3) != canvas).any()
    assert (drawn(image, [card], [tracked], 99.9) != canvas).any()


def test_a_missed_card_looks_different():
    [card] = bright(desk(0))
    seen, guessed = (
        drawn(desk(0), [], [TrackedCard(1, card.quad_px, 0.8, flag)], 1.0) for flag in (True, False)
    )
    assert (seen != guessed).any()


def test_a_quad_beyond_the_frame_is_drawn_as_far_as_it_is_seen():
    quad = np.array([[-400.0, -300.0], [80.0, -300.0], [80.0, 60.0], [-400.0, 60.0]])
    canvas = drawn(desk(0), [], [TrackedCard(1, quad, 0.8, True)], 1.0)
    assert cv2.absdiff(canvas, desk(0)).any()


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run the command on a short video with a stand-in for the models."""
    bright_capture = SimpleNamespace(live=lambda: bright)
    monkeypatch.setattr(litert, "load_capture", lambda models, threads: bright_capture)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.mp4")

    def run(*options):
        return CliRunner().invoke(cli.app, ["preview", "a.mp4", "--out", "o.mp4", *options])

    return run


def test_the_command_measures_against_the_truth(command, tmp_path):
    truths = [[[[20 + 2 * n, 30], [89 + 2 * n, 30], [89 + 2 * n, 69], [20 + 2 * n, 69]]]
              for n in range(15)]  # fmt: skip
    (tmp_path / "truth.json").write_text(json.dumps({"quads": truths}))
    result = command("--json", "t.json", "--truth", "truth.json")
    assert result.exit_code == 0, result.output
    assert "0 id switches" in result.output
    assert "2 of 15 cards without a track" in result.output
    assert (tmp_path / "t.json").is_file()


def test_a_truth_of_another_video_is_refused(command, tmp_path):
    (tmp_path / "truth.json").write_text('{"quads": [[], []]}')
    result = command("--truth", "truth.json")
    assert isinstance(result.exception, InputError)
    assert "2 frames, the video 15" in str(result.exception)


def test_a_bad_truth_is_refused_before_the_work(command, tmp_path):
    result = command("--truth", "none.json")
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "o.mp4").exists()


def test_a_stated_frame_rate_is_used(command, tmp_path):
    assert command("--fps", "10", "--json", "t.json").exit_code == 0
    assert json.loads((tmp_path / "t.json").read_text())["fps"] == 10
    with videos.opened(tmp_path / "o.mp4") as video:
        assert video.fps == 10
