import copy
import json

import numpy as np
import pytest

from meishi.data.importers.coco import CROWDS
from meishi.data.importers.coco_entries import ENTRIES
from meishi.data.importers.labelled import Tally
from meishi.data.importers.rle import RleError, mask_from_runs, unpacked_runs
from tests import exports
from tests.exports import EDGES_PX, QUAD_PX, SIZE_PX, card_px, picture, refusal, scenes, write

GOOD = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 120}],
    "categories": [{"id": 3, "name": "card"}, {"id": 4, "name": "hand"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 3,
            "iscrowd": 0,
            "bbox": [0, 0, 1, 1],
            "segmentation": [EDGES_PX.ravel().tolist()],
        }
    ],
}


def export(folder, change=lambda root: None, files=None):
    root = copy.deepcopy(GOOD)
    change(root)
    return write(folder, {"annotations.json": root, "a.jpg": picture(), **(files or {})})


def annotation(**values):
    return lambda root: root["annotations"][0].update(values)


def image(**values):
    return lambda root: root["images"][0].update(values)


def packed(runs):
    text = ""
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        while True:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr((bits | (0x20 if more else 0)) + 48)
            if not more:
                break
    return text


def mask_runs(mask):
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [2]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


def drawn_mask():
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(120)), axis=-1)
    ends = np.roll(QUAD_PX, -1, axis=0)
    return np.all(
        [
            (e - s)[0] * (grid[..., 1] - s[1]) - (e - s)[1] * (grid[..., 0] - s[0]) >= 0
            for s, e in zip(QUAD_PX, ends, strict=True)
        ],
        axis=0,
    )


def test_a_polygon_counts_from_pixel_edges(tmp_path):
    assert np.allclose(card_px(export(tmp_path), "coco"), QUAD_PX)


def test_keypoints_are_pixels(tmp_path):
    points = np.hstack([QUAD_PX, np.full((4, 1), 2)])[[2, 0, 3, 1]].ravel().tolist()
    change = annotation(keypoints=points, segmentation=[])
    assert np.allclose(card_px(export(tmp_path, change), "coco"), QUAD_PX)


@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths_give_the_quad(tmp_path, compressed):
    runs = mask_runs(drawn_mask())
    counts = packed(runs) if compressed else runs
    change = annotation(segmentation={"size": [120, 160], "counts": counts})
    assert np.abs(card_px(export(tmp_path, change), "coco") - QUAD_PX).max() < 0.7


def test_packed_runs_are_unpacked():
    runs = mask_runs(drawn_mask())
    assert unpacked_runs(packed(runs)) == runs
    assert np.array_equal(mask_from_runs(runs, SIZE_PX), drawn_mask())


def test_runs_that_do_not_fill_the_mask_are_refused():
    with pytest.raises(RleError, match="cover 7 pixels; the mask has 12"):
        mask_from_runs([3, 4], (4, 3))


@pytest.mark.parametrize(
    "reference",
    [
        "/home/bob/photos/a.jpg",
        "C:\\photos\\a.jpg",
        "file:///C:/photos/a.jpg",
        "https://example.org/x/a.jpg?v=2",
        "./A.JPG",
    ],
)
def test_paths_of_other_machines_lead_to_the_picture(tmp_path, reference):
    assert len(scenes(export(tmp_path, image(file_name=reference)), "coco")) == 1


def test_names_in_another_unicode_form_and_encoded_ones_are_found(tmp_path):
    files = {"images/visitenkarte u\u0308ber.jpg": picture()}
    change = image(file_name="images/visitenkarte%20%C3%BCber.jpg")
    (record,) = scenes(export(tmp_path, change, files), "coco")
    assert record.attributes["photo"].startswith("images/") and record.id.isascii()


