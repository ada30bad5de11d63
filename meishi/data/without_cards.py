"""Photos without a card, of anything: what the classifier is to refuse wherever a phone is held.

Rendered scenes without cards hold what lies on desks, and teach nothing of trees, faces and houses,
in which detector and segmenter find outlines, too. `fetch` collects these photos apart from the
scenes, and the classifier alone learns from what is mined in them (docs/reading-direction.md).
"""

import hashlib

from meishi import paths
from meishi.data.records import Record
from meishi.data.splits import components

WITHOUT_CARDS = paths.BUILD / "without_cards"  # an output of fetch


def divide(photos: list[Record], held_out: float, seed: int) -> tuple[list[Record], list[Record]]:
    """Divide photos into those to train on and those that validation keeps.

    Args:
        photos: records; those that share a background show one thing, and stay together.
        held_out: share of the photos for validation, in [0, 1].
        seed: of the draw.

    Returns:
        Both, each in the order given; the second holds `held_out` of them at most.
    """
    groups = components(photos)
    groups.sort(key=lambda ids: hashlib.sha256(f"{seed}:{min(ids)}".encode()).hexdigest())
    room, kept = int(held_out * len(photos)), set[str]()
    for group in groups:
        if len(kept) + len(group) <= room:
            kept.update(group)
    return [r for r in photos if r.id not in kept], [r for r in photos if r.id in kept]
