"""Bring scenes into one form and divide them into train, validation and test.

Reads   build/raw, build/seen.txt       Params  seed, preprocess
Writes  build/prepared/train, build/prepared/val, build/prepared/test
Takes   seconds; quads canonical and relative, no card design and no background on two sides
"""

import sys
from contextlib import ExitStack

from meishi import paths
from meishi.data import records
from meishi.data.prepare import prepare
from meishi.data.shards import ShardReader, write_index, write_shards
from meishi.data.splits import read_seen, split
from meishi.errors import clean_exit
from meishi.files.atomic import replace_folder
from meishi.params import load_params
from meishi.steps.running import run_step_or


def main() -> None:
    """Run the stage."""
    params = load_params("seed", "preprocess")
    raw = ShardReader(paths.RAW, records.parse_source)
    fractions = (params.preprocess.val_fraction, params.preprocess.test_fraction)
    sides = split(raw.records, *fractions, params.seed, read_seen())
    with ExitStack() as folders:
        for name, chosen in sides.items():
            folder = folders.enter_context(replace_folder(paths.PREPARED / name))
            scenes = (prepare(*scene, params.preprocess) for scene in raw.scenes(chosen))
            write_index(folder, name, write_shards(folder, scenes))
    print("preprocess:", ", ".join(f"{name} {len(chosen)}" for name, chosen in sides.items()))


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, (), sys.argv[1:])