def test_parts_of_one_card_are_joined(tmp_path):
    left = [[40.5, 30.5], [76, 32.7], [76, 83], [38.5, 80.5]]
    right = [[84, 33.2], [120.5, 35.5], [115.5, 85.5], [84, 83.5]]
    parts = [np.ravel(left).tolist(), np.ravel(right).tolist()]
    quad_px = card_px(export(tmp_path, annotation(segmentation=parts)), "coco")
    assert np.abs(quad_px - QUAD_PX).max() < 1


def test_other_labels_are_ignored_and_counted_whatever_they_hold(tmp_path):
    def change(root):
        row = {"image_id": 1, "category_id": 4, "iscrowd": 1, "segmentation": "?"}
        root["annotations"].append(row)

    tally = Tally()
    (record,) = scenes(export(tmp_path, change), "coco", ["card"], tally)
    assert len(record.cards) == 1 and tally.ignored_labels == {"hand": 1}


def test_a_listed_picture_without_annotations_holds_no_card(tmp_path):
    def change(root):
        root["annotations"].clear()

    assert [len(r.cards) for r in scenes(export(tmp_path, change), "coco")] == [0]


def test_a_counter_clockwise_polygon_is_turned(tmp_path):
    change = annotation(segmentation=[EDGES_PX[::-1].ravel().tolist()])
    assert np.allclose(card_px(export(tmp_path, change), "coco"), QUAD_PX)


def test_corners_outside_the_frame_are_kept(tmp_path):
    outside = EDGES_PX - [60, 0]
    change = annotation(segmentation=[outside.ravel().tolist()])
    assert np.allclose(card_px(export(tmp_path, change), "coco"), QUAD_PX - [60, 0])


def test_cards_that_end_at_the_border_are_counted(tmp_path):
    cut = [[0, 30], [60, 33], [118, 36], [115, 86], [0, 82]]
    tally = Tally()
    folder = export(tmp_path, annotation(segmentation=[np.ravel(cut).tolist()]))
    (record,) = scenes(folder, "coco", (), tally)
    assert len(record.cards) == 1
    assert any(line.startswith("cards with a side on the photo's") for line in tally.lines())


def test_other_json_is_left_out(tmp_path):
    captions = {"images": [], "annotations": []}
    files = {"package.json": {"name": "x"}, "captions_coco.json": captions}
    assert len(scenes(export(tmp_path, files=files), "coco")) == 1


def test_a_zip_and_one_label_file_are_read_alike(tmp_path):
    files = {"train/_annotations.coco.json": GOOD, "train/a.jpg": picture()}
    packed_file = exports.write_zip(tmp_path / "export.zip", files)
    folder = write(tmp_path / "x", files)
    found = [
        scenes(path, "coco") for path in (packed_file, folder / "train" / "_annotations.coco.json")
    ]
    assert found[0][0].id == found[1][0].id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (annotation(iscrowd=1), "annotations[0]: iscrowd: a crowd is no single card"),
        (annotation(segmentation=[]), "only a box, which is no outline"),
        (annotation(segmentation=[[1, 2, 3]]), "segmentation[0]: expected x, y, x, y"),
        (annotation(segmentation=[[10, 10, 90, 10, 50, 80]]), "has 3 corners"),
        (annotation(segmentation=[[10, 10, 90, 60, 90, 10, 10, 60]]), "the outline crosses itself"),
        (annotation(segmentation={"size": [120, 160], "counts": [5]}), "cover 5 pixels"),
        (annotation(segmentation={"size": [9, 9], "counts": [81]}), "size: 9x9 px; the image is"),
        (annotation(image_id=7), "image_id 7 is the id of no image"),
        (annotation(category_id=9), "category_id 9 is the id of no category"),
        (image(width=320, height=240), "made at 320x240 px, the picture is 160x120 px"),
        (image(file_name="b.jpg"), "images[0]: no picture 'b.jpg'"),
        (image(file_name="b.dng"), "no picture 'b.dng' in the source; .dng is not read"),
        (image(file_name=None), "file_name: expected a text, got nothing"),
        (lambda root: root.pop("categories"), "no COCO annotation: no list categories"),
        (lambda root: root["images"].clear() or root["annotations"].clear(), "export is empty"),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, change, words):
    assert words in refusal(export(tmp_path, change), "coco")


