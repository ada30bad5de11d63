"""Photos of one name in several folders: which is meant, and what stands for no missing one."""

import copy

import pytest

from tests.exports import picture, refusal, scenes, write
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_cvat as cvat
from tests.unit import test_importers_label_studio as label_studio
from tests.unit import test_importers_labelme as labelme

PLACES = ("s1/IMG_1.jpg", "s2/IMG_2.jpg", "s3/IMG_3.jpg")


def stated(kind, paths):
    """A label file in which each path has one card; its name and content."""
    if kind == "coco":
        root = copy.deepcopy(coco.GOOD)
        [image], [card] = root["images"], root["annotations"]
        root["images"] = [{**image, "id": n, "file_name": path} for n, path in enumerate(paths)]
        root["annotations"] = [{**card, "id": n, "image_id": n} for n in range(len(paths))]
        return "labels.json", root
    if kind == "cvat":
        each = [cvat.IMAGE.replace('"a.jpg"', f'"{path}"').replace('id="0"', f'id="{n}"')
                for n, path in enumerate(paths)]  # fmt: skip
        return "annotations.xml", cvat.document(image="".join(each).replace("{}", cvat.POLYGON))
    tasks = [
        {**copy.deepcopy(label_studio.GOOD), "id": n, "data": {"image": f"/data/x/{path}"}}
        for n, path in enumerate(paths)
    ]
    return "tasks.json", tasks


def export(folder, kind, paths, there):
    name, content = stated(kind, paths)
    pictures = {path: picture(seed=seed) for seed, path in enumerate(there)}
    return write(folder, {name: content, **pictures})


KINDS = pytest.mark.parametrize("kind", ["coco", "cvat", "label_studio"])


@KINDS
def test_the_photo_of_a_name_in_another_folder_does_not_stand_for_a_missing_one(tmp_path, kind):
    there = ["images/s1/IMG_1.jpg", "images/s1/IMG_2.jpg", "images/s3/IMG_3.jpg"]
    message = refusal(export(tmp_path, kind, PLACES, there), kind)
    assert (
        "no picture 'images/s2/IMG_2.jpg': images/s1/IMG_2.jpg has its name, but lies in another "
        "folder; add the picture, or remove its labels"
    ) in message
    assert len(message.splitlines()) == 1


@KINDS
def test_a_photo_of_a_name_is_told_from_another_below_it(tmp_path, kind):
    paths = ("IMG_1.jpg", "sub/IMG_1.jpg")
    there = [f"photos/{path}" for path in paths]
    found = scenes(export(tmp_path, kind, paths, there), kind)
    assert [record.attributes["photo"] for record in found] == there


def test_names_of_one_folder_lead_there_though_one_below_it_has_them_too(tmp_path):
    there = ["images/a.jpg", "images/b.jpg", "images/old/a.jpg"]
    found = scenes(export(tmp_path, "coco", ("a.jpg", "b.jpg"), there), "coco")
    assert [record.attributes["photo"] for record in found] == there[:2]


@pytest.mark.parametrize("root", ["/home/ann/desk", "C:\\\\desk", "file:///srv/desk"])
def test_paths_of_another_machine_are_compared_below_what_they_share(tmp_path, root):
    paths = [f"{root}/{path}" for path in ("x/IMG_1.jpg", "y/IMG_1.jpg")]
    there = ["in/x/IMG_1.jpg", "in/y/IMG_1.jpg", "in/IMG_1.jpg"]
    found = scenes(export(tmp_path, "coco", paths, there), "coco")
    assert [record.attributes["photo"] for record in found] == there[:2]


def test_photos_that_all_moved_to_one_folder_are_found(tmp_path):
    there = [f"flat/{path.split('/')[1]}" for path in PLACES]
    found = scenes(export(tmp_path, "coco", PLACES, there), "coco")
    assert [record.attributes["photo"] for record in found] == there


@pytest.mark.parametrize("other", ["s1/IMG_2.jpg", "IMG_2.jpg"])
def test_a_label_file_whose_photo_is_missing_takes_none_of_other_label_files(tmp_path, other):
    beside = other.replace("IMG_2.jpg", "IMG_1")
    files = {
        f"{beside}.json": {**labelme.GOOD, "imagePath": "IMG_1.jpg"},
        f"{beside}.jpg": picture(),
        other: picture(seed=1),
        "s2/IMG_2.json": {**labelme.GOOD, "imagePath": "IMG_2.jpg"},
    }
    message = refusal(write(tmp_path, files), "labelme")
    assert f"s2/IMG_2.json: no picture 'IMG_2.jpg' beside it: {other} has its name" in message


SUBSETS = {"Train": 4, "Validation": 2}


def subsets(folder, kind, name, there="images/{}/{}", without=()):
    """An export of two subsets, one larger: the cards are all in that."""
    files = {}
    if kind == "cvat":
        rows = [
            f'<image id="0" name="{name.format(n)}" subset="{subset}" width="160" height="120">'
            f"{cvat.POLYGON if subset == 'Train' else ''}</image>"
            for subset, count in SUBSETS.items()
            for n in range(count)
        ]
        files["annotations.xml"] = cvat.document(image="".join(rows))
    else:
        for subset, count in SUBSETS.items():
            _, root = stated("coco", [name.format(n) for n in range(count)])
            root["annotations"] = root["annotations"] if subset == "Train" else []
            files[f"annotations/instances_{subset}.json"] = root
    for subset, count in SUBSETS.items():
        for n in range(count):
            path = there.format(subset, name.format(n))
            if path not in without:
                files[path] = picture(seed=n + 10 * (subset == "Train"))
    return write(folder, files)


@pytest.mark.parametrize("kind", ["cvat", "coco"])
@pytest.mark.parametrize("name", ["IMG_{}.jpg", "desk/IMG_{}.jpg"])
@pytest.mark.parametrize("there", ["images/{}/{}", "photos/{}/{}", "{}/{}"])
def test_subsets_of_unequal_size_keep_their_own_pictures(tmp_path, kind, name, there):
    found = scenes(subsets(tmp_path, kind, name, there), kind)
    cards = {record.attributes["photo"]: len(record.cards) for record in found}
    assert cards == {
        there.format(subset, name.format(n)): int(subset == "Train")
        for subset, count in SUBSETS.items()
        for n in range(count)
    }


@pytest.mark.parametrize("kind", ["cvat", "coco"])
def test_a_picture_of_another_subset_does_not_stand_for_a_missing_one(tmp_path, kind):
    missing = "images/Validation/IMG_1.jpg"
    folder = subsets(tmp_path, kind, "IMG_{}.jpg", without=[missing])
    message = refusal(folder, kind)
    assert f"no picture '{missing}': images/Train/IMG_1.jpg has its name" in message
    assert len(message.splitlines()) == 1


def test_a_chosen_label_file_of_a_subset_takes_no_picture_of_another(tmp_path):
    folder = subsets(tmp_path, "coco", "IMG_{}.jpg", without=["images/Validation/IMG_1.jpg"])
    message = refusal(folder / "annotations" / "instances_Validation.json", "coco")
    assert "no picture" in message


def test_a_converted_picture_of_a_subset_is_found_wherever_the_subset_lies(tmp_path):
    folder = subsets(tmp_path, "cvat", "IMG_{}.jpg", "{}/{}", without=["Train/IMG_3.jpg"])
    write(folder, {"Train/IMG_3.png": picture(seed=13, suffix="PNG")})
    assert len(scenes(folder, "cvat")) == 6
