"""Which scenes are taken: those that an experiment is about, or some that stand for all."""

from collections.abc import Sequence

import numpy as np

from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.errors import InputError
from meishi.recipe import SceneParams


def keep_chosen(reader: ShardReader, params: SceneParams) -> None:
    """Drop the records of a reader that the params leave out.

    Args:
        reader: of the training scenes; those that stay keep their order.
        params: which sources, and whether scenes with things that look like cards.

    Raises:
        InputError: for a source that no scene is of, or if no scene stays.
    """
    require_sources(reader.records, params.sources, "augment.scenes.sources", "training scene")
    reader.records = [record for record in reader.records if _is_chosen(record, params)]
    if not reader.records:
        raise InputError(
            "augment.scenes: no training scene stays; all of them hold things that look like cards"
        )


def require_sources(
    records: Sequence[Record], sources: Sequence[str], where: str, what: str = "scene"
) -> None:
    """Refuse names that are of no source.

    Args:
        records: what there is.
        sources: the names.
        where: the param that has them, for the message.
        what: the records are, for the message.

    Raises:
        InputError: for a source that no scene is of.
    """
    known = sorted({str(record.attributes.get("source")) for record in records})
    if unknown := sorted(set(sources) - set(known)):
        raise InputError(
            f"params.yaml [{where}]: no {what} is of {', '.join(unknown)}; there are "
            f"scenes of {', '.join(known)}"
        )


def spread(total: int, count: int) -> list[int]:
    """Choose up to `count` of `total` indices, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()


def _is_chosen(record: Record, params: SceneParams) -> bool:
    if params.sources and record.attributes.get("source") not in params.sources:
        return False
    return params.hard_negatives or not record.attributes.get("clutter")
