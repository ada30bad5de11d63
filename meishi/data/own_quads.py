"""Which way cards read: quads that begin at the card's own top left corner.

A rendered scene's quads do, in `build/raw`; `preprocess` forgets it. Photos labelled by hand begin
anywhere, so params.yaml names the sources whose quads can be believed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from meishi.data import records
from meishi.data.records import Record
from meishi.data.shards import RECORDS_FILE, read_records


def reads(record: Record, sources: Sequence[str]) -> bool:
    """Say whether a scene's quads begin at the card's own top left corner."""
    return record.attributes.get("source") in sources


def own_quads_of(raw: Path, sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the quads of the scenes of these sources.

    Args:
        raw: folder of the collected scenes; its records alone are read.
        sources: names of fetch.sources whose quads begin at the card's own top left corner.

    Returns:
        By scene, (N, 4, 2) float64, relative.
    """
    found = read_records(raw / RECORDS_FILE, records.parse_source)
    return {record.id: record.quads for record in found if reads(record, sources)}
