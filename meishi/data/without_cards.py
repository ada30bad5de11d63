"""Photos without a card, of anything: what the networks are to refuse wherever a phone is held.

Rendered scenes without cards hold what lies on desks, and teach nothing of trees, faces and houses,
in which detector and segmenter find outlines, too. `fetch` collects these photos apart from the
scenes, and `preprocess` divides them: no figure of rendered scenes is of a photo. The detector sees
frames of them, and the classifier learns from what is mined in them (docs/reading-direction.md).
The segmenter learns nothing from them: it took the paper of real cards for ground afterwards.
"""

import hashlib
from collections.abc import Collection, Sequence

from meishi import paths
from meishi.data.records import Record
from meishi.data.splits import components

WITHOUT_CARDS = paths.BUILD / "without_cards"  # an output of fetch
PHOTOS = paths.BUILD / "photos"  # outputs of preprocess: photos to train on, and those held out
TRAIN_PHOTOS, HELD_OUT_PHOTOS = PHOTOS / "train", PHOTOS / "held_out"


def divide(
    photos: Sequence[Record], held_out: float, seed: int, seen: Collection[str] = ()
) -> tuple[list[Record], list[Record]]:
    """Divide photos into those to train on and those that validation keeps, source by source.

    So one more source changes nothing of the others.

    Args:
        photos: records; those that share a background show one thing, and stay together, with the
            source of the first of them.
        held_out: share of each source's photos for validation, in [0, 1).
        seed: of the draw.
        seen: sha256 of images that networks were trained on before: these are for training.

    Returns:
        Both, each in the order given; the second holds `held_out` of them at most.
    """
    by_id = {record.id: record for record in photos}
    by_source: dict[str, list[list[Record]]] = {str(r.attributes.get("source")): [] for r in photos}
    for ids in components(photos):
        group = [by_id[name] for name in ids]
        first = next(record for record in photos if record.id in ids)
        by_source[str(first.attributes.get("source"))].append(group)
    kept = {r.id for groups in by_source.values() for r in _kept(groups, held_out, seed, seen)}
    return [r for r in photos if r.id not in kept], [r for r in photos if r.id in kept]


def _kept(
    groups: list[list[Record]], held_out: float, seed: int, seen: Collection[str]
) -> list[Record]:
    """Draw whole groups of one source until its share is full."""
    kept: list[Record] = []
    room = int(held_out * sum(map(len, groups)))
    for group in sorted(groups, key=lambda group: _draw(group, seed)):
        is_new = not any(record.sha256 in seen for record in group)
        if is_new and len(kept) + len(group) <= room:
            kept += group
    return kept


def _draw(group: list[Record], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{min(record.sha256 for record in group)}".encode()).hexdigest()
