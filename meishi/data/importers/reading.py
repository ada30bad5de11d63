"""An export read by the reader of its format, under the names that its files have."""

from meishi.data.importers.finding import Finder
from meishi.data.importers.label_files import pictures
from meishi.data.importers.labelled import LabelledPhoto, Tally
from meishi.data.importers.opening import Source
from meishi.data.importers.registry import READERS


def other_formats(source: Source, kind: str) -> list[str]:
    """List the formats, others than `kind`, that a source can be read in without a fault."""
    found = []
    for name in READERS.keys() - {kind}:
        faults: list[str] = []
        photos = list(READERS[name](source, faults, Tally()))
        if not faults and any(photo.shapes for photo in photos):
            found.append(name)
    return sorted(found)


def read_photos(
    source: Source, kind: str, faults: list[str], tally: Tally
) -> tuple[Source, list[LabelledPhoto]]:
    """Read a source by the names of its files under which most of the labels' pictures are found.

    Args:
        source: where.
        kind: the format, a key of `READERS`.
        faults: receives what cannot be read.
        tally: counts what was met and left out.

    Returns:
        The source with those names, and its photos.
    """
    if not source.respelled:
        return source, list(READERS[kind](source, faults, tally))
    readings = []
    for spelled in (source, *source.respelled):
        own_faults: list[str] = []
        own_tally = Tally()
        photos = list(READERS[kind](spelled, own_faults, own_tally))
        finder = Finder(pictures(spelled))
        count = sum(bool(finder.first(p.reference, p.or_else, near=p.near)) for p in photos)
        readings.append(((count, -len(own_faults)), spelled, photos, own_faults, own_tally))
    _, found, photos, own_faults, own_tally = max(readings, key=lambda reading: reading[0])
    faults += own_faults
    tally.add(own_tally)
    return found, photos
