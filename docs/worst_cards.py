"""Draw docs/worst_cards.jpg: the three worst captures of each slice of the test split; list them.

`python docs/worst_cards.py`, from the repository's root with the models restored; 10 minutes. The
list goes to the screen; what is said of each card in docs/worst-cards.md is by people.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from meishi import paths
from meishi.data.shards import ShardReader
from meishi.errors import clean_exit
from meishi.evaluation.captures import CardResult, card_results
from meishi.files import atomic
from meishi.geometry import crops, quads
from meishi.litert.running import load_capture
from meishi.measuring.outcome import Outcome, measure
from meishi.measuring.slices import slices_of
from meishi.pictures import images
from meishi.pictures.contact_sheet import grid
from meishi.pictures.overlay import FOUND, TRUTH, draw_quad, draw_text

OUT = Path("docs") / "worst_cards.jpg"
WORST, TILE_PX, COLUMNS, MARGIN = 3, 200, 8, 0.35


def worst_by_slice(outcome: Outcome) -> dict[str, list[CardResult]]:
    """Choose the worst cards of each slice, the worst first."""
    slices = defaultdict(list)
    for result in card_results(outcome.found_quads_px(), outcome.gt_quads_px()):
        for key, value in slices_of(outcome.records[result.image], result.card).items():
            slices[f"{key} {value}"].append(result)
    return {
        name: sorted(slices[name], key=lambda r: (r.iou, r.image, r.card))[:WORST]
        for name in sorted(slices)
    }


def tile(outcome: Outcome, result: CardResult, content: bytes, label: str) -> np.ndarray:
    """Show a card from close by: its true quad, and the captured one if there is any."""
    record, truth = outcome.records[result.image], outcome.gt_quads_px()[result.image][result.card]
    shown, cards = [(truth, TRUTH)], outcome.cards[result.image]
    if result.prediction is not None:
        shown.append((cards[result.prediction].quad_px, FOUND))
    corners = np.concatenate([quad_px for quad_px, _ in shown])
    extent_px = np.stack([corners.min(axis=0), corners.max(axis=0)])
    box_xyxy = quads.to_relative(extent_px, record.size_px).ravel()
    view = crops.crop_from_image(box_xyxy, record.size_px, TILE_PX, MARGIN)
    picture = crops.warp(images.decode(content, record.id), view, (TILE_PX, TILE_PX))
    for quad_px, colour in shown:
        draw_quad(picture, crops.transform(quad_px, view), colour, 1)
    draw_text(picture, label, np.array([2, 2]), 0.7)
    return picture


def main() -> None:
    """Measure, print the list, write the sheet."""
    reader = ShardReader(paths.TEST)
    outcome = measure(load_capture(paths.MODELS), reader, {}, only="direction")
    slices = worst_by_slice(outcome)
    cards = {(r.image, r.card): r for results in slices.values() for r in results}
    numbers = {key: number for number, key in enumerate(sorted(cards), start=1)}
    tiles = []
    for key, number in numbers.items():
        [(_, content)] = reader.scenes([outcome.records[key[0]]])
        tiles.append(tile(outcome, cards[key], content, f"{number}: {cards[key].iou:.2f}"))
    atomic.atomic_write_bytes(OUT, images.encode(grid(tiles, COLUMNS), ".jpg", 80))
    for key, number in numbers.items():
        print(f"{number}: {outcome.records[key[0]].id}, card {key[1]}, {cards[key].iou:.3f}")
    for name, results in slices.items():
        listed = ", ".join(f"{numbers[r.image, r.card]} ({r.iou:.2f})" for r in results)
        print(f"| {name} | {listed} |")


if __name__ == "__main__":
    with clean_exit():
        main()
