"""Augmenting scenes and photos without a card: who gets which samples."""

from dataclasses import replace

import pytest

from meishi import paths
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
