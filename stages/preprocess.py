"""Bring scenes into one form and divide them into train, validation and test.

Reads   build/raw, build/seen.txt, build/without_cards     Params  seed, preprocess
Writes  build/prepared/train, build/prepared/val, build/prepared/test, build/photos/train,
        build/photos/held_out
Takes   seconds; quads canonical and relative, no card design and no background on two sides
"""

import sys
from contextlib import ExitStack

from meishi import paths
from meishi.data import records
from meishi.data.prepare import prepare
from meishi.data.shards import ShardReader, write_index, write_shards
from meishi.data.splits import read_seen, split
from meishi.data.without_cards import HELD_OUT_PHOTOS, TRAIN_PHOTOS, WITHOUT_CARDS, divide
from meishi.errors import clean_exit
from meishi.files.atomic import replace_folder
from meishi.params import load_params
from meishi.steps.running import run_step_or


def main() -> None:
    """Run the stage."""
    params = load_params("seed", "preprocess")
    recipe, seen = params.preprocess, read_seen()
    raw, photos = ShardReader(paths.RAW, records.parse_source), ShardReader(WITHOUT_CARDS)
    sides = split(raw.records, recipe.val_fraction, recipe.test_fraction, params.seed, seen)
    beside = divide(photos.records, recipe.photos_held_out, params.seed, seen)
    wanted = [(paths.PREPARED / name, raw, chosen) for name, chosen in sides.items()]
    wanted += zip((TRAIN_PHOTOS, HELD_OUT_PHOTOS), (photos, photos), beside, strict=True)
    with ExitStack() as folders:
        for place, reader, chosen in wanted:
            folder = folders.enter_context(replace_folder(place))
            scenes = (prepare(*scene, recipe) for scene in reader.scenes(chosen))
            write_index(folder, place.name, write_shards(folder, scenes))
    print("preprocess:", ", ".join(f"{name} {len(chosen)}" for name, chosen in sides.items()))


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, (), sys.argv[1:])