@pytest.mark.parametrize("kind", ["instances", "stuff", "person_keypoints", "panoptic"])
def test_a_subset_is_looked_for_in_its_own_folder_whatever_the_file_holds(tmp_path, kind):
    root = copy.deepcopy(GOOD)
    files = {f"annotations/{kind}_train.json": root, "images/train/a.jpg": picture()}
    drawn = {
        "annotations/panoptic_train/a.jpg": picture(seed=8),
        "images/val/a.jpg": picture(seed=9),
    }
    (record, *others) = scenes(write(tmp_path, files | drawn), "coco")
    assert record.attributes["photo"] == "images/train/a.jpg" and not others


def masks_as_crowds(**second):
    runs = {"size": [120, 160], "counts": mask_runs(drawn_mask())}

    def change(root):
        root["images"].append({"id": 2, "file_name": "b.jpg", "width": 160, "height": 120})
        root["annotations"][0].update(segmentation=runs, iscrowd=1)
        root["annotations"].append(root["annotations"][0] | {"id": 99, "image_id": 2} | second)

    return change


def test_where_all_masks_are_crowds_each_is_a_card(tmp_path):
    folder, tally = export(tmp_path, masks_as_crowds(), {"b.jpg": picture(seed=3)}), Tally()
    found = scenes(folder, "coco", tally=tally)
    assert [len(record.cards) for record in found] == [1, 1]
    assert tally.left_out[CROWDS] == 2


@pytest.mark.parametrize(
    "other",
    [
        {"iscrowd": 0},
        {"segmentation": [EDGES_PX.ravel().tolist()]},
        {"segmentation": [EDGES_PX.ravel().tolist()], "iscrowd": 0},
        {"segmentation": [], "iscrowd": 1},
    ],
)
def test_a_crowd_beside_anything_else_is_refused(tmp_path, other):
    folder = export(tmp_path, masks_as_crowds(**other), {"b.jpg": picture(seed=3)})
    message = refusal(folder, "coco")
    assert "annotations[0]: iscrowd: a crowd is no single card" in message
    assert "CVAT" in message and "supervision" in message  # which mark masks so


def test_all_faults_come_at_once(tmp_path):
    def change(root):
        root["annotations"][0]["iscrowd"] = 1
        root["images"].append({"id": 2, "file_name": "gone.jpg"})

    assert len(refusal(export(tmp_path, change), "coco").splitlines()) == 2


def test_a_label_that_never_occurs_is_refused(tmp_path):
    assert "no shape has the label 'crad'; there are ['card']" in refusal(
        export(tmp_path), "coco", ["crad"]
    )


def test_two_pictures_of_one_name_are_refused(tmp_path):
    def change(root):
        root["images"][0]["file_name"] = "b.jpg"

    files = {"x/b.jpg": picture(), "y/b.jpg": picture(seed=1)}
    message = refusal(export(tmp_path, change, files), "coco")
    assert "may be 'x/b.jpg' or 'y/b.jpg'" in message


def test_a_picture_labelled_twice_otherwise_is_refused(tmp_path):
    other = copy.deepcopy(GOOD)
    other["annotations"].clear()
    files = {"instances_b.json": other}
    assert "a.jpg is also labelled in" in refusal(export(tmp_path, files=files), "coco")


def entry_a_label(root):
    """Give the second card an entry of its own, as scripts do that write one for each label."""
    beside = exports.EDGES_PX * 0.2
    root["images"].append({**root["images"][0], "id": 2})
    second = {"id": 2, "image_id": 2, "segmentation": [beside.ravel().tolist()]}
    root["annotations"].append({**root["annotations"][0], **second})


def test_entries_of_one_picture_are_taken_together(tmp_path):
    tally = Tally()
    [scene] = scenes(export(tmp_path, entry_a_label), "coco", tally=tally)
    assert len(scene.cards) == 2 and tally.left_out[ENTRIES] == 1


