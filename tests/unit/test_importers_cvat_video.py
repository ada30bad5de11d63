import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from meishi.geometry import quads
from tests.exports import EDGES_PX, QUAD_PX, picture, refusal, scenes, write

POINTS = ";".join(f"{x:.2f},{y:.2f}" for x, y in EDGES_PX)
META = (
    "<meta><task><name>desk</name><mode>interpolation</mode><start_frame>0</start_frame>"
    "<stop_frame>9</stop_frame><original_size><width>160</width><height>120</height>"
    "</original_size><source>desk.mp4</source></task></meta>"
)


def shape(frame, keyframe=1, outside=0, points=POINTS):
    return (
        f'<polygon frame="{frame}" keyframe="{keyframe}" outside="{outside}" occluded="0" '
        f'points="{points}" z_order="0"></polygon>'
    )


def export(folder, *shapes, label="card", meta=META, frames=(0, 1, 2), more=""):
    text = (
        f'<annotations><version>1.1</version>{meta}<track id="0" label="{label}" source="manual">'
        f"{''.join(shapes)}</track>{more}</annotations>"
    )
    files = {f"images/frame_{i:06d}.PNG": picture(seed=i, suffix="PNG") for i in frames}
    return write(folder, {"annotations.xml": text, **files})


def test_key_frames_are_taken_and_interpolated_ones_counted(tmp_path):
    shapes = [shape(0), shape(1, keyframe=0), shape(2), shape(3)]
    tally = Tally()
    found = scenes(export(tmp_path, *shapes), "cvat", ["card"], tally)
    assert [record.attributes["photo"][-5] for record in found] == ["0", "2"]
    assert np.allclose(quads.to_px(found[0].cards[0].quad, (160, 120)), QUAD_PX)
    assert tally.left_out["frames with shapes that CVAT interpolated, left out"] == 1
    assert tally.left_out["frames of which there is no picture"] == 1


def test_a_track_that_is_outside_is_not_in_the_frame(tmp_path):
    found = scenes(export(tmp_path, shape(0), shape(1, outside=1)), "cvat")
    assert [len(record.cards) for record in found] == [1, 0, 0]


def test_a_frame_between_key_frames_that_the_file_does_not_tell_is_not_empty(tmp_path):
    tally = Tally()
    folder = export(tmp_path, shape(0), shape(4), shape(6, outside=1), frames=range(9))
    found = scenes(folder, "cvat", (), tally)
    cards = {int(r.attributes["photo"][-5]): len(r.cards) for r in found}
    assert cards == {0: 1, 4: 1, 6: 0, 7: 0, 8: 0}
    assert tally.left_out["frames with shapes that CVAT interpolated, left out"] == 4


def test_behind_the_end_of_a_track_that_does_not_leave_nothing_is_certain(tmp_path):
    assert len(scenes(export(tmp_path, shape(1), frames=range(4)), "cvat")) == 2


def test_all_frames_share_one_design_and_one_background(tmp_path):
    found = scenes(export(tmp_path, shape(0), shape(1)), "cvat")
    assert {card.design for record in found for card in record.cards} == {"desk.mp4"}
    assert {record.backgrounds for record in found} == {("desk.mp4",)}


def test_frames_that_nobody_was_to_label_are_left_out(tmp_path):
    tally = Tally()
    folder = export(tmp_path, shape(0), frames=(0, 10))
    assert len(scenes(folder, "cvat", (), tally)) == 1
    assert tally.left_out["pictures that no label file names, left out"] == 1


def test_other_tracks_are_ignored(tmp_path):
    hand = f'<track id="1" label="hand"><polyline frame="0" points="{POINTS}"/></track>'
    (first, *_) = scenes(export(tmp_path, shape(0), more=hand), "cvat", ["card"])
    assert len(first.cards) == 1


def hand(*shapes, label="hand"):
    return f'<track id="1" label="{label}">{"".join(shapes)}</track>'


def test_what_is_interpolated_of_another_label_leaves_no_frame_out(tmp_path):
    shapes = shape(0), shape(1), shape(2, outside=1)
    others = hand(shape(0), shape(1, keyframe=0))  # goes on without being told in frame 2
    folder = export(tmp_path, *shapes, more=others)
    tally = Tally()
    found = scenes(folder, "cvat", ["card"], tally)
    assert [len(record.cards) for record in found] == [1, 1, 0]
    assert tally.ignored_labels == {"hand": 2}
    assert tally.left_out["frames with shapes that CVAT interpolated, left out"] == 0
    for labels in ([], ["card", "hand"]):
        tally = Tally()
        assert len(scenes(folder, "cvat", labels, tally)) == 1
        assert tally.left_out["frames with shapes that CVAT interpolated, left out"] == 2


