"""Which picture other people's exports mean: moved, renamed, side by side with others."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from meishi.data.importers.labelled import Tally
from meishi.data.importers.opening import open_source
from tests.exports import picture, refusal, scenes, write, write_zip
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme
from tests.unit import test_importers_smartdoc as smartdoc


def label_studio_data(path):
    return lambda task: task.update(data={"image": path})


def test_names_in_a_zip_may_begin_at_the_folder_itself(tmp_path):
    files = {"./annotations.json": coco.GOOD, "./images/a.jpg": picture()}
    assert len(scenes(write_zip(tmp_path / "x.zip", files), "coco")) == 1


def test_the_tag_that_was_drawn_on_names_the_picture_of_a_task(tmp_path):
    def change(task):
        task["data"] = {"image": "a.jpg", "back": "b.jpg"}
        task["annotations"][0]["result"] = [{**label_studio.REGION, "to_name": "back"}]

    files = {"a.jpg": picture(), "b.jpg": picture(seed=1)}
    (record,) = scenes(label_studio.export(tmp_path, change, files), "label_studio")
    assert record.attributes["photo"] == "b.jpg"


def test_data_sets_side_by_side_have_their_own_pictures_of_one_name(tmp_path):
    files = {
        f"{batch}/{part}": content
        for seed, batch in enumerate(("one", "two"))
        for part, content in (("json/a.json", labelme.GOOD), ("img/a.jpg", picture(seed=seed)))
    }
    found = scenes(write(tmp_path, files), "labelme")
    assert [r.attributes["photo"] for r in found] == ["one/img/a.jpg", "two/img/a.jpg"]


def test_of_two_pictures_in_the_nearest_folder_none_is_taken(tmp_path):
    pictures = {f"one/{name}/a.jpg": picture() for name in ("img", "small")}
    files = {"one/json/a.json": labelme.GOOD, "two/img/a.jpg": picture(seed=1), **pictures}
    message = refusal(write(tmp_path, files), "labelme")
    assert "the picture 'a.jpg' may be 'one/img/a.jpg' or 'one/small/a.jpg'" in message


def test_a_folder_named_as_the_file_of_a_clip_holds_its_frames(tmp_path):
    files = {
        "gt/background01/datasheet001.gt.xml": smartdoc.document(
            smartdoc.FRAME.format(1, smartdoc.POINTS)
        ),
        "frames/background01/datasheet001.avi/frame_0001.jpeg": picture(),
    }
    assert len(scenes(write(tmp_path, files), "smartdoc")) == 1


def test_a_chosen_file_whose_pictures_lie_elsewhere_says_what_to_name(tmp_path):
    files = {"json/instances.json": coco.GOOD, "images/a.jpg": picture()}
    chosen = write(tmp_path, files) / "json" / "instances.json"
    assert "name the folder around both" in refusal(chosen, "coco")


@pytest.mark.parametrize("named", ["annotations", "Labels"])
def test_a_file_chosen_in_a_folder_of_labels_has_its_pictures_around_it(
    tmp_path, monkeypatch, named
):
    files = {
        f"{named}/instances_default.json": coco.GOOD,
        f"{named}/person_keypoints_default.json": {**coco.GOOD, "annotations": []},
        "images/default/a.jpg": picture(),
    }
    folder = write(tmp_path, files)
    assert "otherwise; keep one, or name the label file that is right" in refusal(folder, "coco")
    assert len(scenes(folder / named / "instances_default.json", "coco")[0].cards) == 1
    monkeypatch.chdir(folder / named)
    assert len(scenes(Path("instances_default.json"), "coco")[0].cards) == 1


def test_a_file_chosen_among_its_pictures_is_read_with_them_alone(tmp_path):
    files = {"labels/instances.json": coco.GOOD, "labels/a.jpeg": picture(), "b/a.png": b""}
    (record,) = scenes(write(tmp_path, files) / "labels" / "instances.json", "coco")
    assert record.attributes["photo"] == "a.jpeg"


@pytest.mark.parametrize("masks", ["masks", "Mask", "SegmentationClass", "x/labels/y"])
def test_a_mask_is_no_photo_under_another_suffix(tmp_path, masks):
    folder = coco.export(tmp_path, files={f"{masks}/a.png": picture(suffix="PNG")})
    (tmp_path / "a.jpg").unlink()
    assert f"no picture 'a.jpg' in the source; {masks}/a.png, in a folder" in refusal(
        folder, "coco"
    )
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpeg").write_bytes(picture())
    tally = Tally()
    (record,) = scenes(folder, "coco", (), tally)
    assert record.attributes["photo"] == "photos/a.jpeg"
    told = "pictures found under another suffix than stated (a.jpeg for a.jpg)"
    assert tally.left_out[told] == 1


def test_a_picture_under_a_suffix_that_is_not_read_is_told(tmp_path):
    folder = labelme.export(tmp_path, labelme.top(imagePath="b.cr2"), {"b.cr2": picture()})
    (folder / "a.jpg").unlink()
    assert ".cr2 is not read, export JPEG" in refusal(folder, "labelme")


@pytest.mark.parametrize("name", ["WhatsApp Image (1).jpeg", "my photo.jpg", "Ünïcode #2.jpg"])
def test_uploads_to_label_studio_are_found_under_the_names_they_had(tmp_path, name):
    stored = "".join(c for c in name.replace(" ", "_") if c.isalnum() or c in "_-.")
    change = label_studio_data(f"/data/upload/3/0a1b2c3d-{quote(stored)}")
    (record,) = scenes(label_studio.export(tmp_path, change, {name: picture()}), "label_studio")
    assert record.attributes["photo"] == name


def test_of_two_files_that_one_upload_may_be_none_is_taken(tmp_path):
    files = {"my (photo).jpg": picture(), "my photo.jpg": picture(seed=1)}
    change = label_studio_data("/data/upload/3/0a1b2c3d-my_photo.jpg")
    folder = label_studio.export(tmp_path, change, files)
    assert "may be 'my (photo).jpg' or 'my photo.jpg'" in refusal(folder, "label_studio")


def test_a_path_beside_a_bare_name_tells_pictures_of_one_name_apart(tmp_path):
    root = json.loads(json.dumps(coco.GOOD))
    root["images"] = [
        {"id": i, "file_name": "a.jpg", "width": 160, "height": 120, "path": f"/datasets/{x}/a.jpg"}
        for i, x in ((1, "x"), (2, "y"))
    ]
    files = {"k.json": root, "x/a.jpg": picture(), "y/a.jpg": picture(seed=1)}
    found = scenes(write(tmp_path, files), "coco")
    assert [(r.attributes["photo"], len(r.cards)) for r in found] == [
        ("x/a.jpg", 1),
        ("y/a.jpg", 0),
    ]


def test_a_linked_folder_of_pictures_is_read_and_circles_end(tmp_path):
    write(tmp_path / "store", {"a.jpg": picture(), "more/b.jpg": picture(seed=1)})
    folder = write(tmp_path / "export", {"annotations.json": coco.GOOD, "own/c.jpg": picture()})
    (folder / "images").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(folder)
    (folder / "again").symlink_to(folder / "own")
    with open_source(folder) as source:
        assert source.names == (
            "annotations.json",
            "images/a.jpg",
            "images/more/b.jpg",
            "own/c.jpg",
        )
    assert len(scenes(folder, "coco")) == 1


@pytest.mark.parametrize(
    "stated",
    [
        "my  photo.jpg",
        "my\u00a0photo.jpg",
        " my photo.jpg",
        "my photo.jpg ",
        "my photo .jpg",
        "My+Photo.JPG",
    ],
)
def test_spaces_that_differ_from_the_disk_lead_to_the_picture(tmp_path, stated):
    folder = coco.export(tmp_path, coco.image(file_name=stated))
    (tmp_path / "a.jpg").rename(tmp_path / "my photo.jpg")
    assert len(scenes(folder, "coco")) == 1


def test_of_two_pictures_whose_names_differ_in_spaces_each_is_its_own(tmp_path):
    files = {"a b.jpg": picture(), "a  b.jpg": picture(seed=1), "a+b.jpg": picture(seed=2)}
    for name in files:
        folder = write(tmp_path / name, {"x.json": coco.GOOD, **files})
        root = json.loads((folder / "x.json").read_text())
        root["images"][0]["file_name"] = f"old/{name}"
        (record,) = scenes(write(folder, {"x.json": root}), "coco")
        assert record.attributes["photo"] == name
    root["images"][0]["file_name"] = "a\u00a0b.jpg"
    assert "may be 'a  b.jpg' or 'a b.jpg'" in refusal(write(folder, {"x.json": root}), "coco")
