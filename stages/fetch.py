"""Collect labelled scenes from every configured source, and verify them.

Reads   data                Params  fetch
Writes  build/raw, build/without_cards, build/seen.txt,
        build/ssd_weights.npz, build/unet_weights.npz, build/direction_weights.npz
Takes   seconds; refuses the data as a whole, listing every fault, if anything is wrong with it
"""

import sys
from pathlib import Path

from meishi import paths
from meishi.data import records, sources, weights
from meishi.data.shards import write_shards
from meishi.data.splits import SEEN
from meishi.data.without_cards import WITHOUT_CARDS
from meishi.errors import clean_exit, summary
from meishi.files.atomic import atomic_write_bytes, atomic_write_text, replace_folder
from meishi.params import load_params
from meishi.steps.running import run_step_or


def main() -> None:
    """Run the stage."""
    params = load_params("fetch")
    with replace_folder(paths.RAW) as folder, replace_folder(WITHOUT_CARDS) as beside:
        copies: list[str] = []
        scenes = sources.verified_scenes(params.fetch, copies)
        written = write_shards(folder, scenes, to_line=records.to_source_line)
        photos = write_shards(beside, sources.without_cards(params.fetch))
        seen = sources.seen_scenes(params.fetch)
        parts = {
            paths.SSD_WEIGHTS: weights.of_network(Path(params.fetch.weights), "ssd"),
            paths.UNET_WEIGHTS: weights.of_network(Path(params.fetch.weights), "unet"),
            paths.DIRECTION_WEIGHTS: Path(params.fetch.direction_weights).read_bytes(),
        }
    atomic_write_text(SEEN, "".join(f"{line}\n" for line in sorted(seen)))
    for file, content in parts.items():
        atomic_write_bytes(file, content)
    cards = sum(len(record.cards) for record in written)
    beside_them = f", and {len(photos)} photos without a card" if photos else ""
    once = f"; left out: {summary(copies)}" if copies else ""
    print(f"fetch: {len(written)} scenes, {cards} cards{beside_them}, all sound{once}")


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, (), sys.argv[1:])
