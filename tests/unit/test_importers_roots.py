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


def listed(*paths):
    return stated("coco", paths)[1]


def photos_of(folder, kind="coco"):
    return [record.attributes["photo"] for record in scenes(folder, kind)]


def numbered(folder, numbers, first=0):
    return {f"{folder}/{n}.jpg": picture(seed=first + n) for n in numbers}


DESK, SHOP = numbered("desk", [1, 2]), numbered("shop", [1, 2, 3], first=10)
MISSING = "no picture 'desk/3.jpg': shop/3.jpg has its name, but lies in another folder"


@pytest.mark.parametrize("here", [DESK, numbered("desk", [1]), numbered("desk", [1, 2, 4])])
@pytest.mark.parametrize("labelled", [(), (1, 2, 3)], ids=["desk", "desk-and-shop"])
def test_a_folder_with_more_pictures_takes_no_labels_from_pictures_beside_theirs(
    tmp_path, here, labelled
):
    labels = {f"desk/{n}.json": {**labelme.GOOD, "imagePath": f"{n}.jpg"} for n in (1, 3)}
    labels |= {f"shop/{n}.json": {**labelme.GOOD, "imagePath": f"{n}.jpg"} for n in labelled}
    message = refusal(write(tmp_path, {**here, **SHOP, **labels}), "labelme")
    assert message.startswith(f"{tmp_path}/desk/3.json: {MISSING}")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    "paths, labels",
    [
        ("/home/me/desk/{}.jpg", "coco.json"),
        ("C:\\photos\\desk\\{}.jpg", "coco.json"),
        ("s3://bucket/desk/{}.jpg", "coco.json"),
        ("photos/desk/{}.jpg", "coco.json"),
    ],
)
def test_a_path_that_names_a_folder_leads_to_no_larger_one(tmp_path, paths, labels):
    root = listed(*(paths.format(n) for n in (1, 2, 3)))
    message = refusal(write(tmp_path, {**DESK, **SHOP, labels: root}), "coco")
    assert MISSING in message
    assert len(message.splitlines()) == 1
    desk = {**DESK, **numbered("desk", [3])}
    found = write(tmp_path / "whole", {**desk, **SHOP, labels: root})
    assert photos_of(found) == sorted(desk)


def test_pictures_beside_a_label_file_are_its_own(tmp_path):
    root = listed("1.jpg", "2.jpg", "3.jpg")
    message = refusal(write(tmp_path, {**DESK, **SHOP, "desk/coco.json": root}), "coco")
    assert MISSING in message


def test_a_folder_that_two_places_have_is_named_by_neither(tmp_path):
    places = {**numbered("train/images", [1, 2, 3]), **numbered("valid/images", [4, 5])}
    root = listed(*(f"/home/me/images/{n}.jpg" for n in range(1, 6)))
    assert photos_of(write(tmp_path, {**places, "all.json": root})) == sorted(places)


def test_of_two_folders_that_no_path_names_none_is_guessed(tmp_path):
    places = {**numbered("shop", [1, 2, 3]), **numbered("park", [1, 2], first=10)}
    root = listed(*(f"desk/{n}.jpg" for n in (1, 2, 3)))
    message = refusal(write(tmp_path, {**places, "all.json": root}), "coco")
    assert "the picture 'desk/1.jpg' may be 'park/1.jpg' or 'shop/1.jpg'" in message


@pytest.mark.parametrize("folder", ["", "d/"])
def test_label_files_called_as_folders_beside_them_have_their_pictures(tmp_path, folder):
    places = {
        **numbered(f"{folder}train", [1, 2, 3]),
        **numbered(f"{folder}val", [1, 2], first=10),
    }
    labels = {f"{folder}train.json": listed("3.jpg"), f"{folder}val.json": listed("1.jpg", "2.jpg")}
    expected = [f"{folder}{path}.jpg" for path in ("train/3", "val/1", "val/2")]
    assert photos_of(write(tmp_path, {**places, **labels})) == expected
    labels[f"{folder}val.json"] = listed("1.jpg", "2.jpg", "3.jpg")
    message = refusal(write(tmp_path, labels), "coco")
    assert f"no picture '{folder}val/3.jpg': {folder}train/3.jpg has its name" in message


@pytest.mark.parametrize(
    "json, beside, path, far",
    [
        ("{}.json", "", "{}.jpg", "shop/"),
        ("desk/{}.json", "desk/", "{}.jpg", "desk/old/"),
        ("desk/labels/{}.json", "desk/images/", "../images/{}.jpg", "shop/"),
    ],
)
def test_a_picture_just_where_the_path_leads_is_not_outvoted(tmp_path, json, beside, path, far):
    files = {json.format(n): {**labelme.GOOD, "imagePath": path.format(n)} for n in (1, 2, 3)}
    files |= {f"{beside}{1}.jpg": picture()}
    files |= {f"{far}{n}.jpg": picture(seed=n + 10) for n in (1, 2, 3)}
    message = refusal(write(tmp_path, files), "labelme")
    assert [line.split(": ")[0] for line in message.splitlines()] == [
        f"{tmp_path}/{json.format(n)}" for n in (2, 3)
    ]


def test_a_subset_without_any_picture_takes_none_of_another(tmp_path):
    missing = [f"images/Validation/IMG_{n}.jpg" for n in range(2)]
    message = refusal(subsets(tmp_path, "coco", "IMG_{}.jpg", without=missing), "coco")
    assert [f"no picture '{name}'" in message for name in missing] == [True, True]


def test_label_files_of_one_folder_lead_to_folders_of_their_own(tmp_path):
    places = {**numbered("train", [1, 2, 3, 4]), **numbered("val", [1, 5], first=10)}
    labels = {"a/train.json": listed("2.jpg", "3.jpg", "4.jpg"), "a/val.json": listed("1.jpg")}
    expected = ["train/2.jpg", "train/3.jpg", "train/4.jpg", "val/1.jpg"]
    assert photos_of(write(tmp_path / "called", {**places, **labels})) == expected
    labels["a/val.json"] = listed("1.jpg", "5.jpg")
    labels["a/other.json"] = labels.pop("a/train.json")
    found = photos_of(write(tmp_path / "led", {**places, **labels}))
    assert found == [*expected, "val/5.jpg"]


def test_a_folder_called_as_that_of_the_label_files_has_their_pictures(tmp_path):
    places = {**numbered("img/desk", [1, 2, 3]), **numbered("img/shop", [1, 2], first=10)}
    labels = {f"ann/shop/{n}.json": {**labelme.GOOD, "imagePath": f"{n}.jpg"} for n in (1, 2)}
    found = write(tmp_path, {**places, **labels})
    assert [name for name in photos_of(found, "labelme") if "shop" in name] == [
        "img/shop/1.jpg",
        "img/shop/2.jpg",
    ]


def test_a_picture_of_another_task_does_not_stand_for_a_missing_one(tmp_path):
    places = {**numbered("t1/images", [1, 2]), **numbered("t2/images", [3, 4])}
    labels = {"t1/c.json": listed("1.jpg", "2.jpg", "3.jpg"), "t2/c.json": listed("4.jpg")}
    message = refusal(write(tmp_path, {**places, **labels}), "coco")
    assert "t1/c.json: images[2]: no picture 't1/images/3.jpg': t2/images/3.jpg has" in message
    assert len(message.splitlines()) == 1


def test_bare_names_lead_into_several_folders_in_which_none_is_twice(tmp_path):
    places = {**numbered("a", [1, 2, 3]), **numbered("b", [4])}
    root = listed("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert photos_of(write(tmp_path, {**places, "labels.json": root})) == sorted(places)
