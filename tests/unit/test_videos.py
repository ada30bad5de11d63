"""Video files: what is written is read back, and bad ones are refused by name."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from meishi.errors import InputError
from meishi.pictures import mp4_writer, videos


def picture(number, size=(64, 48)):
    """A grey frame with a bar that tells its number."""
    image = np.full((size[1], size[0], 3), 60, np.uint8)
    image[:, 4 * number : 4 * number + 6] = (230, 40, 120)
    return image


def write(path, count=12, size=(64, 48), fps=25.0):
    with videos.written(path, fps) as add:
        for number in range(count):
            add(picture(number, size))
    return path


def read(path, fps=None):
    faults = []
    with videos.opened(path, fps) as video:
        return list(video.frames(faults)), faults


def packets(content):
    """Where the pictures of an MPEG-4 stream begin: its VOP start codes."""
    found, at = [], content.find(b"\x00\x00\x01\xb6")
    while at >= 0:
        found.append(at)
        at = content.find(b"\x00\x00\x01\xb6", at + 4)
    return found


def last_longer(content, frames):
    """Let the frames of an .mp4 with these numbers be shown twice as long, the others shorter."""
    content = bytearray(content)
    at = content.rfind(b"stts") - 4
    size, _, _, _, count, ticks = struct.unpack_from(">I4sIIII", content, at)
    short = ticks * (count - 2 * len(frames)) // (count - len(frames))
    runs = [(1, 2 * ticks if number in frames else short) for number in range(count - 1)]
    runs.append((1, ticks * count - sum(run[1] for run in runs)))  # it lasts as long as before
    table = struct.pack(">I4sII", 16 + 8 * count, b"stts", 0, count)
    table += b"".join(struct.pack(">II", *run) for run in runs)
    begin = content.rfind(b"moov")
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):  # all that hold the table
        place = content.find(box, begin) - 4
        (held,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", content, place, held + len(table) - size)
    content[at : at + size] = table
    return bytes(content)


def test_frames_that_are_shown_for_longer_are_not_missing(tmp_path):
    whole = write(tmp_path / "whole.mp4")
    (tmp_path / "dark.mp4").write_bytes(last_longer(whole.read_bytes(), {3, 7}))
    frames, faults = read(tmp_path / "dark.mp4")
    assert faults == []
    times = np.diff([frame.seconds for frame in frames]) * 25
    expected = [2 if number in (3, 7) else 0.8 for number in range(11)]
    np.testing.assert_allclose(times, expected, atol=0.03)


TIMES_S = [0, 0.04, 0.1, 0.103, 0.5, 2.0, 2.01, 2.02, 2.03]


def test_frames_are_shown_at_their_times(tmp_path):
    with videos.written(tmp_path / "a.mp4", 25) as add:
        for number, seconds in enumerate(TIMES_S):
            add(picture(number), seconds)
    frames, faults = read(tmp_path / "a.mp4")
    np.testing.assert_allclose([frame.seconds for frame in frames], TIMES_S, atol=1e-4)
    assert faults == []
    for frame in frames:
        assert np.abs(frame.image.astype(int) - picture(frame.number)).mean() < 8


def test_all_that_states_the_length_agrees(tmp_path):
    with videos.written(tmp_path / "a.mp4", 25) as add:
        for number, seconds in enumerate(TIMES_S):
            add(picture(number), seconds)
    content = (tmp_path / "a.mp4").read_bytes()
    lengths_s = []
    for kind in (b"mvhd", b"mdhd"):
        unit, ticks = struct.unpack_from(">II", content, content.rindex(kind) + 16)
        lengths_s.append(ticks / unit)
    for kind, offset in ((b"tkhd", 24), (b"elst", 12)):
        lengths_s.append(struct.unpack_from(">I", content, content.rindex(kind) + offset)[0] / 1000)
    assert lengths_s == pytest.approx([TIMES_S[-1] + 1 / 25] * 4, abs=1e-3)


def test_a_steady_rate_stays_one(tmp_path):
    whole = write(tmp_path / "a.mp4", fps=30).read_bytes()
    with videos.written(tmp_path / "b.mp4", 30) as add:
        for number in range(12):
            add(picture(number), round(number / 30, 3))  # as Matroska has them
    assert (tmp_path / "b.mp4").read_bytes() == whole


def test_times_that_cannot_be_written_are_told(tmp_path):
    with (
        pytest.raises(InputError, match="times of its frames cannot be written"),
        videos.written(tmp_path / "a.mp4", 25) as add,
    ):
        add(picture(0), 0.0)
        add(picture(1), 1e7)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_rate_that_is_given_times_the_frames(tmp_path):
    with videos.opened(write(tmp_path / "a.mp4", count=4), 5.0) as video:
        assert [frame.seconds for frame in video.frames([])] == pytest.approx([0, 0.2, 0.4, 0.6])


@pytest.mark.parametrize("fps", [0.0, -3.0, 1001.0])
def test_a_frame_rate_that_cannot_be_is_the_callers(tmp_path, fps):
    with pytest.raises(InputError, match=f"--fps: expected above 0, 1000 at most, got {fps:g}"):
        read(write(tmp_path / "a.mp4"), fps)


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    name = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\x96\xbc.mp4"))
    write(tmp_path / "a.mp4").rename(name)
    with pytest.raises(InputError, match="its name is no UTF-8; rename it"):
        read(name)
    with pytest.raises(InputError, match="its name is no UTF-8; rename it"):
        videos.check_target(name)


def test_frames_come_back_in_order_with_their_times(tmp_path):
    frames, faults = read(write(tmp_path / "a.mp4"))
    assert [frame.number for frame in frames] == list(range(12))
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(12) / 25, atol=1e-3)
    for frame in frames:
        assert np.abs(frame.image.astype(int) - picture(frame.number)).mean() < 8
    assert faults == []


def test_colours_are_rgb(tmp_path):
    image = read(write(tmp_path / "a.mp4"))[0][0].image
    red, _, blue = image[20, 1:5].mean(axis=0)
    assert red > blue + 60


@pytest.mark.parametrize("size", [(65, 48), (64, 49), (33, 47)])
def test_odd_sides_are_padded_and_no_pixel_moves(tmp_path, size):
    frame = read(write(tmp_path / "a.mp4", size=size))[0][3].image
    assert frame.shape[:2] == (size[1] + size[1] % 2, size[0] + size[0] % 2)
    kept = frame[: size[1], : size[0]].astype(int)
    assert np.abs(kept - picture(3, size)).mean() < 8


def test_a_grey_video_becomes_rgb(tmp_path):
    path = tmp_path / "grey.avi"
    code = cv2.VideoWriter.fourcc(*"FFV1")
    stream = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (64, 48), isColor=False)
    for value in range(5):
        stream.write(np.full((48, 64), 40 * value, np.uint8))
    stream.release()
    frames, _ = read(path)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 5
    assert abs(int(frames[3].image[0, 0, 0]) - 120) < 6


def test_grey_pictures_become_rgb():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for picture in (grey, grey[..., None]):
        np.testing.assert_array_equal(videos._rgb(picture), np.stack([grey] * 3, axis=-1))


def test_a_frame_missing_in_the_middle_is_told_with_its_place(tmp_path):
    whole = write(tmp_path / "whole.mp4")
    content = bytearray(whole.read_bytes())
    starts = packets(content)
    content[starts[5] : starts[6]] = bytes(starts[6] - starts[5])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    frames, faults = read(broken)
    assert len(frames) == 11
    assert frames[5].seconds == pytest.approx(6 / 25, abs=1e-3)
    assert any("between 0.160 s and 0.240 s" in fault for fault in faults)
    assert any("11 of 12 stated frames" in fault for fault in faults)


def test_a_video_whose_end_is_damaged_is_told(tmp_path):
    whole = write(tmp_path / "whole.mp4")
    content = bytearray(whole.read_bytes())
    starts = packets(content)
    content[starts[8] : starts[11] + 8] = bytes(starts[11] + 8 - starts[8])
    (tmp_path / "cut.mp4").write_bytes(content)
    frames, faults = read(tmp_path / "cut.mp4")
    assert 8 <= len(frames) < 12
    assert f"{len(frames)} of 12 stated frames" in faults[-1]


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00AVI "])
def test_what_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4: not a video"):
        read(path)


def test_a_video_cut_off_is_named(tmp_path):
    path = write(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match=r"a\.mp4: not a video"):
        read(path)


def test_a_video_without_a_whole_frame_is_named(tmp_path):
    path = write(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    starts, end = packets(content), content.rfind(b"moov") - 4
    content[starts[0] : end] = bytes(end - starts[0])
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4: no frame can be decoded"):
        read(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        read(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match="a folder, not a video"):
        read(tmp_path)


@pytest.mark.parametrize("size", [(8, 48), (64, 8)])
def test_a_tiny_video_is_refused(tmp_path, size):
    with pytest.raises(InputError, match="each side needs 16 at least"):
        read(write(tmp_path / "a.mp4", size=size))


@pytest.mark.parametrize("fps", [-1.0, 1e6, float("nan")])
def test_a_frame_rate_that_none_has_is_refused(tmp_path, fps):
    with pytest.raises(InputError, match="--fps"):
        read(write(tmp_path / "a.mp4"), fps)


def test_a_size_that_changes_is_refused(tmp_path):
    video = videos.Video(write(tmp_path / "a.mp4"))
    with pytest.raises(InputError, match="frame 3 is 32x48 px, those before it 64x48"):
        video._check(picture(0, (32, 48)), (48, 64, 3), 3)


@pytest.mark.parametrize("name", ["a.avi", "a", "a.mp4.txt", "a.mov"])
def test_another_ending_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(InputError, match=r"written as \.mp4"):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "folder.mp4")


def test_an_error_leaves_the_old_video_and_nothing_else(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), videos.written(path, 25) as add:
        add(picture(0))
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"old"


def test_a_video_of_no_frames_is_not_written(tmp_path):
    with pytest.raises(InputError, match="0 of 0 frames"):
        write(tmp_path / "a.mp4", count=0)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mp4_writer, "CODEC", "avc9")
    with pytest.raises(InputError, match="cannot encode avc9.*opencv-python-headless"):
        write(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_frames_that_did_not_arrive_are_noticed(tmp_path):
    with (
        pytest.raises(InputError, match="1 of 2 frames arrived"),
        videos.written(tmp_path / "a.mp4", 25) as add,
    ):
        add(picture(0))
        add(picture(0, (32, 32)))  # OpenCV drops a frame of another size without a word
    assert list(tmp_path.iterdir()) == []


def trimmed(content, start, count):
    """Show only some frames of an .mp4, 25 a second, by its list of edits, as trimming does."""
    content = bytearray(content)
    edits, track, media = (content.rfind(kind) - 4 for kind in (b"elst", b"tkhd", b"mdhd"))
    (media_unit,) = struct.unpack_from(">I", content, media + 20)
    (unit,) = struct.unpack_from(">I", content, content.rfind(b"mvhd") - 4 + 20)
    struct.pack_into(">II", content, edits + 16, count * unit // 25, start * media_unit // 25)
    struct.pack_into(">I", content, track + 28, count * unit // 25)
    return bytes(content)


@pytest.mark.parametrize(("start", "count"), [(0, 8), (4, 8)])
def test_a_trimmed_video_is_whole(tmp_path, start, count):
    content = trimmed(write(tmp_path / "whole.mp4").read_bytes(), start, count)
    (tmp_path / "trimmed.mp4").write_bytes(content)
    frames, faults = read(tmp_path / "trimmed.mp4")
    assert len(frames) < 12 and not faults


def test_a_trimmed_video_whose_end_is_damaged_is_told(tmp_path):
    content = bytearray(trimmed(write(tmp_path / "whole.mp4").read_bytes(), 0, 10))
    starts = packets(content)
    content[starts[6] : starts[11] + 8] = bytes(starts[11] + 8 - starts[6])
    (tmp_path / "cut.mp4").write_bytes(content)
    frames, faults = read(tmp_path / "cut.mp4")
    assert len(frames) < 8 and "of 12 stated frames could be decoded" in faults[-1]


@pytest.mark.parametrize(("seconds", "told"), [(0.3, False), (2.0, True)])
def test_a_length_that_may_be_the_sounds_is_no_fault(tmp_path, monkeypatch, seconds, told):
    code = cv2.VideoWriter.fourcc(*"MJPG")
    stream = cv2.VideoWriter(str(tmp_path / "a.mkv"), cv2.CAP_FFMPEG, code, 25, (64, 48))
    for number in range(12):
        stream.write(picture(number))
    stream.release()
    with videos.opened(tmp_path / "a.mkv") as video:
        video.stated_frames += round(25 * seconds)
        faults = []
        assert len(list(video.frames(faults))) == 12
    assert bool(faults) == told


def test_a_colon_is_a_letter_of_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames, faults = read(write(Path("2026-01-01T12:30:00.mp4")))
    assert len(frames) == 12 and not faults