def drawn_again(root):
    """Let a second person outline the first card, a little otherwise."""
    root["annotations"][1]["segmentation"] = [(EDGES_PX + [4, 2]).ravel().tolist()]


@pytest.mark.parametrize(
    "change",
    [
        {"width": 161},
        {"path": "/x/a.jpg"},
        {"coco_url": "http://x/b/a.jpg"},
        drawn_again,
        lambda root: root["annotations"].pop(),
        lambda root: root.update(info={"contributor": "Label Studio"}),
        lambda root: root.update(info={"contributor": "Label Studio Converter"}),
    ],
)
def test_entries_that_differ_are_not(tmp_path, change):
    def both(root):
        entry_a_label(root)
        change(root) if callable(change) else root["images"][1].update(change)

    assert "a.jpg is also labelled in" in refusal(export(tmp_path, both), "coco")


def test_an_entry_that_is_repeated_with_its_label_adds_nothing(tmp_path):
    def change(root):
        root["images"].append({**root["images"][0], "id": 2})
        root["annotations"].append({**root["annotations"][0], "id": 2, "image_id": 2})

    tally = Tally()
    [scene] = scenes(export(tmp_path, change), "coco", tally=tally)
    assert len(scene.cards) == 1 and not tally.left_out[ENTRIES]
    assert tally.left_out["pictures listed twice with the same labels"] == 1


def test_a_hand_may_lie_over_the_card_of_another_entry(tmp_path):
    def change(root):
        entry_a_label(root)
        drawn_again(root)
        root["annotations"][1]["category_id"] = 4

    [scene] = scenes(export(tmp_path, change), "coco", ["card"])
    assert len(scene.cards) == 1


def test_copies_with_the_same_labels_come_once(tmp_path):
    def change(root):
        root["images"].append({**root["images"][0], "id": 2, "file_name": "b.jpg"})
        root["annotations"].append({**root["annotations"][0], "id": 2, "image_id": 2})

    assert len(scenes(export(tmp_path, change, {"b.jpg": picture()}), "coco")) == 1


def test_copies_with_other_labels_are_refused(tmp_path):
    def change(root):
        root["images"].append({**root["images"][0], "id": 2, "file_name": "b.jpg"})

    message = refusal(export(tmp_path, change, {"b.jpg": picture()}), "coco")
    assert "b.jpg is the same picture as a.jpg, labelled otherwise" in message


@pytest.mark.parametrize("value", [1, "x", None, [], {}, True, [1], 1e400])
@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "segmentation", "keypoints"])
def test_no_value_ends_in_a_traceback(tmp_path, key, value):
    root = copy.deepcopy(GOOD)
    root["annotations"][0][key] = value
    folder = write(tmp_path, {"annotations.json": json.dumps(root), "a.jpg": picture()})
    faults = []
    list(exports.import_scenes(folder, "coco", (), "src", faults))


def test_a_missing_picture_is_not_replaced_by_another_of_its_name(tmp_path):
    def change(root):
        root["images"][0]["file_name"] = "train/b.jpg"
        root["images"].append({**root["images"][0], "id": 2, "file_name": "val/b.jpg"})
        root["annotations"].clear()

    message = refusal(export(tmp_path, change, {"val/b.jpg": picture()}), "coco")
    assert "images[0]: no picture 'train/b.jpg': val/b.jpg has its name, but lies in" in message


@pytest.mark.parametrize("number", [str, float])
def test_run_lengths_and_sizes_that_became_text_are_read(tmp_path, number):
    runs = mask_runs(drawn_mask())
    told = {"size": [number(120), number(160)], "counts": [number(run) for run in runs]}

    def change(root):
        root["images"][0].update(width="160", height="120")
        root["annotations"][0].update(segmentation=told, iscrowd="0")

    assert np.abs(card_px(export(tmp_path, change), "coco") - QUAD_PX).max() < 2