def test_the_points_of_a_card_must_be_set_whatever_their_label(tmp_path):
    (left, top), (right, bottom) = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    box = (
        f'<track id="0" label="card" group_id="1"><box frame="0" xtl="{left}" ytl="{top}" '
        f'xbr="{right}" ybr="{bottom}"/><box frame="1" keyframe="1" outside="1"/></track>'
    )

    def corners(key):
        return "".join(
            f'<track id="{i}" label="corner" group_id="1"><points frame="0" keyframe="{key}" '
            f'points="{x},{y}"/><points frame="1" outside="1" points="{x},{y}"/></track>'
            for i, (x, y) in enumerate(EDGES_PX, start=1)
        )

    for key in (1, 0):
        text = f"<annotations><version>1.1</version>{META}{box}{corners(key)}</annotations>"
        write(export(tmp_path / str(key)), {"annotations.xml": text})
    found = scenes(tmp_path / "1", "cvat", ["card"])
    assert [len(record.cards) for record in found] == [1, 0, 0]
    assert "no shape has the label 'card'" in refusal(tmp_path / "0", "cvat", ["card"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frames": ()}, "the tracks of a video, and there are no pictures frame_000000.png"),
        ({"more": '<track id="0" label="card" task_id="2"/>'}, "of the tasks , 2: export each"),
        ({"label": ""}, "track[0]: label: expected a text"),
        ({"more": '<image id="0" name="a.jpg"/>'}, "it holds images and tracks"),
        ({"meta": META.replace("160", "320")}, "made at 320x120 px"),
    ],
)
def test_a_video_that_has_no_one_meaning_is_refused(tmp_path, options, words):
    assert words in refusal(export(tmp_path, shape(0), **options), "cvat")


def test_a_frame_without_a_number_is_refused(tmp_path):
    assert "track[0]: polygon: frame: expected" in refusal(export(tmp_path, shape("x")), "cvat")


def test_a_fault_names_its_own_track(tmp_path):
    more = '<track id="1" label="card"><polygon frame="0" points="1,2;x"/></track>'
    message = refusal(export(tmp_path, shape(0), more=more), "cvat")
    assert "annotations.xml: track[1]: frame 0: polygon: points" in message


def test_two_pictures_of_one_frame_are_refused(tmp_path):
    folder = export(tmp_path, shape(0))
    write(folder, {"other/frame_0000.jpg": picture(seed=7)})
    assert "may be its frame 0" in refusal(folder, "cvat")


@pytest.mark.parametrize("flags", [{"outside": "True"}, {"keyframe": "yes"}])
def test_flags_that_are_neither_0_nor_1_are_refused(tmp_path, flags):
    message = refusal(export(tmp_path, shape(0), shape(1, **flags)), "cvat")
    assert "track[0]: frame 1: outside, keyframe: expected 0 or 1" in message


@pytest.mark.parametrize("side", ["x", "0", "160.5", ""])
def test_an_original_size_that_is_none_is_refused(tmp_path, side):
    meta = META.replace("<width>160<", f"<width>{side}<")
    message = refusal(export(tmp_path, shape(0), shape(1, outside=1), meta=meta), "cvat")
    assert "annotations.xml: original_size: width, height: expected whole pixels" in message


def task(number):
    inside = META.removeprefix("<meta><task>").removesuffix("</task></meta>")
    return f"<task><id>{number}</id>{inside}</task>"


def project(*tasks):
    return f"<meta><project><tasks>{''.join(tasks)}</tasks></project></meta>"


def test_a_project_of_one_video_says_which_frames_were_looked_at(tmp_path):
    shapes = shape(3), shape(4, outside=1)
    folder = export(tmp_path, *shapes, meta=project(task(1)), frames=range(12))
    assert [len(record.cards) for record in scenes(folder, "cvat")] == [0, 0, 0, 1, *[0] * 6]


def test_a_project_of_several_videos_is_refused_though_one_alone_has_tracks(tmp_path):
    folder = export(tmp_path, shape(0), meta=project(task(1), task(2)))
    assert "of the tasks 1, 2: export each task on its own" in refusal(folder, "cvat")


@pytest.mark.parametrize(
    ("frame", "ended", "stop", "taken"),
    [
        (5, True, 15, 2),
        (10, False, 15, 2),  # CVAT writes no end where the next frame is the last
        (10, False, 16, 1),
        (5, False, 15, 1),
    ],
)
def test_a_single_shape_of_the_last_frame_but_one_has_no_end(tmp_path, frame, ended, stop, taken):
    stated = f"<frame_filter>step=5</frame_filter><stop_frame>{stop}<"
    meta = META.replace("<stop_frame>9<", stated)
    shapes = (shape(frame), shape(frame + 5, outside=1))[: 1 + ended]
    last = f'<track id="1" label="card">{shape(15)}</track>'
    found = scenes(export(tmp_path, *shapes, meta=meta, frames=(0, 5, 10, 15), more=last), "cvat")
    assert sum(len(record.cards) for record in found) == taken
