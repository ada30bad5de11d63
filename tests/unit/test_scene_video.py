"""Rendered clips: exact quads, one desk, a camera that moves or does not, noise per frame."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from meishi import cli
from meishi.errors import InputError
from meishi.geometry import quads
from meishi.pictures import videos
from meishi.rendering import render_video
from meishi.scenes import video
from meishi.scenes.placement import SIZE_PX, visible
from meishi.scenes.video import Clip, shots
from tests.edges import edge_offset_px


@pytest.fixture(scope="module")
def still():
    return list(shots(Clip(cards=4, frames=4, motion="still", seed=3)))


@pytest.fixture(scope="module")
def moving():
    return list(shots(Clip(cards=4, frames=5, motion="hand", seed=3, fps=5.0)))


def test_a_still_camera_gives_the_same_quads_and_other_noise(still):
    for shot in still[1:]:
        np.testing.assert_array_equal(shot.quads_px, still[0].quads_px)
        assert (shot.image != still[0].image).mean() > 0.3


def test_the_noise_has_no_bias_and_the_size_of_a_sensors(still):
    first, second = (shot.image.astype(float) for shot in still[:2])
    inside = (first > 40) & (first < 215)
    difference = (first - second)[inside]
    assert abs(difference.mean()) < 0.1
    assert 1.5 < difference.std() / np.sqrt(2) < 5


def test_a_moving_camera_moves_all_cards_and_keeps_them_whole(moving):
    for before, after in zip(moving, moving[1:], strict=False):
        for quad, moved in zip(before.quads_px, after.quads_px, strict=True):
            assert np.linalg.norm(moved - quad, axis=1).min() > 0.5
    for shot in moving:
        assert len(shot.quads_px) == 4
        for quad in shot.quads_px:
            assert quads.fault(quad) is None
            assert visible(quad) > 0.99


def test_the_cards_lie_on_one_desk(moving):
    # One homography takes the desk from frame to frame, so cross-ratios of corners stay: here that
    # of areas of triangles over three cards (cards' thickness moves corners by under a pixel).
    def ratio(shot):
        a, b, c, d, e = (shot.quads_px[i][j] for i, j in ((0, 0), (1, 1), (2, 2), (3, 3), (0, 2)))

        def area(p, q, r):
            return np.cross(np.append(q - p, 0), np.append(r - p, 0))[2]

        return area(a, b, c) * area(a, d, e) / (area(a, b, d) * area(a, c, e))

    values = [ratio(shot) for shot in moving]
    assert np.ptp(values) < 0.05 * abs(np.mean(values))


def test_cards_are_drawn_where_their_quads_say(monkeypatch):
    white = video.artwork.Design("w", np.full((440, 728, 3), 255, np.uint8), (91, 55), 0.0, False)
    dark = np.zeros((768, 768, 3), np.uint8)
    for name in ("gradient", "expose"):
        monkeypatch.setattr(video.light, name, lambda _, picture: picture)
    monkeypatch.setattr(video.artwork, "draw_design", lambda *_: white)
    monkeypatch.setattr(video.surfaces, "paint", lambda _: ("plain", dark))
    for number, shot in enumerate(shots(Clip(cards=1, frames=4, seed=5, fps=4.0))):
        offsets = edge_offset_px(shot.image[..., 0], shot.quads_px[0])
        assert abs(np.median(offsets)) < 0.3, number


def test_the_same_clip_gives_the_same_frames_and_another_seed_another():
    first, second = (next(shots(Clip(2, 1, "hand", 7))) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    assert (next(shots(Clip(2, 1, "hand", 8))).image != first.image).any()


@pytest.mark.parametrize("cards", [0, 1, 2, 3])
def test_a_clip_has_as_many_cards_as_were_asked_for(cards):
    assert len(next(shots(Clip(cards, 1, "hand", 11))).quads_px) == cards


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cards": -1}, "cards: expected 0 to 4, got -1"),
        ({"cards": 5}, "cards: expected 0 to 4, got 5"),
        ({"frames": 0}, "frames: expected 1 at least, got 0"),
        ({"frames": -3}, "frames: expected 1 at least, got -3"),
        ({"motion": "fast"}, "motion: expected still or hand, got 'fast'"),
        ({"motion": ""}, "motion: expected"),
        ({"fps": 0.0}, "fps: expected"),
        ({"fps": float("nan")}, "fps: expected"),
        ({"fps": 5000.0}, "fps: expected"),
    ],
)
def test_what_cannot_be_rendered_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        Clip(**change)


def test_the_files_are_a_video_and_its_quads(tmp_path):
    clip = Clip(2, 3, "hand", 7)
    listing = render_video(clip, tmp_path / "a.mp4")
    assert listing == tmp_path / "a.json"
    content = json.loads(listing.read_text())
    assert (content["width"], content["height"]) == SIZE_PX
    assert (content["frames"], content["motion"], content["seed"]) == (3, "hand", 7)
    for quads_px, shot in zip(content["quads"], shots(clip), strict=True):
        np.testing.assert_allclose(quads_px, shot.quads_px, atol=0.001)
    with videos.opened(tmp_path / "a.mp4") as opened:
        assert len(list(opened.frames([]))) == 3


@pytest.mark.parametrize("name", ["a.avi", "a", "file/a.mp4"])
def test_a_video_that_cannot_be_written_is_refused_first(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        render_video(Clip(), tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_command_writes_both(tmp_path):
    given = ["render", "--video", str(tmp_path / "a.mp4"), "--cards", "1", "--frames", "2"]
    result = CliRunner().invoke(cli.app, [*given, "--motion", "still", "--seed", "4"])
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.mp4"]
    first, second = json.loads((tmp_path / "a.json").read_text())["quads"]
    assert len(first) == 1
    assert first == second


def test_a_seed_below_zero_is_refused():
    with pytest.raises(InputError, match="seed: expected 0 at least, got -1"):
        Clip(seed=-1)
