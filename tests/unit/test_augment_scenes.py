"""Augmenting scenes and photos without a card: who gets which samples."""

from dataclasses import replace

import pytest

from meishi import paths
from meishi.data import pool
from meishi.data.augment import Augmenter
from meishi.data.augment_scenes import augment_scenes
from meishi.data.shards import ShardReader, write_shards
from meishi.params import load_params
from tests import tiny_data

ROOT = paths.PARAMS.resolve()
SCENES, PHOTOS = 5, 3
MANY = {"frames_per_scene": 3, "crops_per_card": 2, "crops_per_empty_scene": 1, "workers": 1}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Scenes with cards, and photos without, whose ids are their own."""
    folder = tmp_path_factory.mktemp("augment")
    for name, count, cards in (("scenes", SCENES, 2), ("photos", PHOTOS, 0)):
        (folder / name).mkdir()
        drawn = (tiny_data.draw_scene(100 * cards + n, cards, n) for n in range(count))
        free = {"held": False}  # fingers would stay behind on the old ground
        write_shards(folder / name, ((replace(r, attributes=free), image) for r, image in drawn))
    return folder / "scenes", folder / "photos"


def made(readers, with_photos=True, **changes):
    recipe = replace(load_params("augment", path=ROOT).augment, **MANY | changes)
    scenes, photos = (ShardReader(folder) for folder in readers)
    if not with_photos:
        photos.records = []
    return list(augment_scenes(scenes, photos, Augmenter(recipe, 64, 64, 0.2), 1))


def test_photos_give_frames_and_never_crops(readers):
    found = made(readers, frames_per_photo=2)
    counts = [(len(frames), len(crops)) for frames, crops in found]
    assert counts == [(3, 4)] * SCENES + [(2, 0)] * PHOTOS


def test_crops_do_not_depend_on_photos_and_cards_lie_on_them_in_frames(readers):
    always = replace(load_params("augment", path=ROOT).augment.swap, probability=1.0)
    found, alone = (
        made(readers, shown, frames_per_photo=1, swap=always) for shown in (True, False)
    )
    assert [crops for _, crops in found[:SCENES]] == [crops for _, crops in alone]
    assert len(alone) == SCENES
    # Without photos there is no background here, and every scene stays on its own.
    assert any(one != other for (one, _), (other, _) in zip(found, alone, strict=False))


def test_photos_have_a_share_of_cards_of_their_own(readers, monkeypatch):
    monkeypatch.setattr(pool, "MIN_SIDE_PX", 10)  # the cards that are drawn here are small
    recipe = load_params("augment", path=ROOT).augment
    never = replace(recipe.paste, probability=0.0, photo_probability=0.0)
    as_they_are = {"swap": replace(recipe.swap, probability=0.0), "frames_per_photo": 8}
    for change, on_scenes, on_photos in (
        ({"probability": 1.0}, True, False),
        ({"photo_probability": 1.0}, False, True),
    ):
        with_cards = made(readers, paste=replace(never, **change), **as_they_are)
        without = made(readers, paste=never, **as_they_are)
        kinds = slice(None, SCENES), slice(SCENES, None)
        changed = [
            [frames for frames, _ in with_cards[kind]] != [frames for frames, _ in without[kind]]
            for kind in kinds
        ]
        assert changed == [on_scenes, on_photos]
        shown = [len(quads) for frames, _ in with_cards[SCENES:] for _, quads in frames]
        assert any(shown) == on_photos


def test_either_kind_of_samples_is_drawn_anew_by_itself(readers):
    first, frames_anew, crops_anew = (
        made(readers, **draws)
        for draws in (
            {"frames_draw": 0, "crops_draw": 0},
            {"frames_draw": 1, "crops_draw": 0},
            {"frames_draw": 0, "crops_draw": 1},
        )
    )
    kinds = [
        [made[kind] for made in run[:SCENES]] for run in (first, frames_anew) for kind in (0, 1)
    ]
    assert kinds[0] != kinds[2] and kinds[1] == kinds[3]
    kinds = [
        [made[kind] for made in run[:SCENES]] for run in (first, crops_anew) for kind in (0, 1)
    ]
    assert kinds[0] == kinds[2] and kinds[1] != kinds[3]
