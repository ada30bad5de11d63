"""The stage preprocess: scenes divided, and photos without a card beside them."""

from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from meishi import paths
from meishi.data import records
from meishi.data.shards import ShardReader, write_shards
from meishi.data.splits import SEEN
from meishi.data.without_cards import HELD_OUT_PHOTOS, TRAIN_PHOTOS, WITHOUT_CARDS
from stages import preprocess
from tests import tiny_data

ROOT = paths.PARAMS.resolve()
SIDES = (paths.TRAIN, paths.VAL, paths.TEST, TRAIN_PHOTOS, HELD_OUT_PHOTOS)


def photo(number, source):
    record, content = tiny_data.draw_scene(number, 0, number)
    name = f"{source}-{record.id}"
    image = f"{name}.webp"
    attributes = {**record.attributes, "source": source}
    return replace(record, id=name, image=image, attributes=attributes), content


@pytest.fixture
def run(workspace):
    """Run the stage with a share of the photos held out; the names of each side's."""
    for folder, scenes in (
        (paths.RAW, tiny_data.scenes()),
        (WITHOUT_CARDS, (photo(n, source) for source in ("far", "near") for n in range(40, 50))),
    ):
        folder.mkdir(parents=True)
        to_line = records.to_source_line if folder == paths.RAW else records.to_line
        write_shards(folder, scenes, to_line=to_line)
    SEEN.write_text("")
    params = YAML().load(ROOT.read_text(encoding="utf-8"))

    def start(held_out):
        params["preprocess"] |= {"photos_held_out": held_out, "max_side_px": 64}
        with paths.PARAMS.open("w", encoding="utf-8") as stream:
            YAML().dump(params, stream)
        preprocess.main()
        return {folder: {record.id for record in ShardReader(folder).records} for folder in SIDES}

    return start


def test_photos_are_divided_by_themselves_and_are_no_scenes(run):
    sides = run(0.2)
    held_out, trained = sides[HELD_OUT_PHOTOS], sides[TRAIN_PHOTOS]
    assert len(held_out) == 4 and len(trained) == 16 and not held_out & trained
    assert len(set().union(*sides.values())) == sum(map(len, sides.values()))
    names = held_out | trained
    assert not any(names & sides[side] for side in SIDES[:3])
    other = run(0.0)
    assert other[TRAIN_PHOTOS] == names and not other[HELD_OUT_PHOTOS]
    assert all(other[side] == sides[side] for side in SIDES[:3])


def test_photos_are_brought_into_the_form_of_scenes(run):
    run(0.2)
    for side in (TRAIN_PHOTOS, HELD_OUT_PHOTOS):
        reader = ShardReader(side)
        assert {max(record.size_px) for record in reader.records} == {64}
        assert all(content[:2] == b"\xff\xd8" for _, content in reader)  # JPEG