def test_run_lengths_that_are_missing_are_refused(tmp_path):
    folder = export(tmp_path, annotation(segmentation={"size": [120, 160]}))
    assert "segmentation: counts: expected text, or whole numbers, got None" in refusal(
        folder, "coco"
    )


def test_of_two_pictures_of_a_name_the_one_in_the_label_files_folder_is_meant(tmp_path):
    for seed, split in enumerate(("train", "val")):
        export(tmp_path / split, files={"data/a.jpg": picture(seed=seed)})
        (tmp_path / split / "a.jpg").unlink()
    found = scenes(tmp_path, "coco")
    assert [r.attributes["photo"] for r in found] == ["train/data/a.jpg", "val/data/a.jpg"]


def test_shares_of_the_frame_in_place_of_pixels_are_refused(tmp_path):
    shares = exports.SHARES.ravel().tolist()
    message = refusal(export(tmp_path, annotation(segmentation=[shares])), "coco")
    assert "annotations[0]: the outline is 0.51x0.46 px; are these shares" in message


def test_labels_are_one_in_both_forms_of_unicode(tmp_path):
    folder = export(tmp_path, lambda root: root["categories"][0].update(name="\u30ab\u3099"))
    assert len(scenes(folder, "coco", ["\u30ac"])[0].cards) == 1


@pytest.mark.parametrize("turn", [1, 6])
def test_a_picture_without_cards_of_another_size_than_stated_is_refused(tmp_path, turn):
    def change(root):
        root["images"].append({"id": 2, "file_name": "b.jpg", "width": 320, "height": 240})

    folder = export(tmp_path, change, {"b.jpg": picture(seed=1, turn=turn)})
    assert "images[1]: b.jpg: the labels were made at 320x240 px" in refusal(folder, "coco")


def test_a_turned_picture_without_cards_of_either_size_is_read(tmp_path):
    def change(root):
        root["images"].append({"id": 2, "file_name": "b.jpg", "width": 120, "height": 160})

    folder = export(tmp_path, change, {"b.jpg": picture(seed=1, turn=6)})
    assert [len(record.cards) for record in scenes(folder, "coco")] == [1, 0]


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        (EDGES_PX / 2, "the outline is 0.5 times as large as its bbox"),
        (EDGES_PX[:, ::-1], "the outline is its bbox with x and y exchanged"),
    ],
)
def test_an_outline_in_another_unit_than_its_box_is_refused(tmp_path, outline, said):
    low, high = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    change = annotation(segmentation=[outline.ravel().tolist()], bbox=[*low, *(high - low)])
    assert f"segmentation and bbox disagree: {said}" in refusal(export(tmp_path, change), "coco")


@pytest.mark.parametrize(
    "bbox",
    [[0, 0, 0, 0], [1, 2, 3, 4], [40.5, 30.5, 130.5, 90.5], [50, 40, 30, 20], None, [1, 2]],
)
def test_a_box_that_is_made_up_or_cut_says_nothing(tmp_path, bbox):
    folder = export(tmp_path, annotation(bbox=bbox))
    assert np.allclose(card_px(folder, "coco"), QUAD_PX)


def keypoints_in(low, high):
    """Four keypoints, and the upright rectangle between two corners for an outline."""
    rectangle = [low[0], low[1], high[0], low[1], high[0], high[1], low[0], high[1]]
    points = np.column_stack([QUAD_PX, np.full(4, 2)]).ravel().tolist()
    return annotation(keypoints=points, segmentation=[[float(value) for value in rectangle]])


def test_a_rectangle_around_four_keypoints_is_their_frame(tmp_path):
    low, high = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    folder = export(tmp_path, keypoints_in(low, high))
    assert np.allclose(card_px(folder, "coco"), QUAD_PX)


def test_a_rectangle_that_goes_on_beyond_four_keypoints_is_not(tmp_path):
    low, high = EDGES_PX.min(axis=0), EDGES_PX.max(axis=0)
    message = refusal(export(tmp_path, keypoints_in(low, high + [25, 20])), "coco")
    assert "the outline goes beyond the four keypoints" in message
