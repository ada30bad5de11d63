"""Which text of a YOLO export is which picture's."""

import pytest

from meishi.data.importers.labelled import Tally
from meishi.data.importers.yolo import NO_TEXT
from tests.exports import SHARES, picture, refusal, scenes, write
from tests.unit.test_importers_yolo import ROW, YAML

OTHER_ROW = "0 " + " ".join(f"{v:.6f}" for v in (SHARES * 0.5).ravel())


def cards_of(folder):
    return {r.attributes["photo"]: len(r.cards) for r in scenes(folder, "yolo")}


@pytest.mark.parametrize("photo", ["photos/a.jpg", "a.jpg"])
@pytest.mark.parametrize("text", ["labels/a.txt", "obj_train_data/A.txt"])
def test_pictures_in_a_folder_of_another_name_are_found_by_their_own(tmp_path, photo, text):
    folder = write(tmp_path, {photo: picture(), text: ROW, "classes.txt": "card\n"})
    assert cards_of(folder) == {photo: 1}


def test_folders_side_by_side_have_their_own_labels(tmp_path):
    files = {
        f"{split}/{part}": content
        for seed, split in enumerate(("train", "valid"))
        for part, content in (("photos/a.jpg", picture(seed=seed)), ("labels/a.txt", ROW))
    }
    assert cards_of(write(tmp_path, files)) == {"train/photos/a.jpg": 1, "valid/photos/a.jpg": 1}


def test_a_picture_without_a_text_beside_others_found_by_name_holds_no_card(tmp_path):
    files = {"photos/a.jpg": picture(), "photos/b.jpg": picture(seed=1), "labels/a.txt": ROW}
    assert cards_of(write(tmp_path, files)) == {"photos/a.jpg": 1, "photos/b.jpg": 0}


def test_a_text_found_by_name_is_read_whole(tmp_path):
    files = {"photos/a.jpg": picture(), "photos/b.jpg": picture(seed=1), "labels/a.txt": ROW}
    folder = write(tmp_path, {**files, "labels/b.txt": "card 0.1 0.2 0.3 0.4"})
    assert "labels/b.txt line 1: expected a class and numbers" in refusal(folder, "yolo")


def test_where_several_pictures_have_the_name_the_rule_is_told_once(tmp_path):
    files = {"one/a.jpg": picture(), "two/a.jpg": picture(seed=1), "labels/a.txt": ROW}
    assert refusal(write(tmp_path, files), "yolo").splitlines() == [
        f"{tmp_path}/labels/a.txt: the picture 'labels/a' may be 'one/a.jpg' or 'two/a.jpg'; the "
        "labels of images/a.jpg are in labels/a.txt, or in a.txt beside it"
    ]


def test_two_texts_found_by_the_name_of_one_picture_are_refused(tmp_path):
    files = {"photos/a.jpg": picture(), "one/a.txt": ROW, "two/a.txt": OTHER_ROW}
    assert "labels in one/a.txt and in two/a.txt" in refusal(write(tmp_path, files), "yolo")


def test_a_text_of_a_split_is_not_the_text_of_another_splits_picture(tmp_path):
    files = {
        "train/images/a.jpg": picture(),
        "train/labels/a.txt": ROW,
        "train/labels/b.txt": ROW,
        "valid/images/b.jpg": picture(seed=1),
    }
    message = refusal(write(tmp_path, files), "yolo")
    assert "train/labels/b.txt: no picture of this name for its labels; the labels of" in message


def test_names_that_differ_in_case_alone_each_have_their_own(tmp_path):
    files = {"images/IMG_1.JPG": picture(), "images/img_1.jpg": picture(seed=1)}
    texts = {"labels/IMG_1.txt": ROW, "labels/img_1.txt": ""}
    found = cards_of(write(tmp_path, {**files, **texts}))
    assert found == {"images/IMG_1.JPG": 1, "images/img_1.jpg": 0}


def test_a_text_may_be_meant_by_two_names_that_differ_in_case(tmp_path):
    files = {"images/IMG_1.JPG": picture(), "images/img_1.jpg": picture(seed=1)}
    folder = write(tmp_path, {**files, "labels/IMG_1.txt": ROW})
    assert "labels/IMG_1.txt: labels of images/IMG_1.JPG or of" in refusal(folder, "yolo")


@pytest.mark.parametrize("photo", ["photos/a.jpg", "images/a.jpg"])
@pytest.mark.parametrize("mask", ["labels/a.png", "masks/a.png"])
def test_masks_of_photos_are_no_photos(tmp_path, photo, mask):
    drawn = picture(seed=1, suffix="PNG")
    folder = write(tmp_path, {photo: picture(), mask: drawn, "labels/a.txt": ROW})
    assert cards_of(folder) == {photo: 1}


