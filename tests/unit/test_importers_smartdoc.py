import numpy as np
import pytest

from meishi.data.importers.labelled import Tally
from tests.exports import QUAD_PX, card_px, picture, refusal, scenes, write

POINTS = "".join(
    f'<point name="{name}" x="{x}" y="{y}"/>'
    for name, (x, y) in zip(("tl", "tr", "br", "bl"), QUAD_PX, strict=True)
)
FRAME = '<frame index="{}" rejected="false">{}</frame>'
PLACE = "background01/datasheet001"


def document(*frames, sample=f"{PLACE}.avi"):
    return (
        '<?xml version="1.0" encoding="utf-8"?><ground_truth version="0.3">'
        f"<source_sample_file>{sample}</source_sample_file>"
        f"<segmentation_results>{''.join(frames)}</segmentation_results></ground_truth>"
    )


def export(folder, *frames, files=None, sample=f"{PLACE}.avi"):
    frames = frames or (FRAME.format(1, POINTS),)
    named = {f"{PLACE}.gt.xml": document(*frames, sample=sample)}
    return write(folder, named | ({f"{PLACE}/frame_0001.jpeg": picture()} | (files or {})))


def test_points_are_pixels(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "smartdoc"), QUAD_PX)


def test_the_clip_is_the_design_and_its_folder_the_background(tmp_path):
    (record,) = scenes(export(tmp_path), "smartdoc")
    assert record.cards[0].design == "datasheet001" and record.backgrounds == ("background01",)


@pytest.mark.parametrize("name", ["frames/datasheet001_0001.jpg", "x/datasheet001/1.png"])
def test_other_names_of_frames_are_read(tmp_path, name):
    files = {f"{PLACE}.gt.xml": document(FRAME.format(1, POINTS)), name: picture()}
    assert len(scenes(write(tmp_path, files), "smartdoc")) == 1


def test_frames_without_a_picture_and_rejected_ones_are_counted(tmp_path):
    frames = (
        FRAME.format(1, POINTS),
        FRAME.format(2, POINTS),
        '<frame index="3" rejected="true"/>',
    )
    tally = Tally()
    files = {f"{PLACE}/frame_0003.jpeg": picture(seed=3)}
    assert len(scenes(export(tmp_path, *frames, files=files), "smartdoc", (), tally)) == 1
    assert tally.left_out["frames of which there is no picture"] == 1
    assert tally.left_out["frames that are rejected in the file"] == 1


def test_clips_of_one_name_are_told_apart_by_their_background(tmp_path):
    files = {"background02/datasheet001/frame_0001.jpeg": picture(seed=2)}
    (record,) = scenes(export(tmp_path, files=files, sample="datasheet001.avi"), "smartdoc")
    assert record.attributes["photo"] == f"{PLACE}/frame_0001.jpeg"


def test_a_windows_path_of_the_sample_is_read(tmp_path):
    assert scenes(export(tmp_path, sample="D:\\x\\background01\\datasheet001.avi"), "smartdoc")


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME.format(1, POINTS.replace('"tl"', '"a"')), "expected points tl, tr, br, bl"),
        (FRAME.format(1, POINTS.replace('x="40.0"', 'x="?"')), "a point without numbers"),
        (FRAME.format("one", POINTS), "frame one: index: expected a whole number"),
        (FRAME.format(1, POINTS.replace('"40.0"', '"4000"')), "frame 1"),
    ],
)
def test_what_is_no_quad_is_refused_by_name(tmp_path, frame, words):
    assert words in refusal(export(tmp_path, frame), "smartdoc")


def test_pictures_numbered_from_another_start_are_refused(tmp_path):
    files = {f"{PLACE}/frame_0000.jpeg": picture(seed=1)}
    assert "numbered from 0, frames from 1" in refusal(export(tmp_path, files=files), "smartdoc")


def test_a_clip_without_pictures_is_refused(tmp_path):
    files = {f"{PLACE}.gt.xml": document(FRAME.format(1, POINTS)), "a.jpg": picture()}
    assert "no pictures of the clip 'datasheet001'" in refusal(write(tmp_path, files), "smartdoc")


def test_xml_of_another_kind_is_refused_when_its_name_says_so(tmp_path):
    message = refusal(export(tmp_path, files={"b.gt.xml": "<a/>", "c.xml": "<a/>"}), "smartdoc")
    assert "b.gt.xml: no SmartDoc ground truth" in message and "c.xml" not in message


def test_another_case_of_the_clip_leads_to_its_pictures(tmp_path):
    files = {"background01/Datasheet001/frame_0001.JPG": picture()}
    folder = write(tmp_path, {f"{PLACE}.gt.xml": document(FRAME.format(1, POINTS)), **files})
    assert np.allclose(card_px(folder, "smartdoc"), QUAD_PX)


def test_two_pictures_of_one_frame_are_refused(tmp_path):
    files = {f"{PLACE}/frame_1.png": picture(seed=1)}
    message = refusal(export(tmp_path, files=files), "smartdoc")
    assert "frame_1.png: frame 1 may also be background01/datasheet001/frame_0001" in message


def test_a_point_that_is_told_twice_is_refused(tmp_path):
    again = POINTS + '<point name="tl" x="1" y="2"/>'
    message = refusal(export(tmp_path, FRAME.format(1, again)), "smartdoc")
    assert "frame 1: expected points tl, tr, br, bl, each once" in message


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_rejected_frames_are_left_out_in_every_spelling(tmp_path, word):
    second = FRAME.format(2, POINTS).replace("false", word)
    files = {f"{PLACE}/frame_0002.jpeg": picture(seed=1)}
    folder = export(tmp_path, FRAME.format(1, POINTS), second, files=files)
    assert len(scenes(folder, "smartdoc")) == 1


def test_a_rejection_that_says_neither_is_refused(tmp_path):
    frame = FRAME.format(1, POINTS).replace("false", "maybe")
    message = refusal(export(tmp_path, frame), "smartdoc")
    assert "frame 1: rejected: expected true or false, got 'maybe'" in message


@pytest.mark.parametrize("side", ["x", "0", "120.5", "-120"])
def test_a_frame_size_that_is_none_is_refused(tmp_path, side):
    text = document(FRAME.format(1, POINTS)).replace(
        "<segmentation_results>", f'<frame_size width="160" height="{side}"/><segmentation_results>'
    )
    folder = write(tmp_path, {f"{PLACE}.gt.xml": text, f"{PLACE}/frame_0001.jpeg": picture()})
    assert "gt.xml: frame_size: width, height: expected whole" in refusal(folder, "smartdoc")
