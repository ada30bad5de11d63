"""Train, validation and test: no card design and no background is on two sides.

Scenes that share a design or a background belong together, directly or by way of others: they
are the connected components of that graph. Whole components go to one side.
"""

import hashlib
from collections.abc import Collection, Sequence

import networkx
import numpy as np

from meishi import paths
from meishi.data.records import MAX_CARDS, Record
from meishi.errors import InputError

SPLITS = ("train", "val", "test")
SEEN = paths.BUILD / "seen.txt"  # an output of fetch


def read_seen() -> set[str]:
    """Read which scenes networks that training begins with have seen: sha256 of image files.

    Raises:
        InputError: if the stage fetch has not written them.
    """
    try:
        return set(SEEN.read_text(encoding="ascii").split())
    except OSError as error:
        raise InputError(f"{SEEN}: {error.strerror}; run the stage fetch") from error


def split(
    scenes: Sequence[Record],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    seen: Collection[str] = (),
) -> dict[str, list[Record]]:
    """Divide scenes by component, as near to the fractions as whole components allow.

    The fractions are kept for the scenes of each number of cards, so that no side is richer in
    empty scenes than another. Components that were trained on go first, then large ones, those of
    one size in an order drawn by the seed; each goes to the side that lacks most of what it holds.

    Args:
        scenes: records with unique ids.
        val_fraction: share of the scenes for validation.
        test_fraction: share of the scenes for the test.
        seed: of the draw.
        seen: sha256 of the images of scenes that networks were trained on before: their whole
            component is for training, or the other sides would measure what is known.

    Returns:
        "train", "val" and "test", each in the order given.

    Raises:
        InputError: if the fractions leave nothing to train on, or a side would show no card.
    """
    train_fraction = 1 - val_fraction - test_fraction
    if min(val_fraction, test_fraction, train_fraction) <= 0:
        raise InputError(
            "preprocess: val_fraction and test_fraction must be above 0 and leave a share to "
            f"train on, got {val_fraction} and {test_fraction}"
        )
    fractions = dict(zip(SPLITS, (train_fraction, val_fraction, test_fraction), strict=True))
    groups = components(scenes)
    counts = {scene.id: np.eye(MAX_CARDS + 1)[len(scene.cards)] for scene in scenes}
    missing = {name: share * sum(counts.values()) for name, share in fractions.items()}
    known_ids = {scene.id for scene in scenes if scene.sha256 in seen}
    side_of: dict[str, str] = {}

    def is_known(group: list[str]) -> bool:
        return not known_ids.isdisjoint(group)

    # Those that have no choice go first: what they leave is divided among the others.
    by_size = sorted(groups, key=lambda ids: (not is_known(ids), -len(ids), _draw(ids, seed)))
    for group in by_size:
        held = sum(counts[name] for name in group)  # scenes with 0, 1, ... cards
        side = "train" if is_known(group) else max(SPLITS, key=lambda name: missing[name] @ held)
        missing[side] = missing[side] - held
        side_of.update(dict.fromkeys(group, side))
    sides = {name: [scene for scene in scenes if side_of[scene.id] == name] for name in SPLITS}
    if empty := [name for name, side in sides.items() if not any(scene.cards for scene in side)]:
        raise InputError(_explain(empty, scenes, groups, len(known_ids)))
    return sides


def components(scenes: Sequence[Record]) -> list[list[str]]:
    """Group scene ids that share a design or a background, directly or by way of others."""
    graph = networkx.Graph()
    for scene in scenes:
        own = ("scene", scene.id)
        graph.add_node(own)
        graph.add_edges_from((own, shared) for shared in _shared(scene))
    found = [sorted(nodes) for nodes in networkx.connected_components(graph)]  # sets, in no order
    return [[name for kind, name in nodes if kind == "scene"] for nodes in found]


def _shared(scene: Record) -> list[tuple[str, str]]:
    designs = [("design", card.design) for card in scene.cards]
    return designs + [("background", name) for name in scene.backgrounds]


def _draw(ids: list[str], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{min(ids)}".encode()).hexdigest()


def _explain(
    empty: list[str], scenes: Sequence[Record], groups: list[list[str]], known: int
) -> str:
    largest = max((len(group) for group in groups), default=0)
    return (
        f"preprocess: no card is left for {' and '.join(empty)}: {len(scenes)} scenes form "
        f"{len(groups)} groups that share no card design and no background, the largest of "
        f"{largest} scenes, and {known} scenes were trained on before; add scenes with designs and "
        "backgrounds of their own"
    )