def test_the_yaml_that_was_named_states_the_classes(tmp_path):
    files = {"images/a.jpg": picture(), "labels/a.txt": ROW, "data.yaml": YAML}
    folder = write(tmp_path, {**files, "data2.yml": "names: [hand, other]\n"})
    assert "data.yaml and data2.yml state different classes" in refusal(folder, "yolo")
    assert len(scenes(folder / "data.yaml", "yolo", ["card"])[0].cards) == 1
    assert len(scenes(folder / "data2.yml", "yolo", ["hand"])[0].cards) == 1


@pytest.mark.parametrize("numbers", [2, 3])
def test_a_corner_at_the_frames_own_corner_is_set_if_its_visibility_says_so(tmp_path, numbers):
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    rest = " 2" if numbers == 3 else ""
    row = "0 0.5 0.5 1 1 " + " ".join(f"{x:.6f} {y:.6f}{rest}" for x, y in corners)
    files = {"images/a.jpg": picture(), "labels/a.txt": row}
    folder = write(tmp_path, {**files, "data.yaml": f"{YAML}kpt_shape: [4, {numbers}]\n"})
    if numbers == 3:
        assert cards_of(folder) == {"images/a.jpg": 1}
    else:
        assert "a corner is 0 0, which says that it is not set" in refusal(folder, "yolo")


def test_names_that_label_studio_stored_lead_to_the_photos_as_they_were(tmp_path):
    files = {"images/b c.jpg": picture(), "images/名刺 é.jpg": picture(seed=1)}
    texts = {"labels/d95bafc8-b_c.txt": ROW, "labels/0a1b2c3d-名刺_é.txt": ROW}
    assert set(cards_of(write(tmp_path, {**files, **texts, "data.yaml": YAML})).values()) == {1}


def test_a_text_that_two_photos_may_have_been_stored_as_is_none_of_theirs(tmp_path):
    files = {"images/b c.jpg": picture(), "images/b (c).jpg": picture(seed=1)}
    folder = write(tmp_path, {**files, "labels/d95bafc8-b_c.txt": ROW, "data.yaml": YAML})
    assert "d95bafc8-b_c.txt: labels of images/b" in refusal(folder, "yolo")


def test_pictures_without_a_text_are_counted(tmp_path):
    tally = Tally()
    files = {"images/a.jpg": picture(), "images/b.jpg": picture(seed=1), "labels/a.txt": ROW}
    assert len(scenes(write(tmp_path, files), "yolo", (), tally)) == 2
    assert tally.left_out[NO_TEXT] == 1


@pytest.mark.parametrize(
    "photos, labels", [("photos/{}", "labels/{}"), ("{}/img", "{}/ann")], ids=["named", "nested"]
)
def test_a_picture_of_another_folder_does_not_stand_for_a_missing_one(tmp_path, photos, labels):
    files = {
        f"{photos.format('desk')}/1.jpg": picture(),
        f"{photos.format('shop')}/2.jpg": picture(seed=1),
        f"{labels.format('desk')}/1.txt": ROW,
        f"{labels.format('desk')}/2.txt": ROW,
    }
    message = refusal(write(tmp_path, files), "yolo")
    text, other = f"{labels.format('desk')}/2.txt", f"{photos.format('shop')}/2.jpg"
    assert f"{text}: {other} has its name, but does not lie as the others' do" in message
    assert len(message.splitlines()) == 1
    files[f"{photos.format('desk')}/2.jpg"] = picture(seed=2)
    assert sum(cards_of(write(tmp_path, files)).values()) == 2


def test_what_rows_mean_is_not_told_where_data_yaml_is_wrong(tmp_path):
    yaml = "names: [card]\nkpt_shape: [5, 3]\n"
    files = {"images/a.jpg": picture(), "labels/a.txt": ROW, "data.yaml": yaml}
    message = refusal(write(tmp_path, files), "yolo")
    assert message == f"{tmp_path}/data.yaml: kpt_shape: expected [4, 2] or [4, 3], got [5, 3]"


def test_an_upload_among_texts_of_other_names_is_joined(tmp_path):
    names = {"photos/a.jpg": "labels/0a1b2c3d-a.txt", "photos/b.jpg": "labels/b.txt"}
    files = {name: picture(seed=seed) for seed, name in enumerate(names)}
    files |= dict.fromkeys(names.values(), ROW)
    assert cards_of(write(tmp_path, files)) == dict.fromkeys(names, 1)


def test_pictures_of_a_text_in_a_folder_of_names_unlike_its_own_are_joined_by_name(tmp_path):
    files = {f"{place}/{n}.jpg": picture(seed=n) for n, place in enumerate(("one", "two"))}
    files |= {f"labels/{n}.txt": ROW for n in range(2)}
    assert cards_of(write(tmp_path, files)) == {"one/0.jpg": 1, "two/1.jpg": 1}
