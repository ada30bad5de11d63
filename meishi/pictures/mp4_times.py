"""When each frame of an .mp4 is shown, written into a file that has one rate.

OpenCV's writer knows only a rate. The table of durations (`stts`, ISO/IEC 14496-12, 8.6.1.2) is at
the end of what it writes, so it is replaced there, and the durations that sum it up with it.
"""

import struct
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np

from meishi.pictures.mp4_length import find_movie

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")  # of the table, outermost first
UNIT_AT, DURATION_AT = 20, 24  # in `mvhd` and `mdhd`: ticks a second, and how many
TRACK_AT, EDIT_AT = 28, 16  # of the duration in `tkhd` and `elst`
MAX_TICKS = 2**32 - 1


def set_times(file: Path, seconds: Sequence[float], last_s: float) -> bool:
    """Show the frames of an .mp4 of OpenCV's at given times.

    Args:
        file: with one track of as many frames, none of them out of order.
        seconds: of each frame since the first, rising.
        last_s: how long the last is shown.

    Returns:
        Whether it was done; not if the file is not whole, or too long for its units.
    """
    with file.open("r+b") as stream:
        found = _movie(stream)
        if found is None:
            return False
        place, movie = found
        if not _retime(movie, [*seconds, seconds[-1] + last_s]):
            return False
        stream.seek(place)
        stream.write(movie)
        stream.truncate()
    return True


def _movie(stream: BinaryIO) -> tuple[int, bytearray] | None:
    """Read the box that describes the movie, which is the last: its place and content."""
    found = find_movie(stream)
    if found is None or sum(found) != stream.seek(0, 2):
        return None
    place, size = found
    stream.seek(place)
    return place, bytearray(stream.read(size))


def _retime(movie: bytearray, times_s: list[float]) -> bool:
    media, header = _box(movie, b"mdhd"), _box(movie, b"mvhd")
    (unit,) = struct.unpack_from(">I", movie, media + UNIT_AT)
    (header_unit,) = struct.unpack_from(">I", movie, header + UNIT_AT)
    ticks = np.round(np.array(times_s) * unit).astype(np.int64)
    durations = np.maximum(np.diff(ticks), 1)  # of none is nothing shown
    total = int(durations.sum())
    shown = round(total * header_unit / unit)
    if max(total, shown) > MAX_TICKS:
        return False
    struct.pack_into(">I", movie, media + DURATION_AT, total)
    struct.pack_into(">I", movie, header + DURATION_AT, shown)
    struct.pack_into(">I", movie, _box(movie, b"tkhd") + TRACK_AT, shown)
    struct.pack_into(">I", movie, _box(movie, b"elst") + EDIT_AT, shown)
    runs = [(len(list(run)), int(ticks)) for ticks, run in groupby(durations)]
    rows = b"".join(struct.pack(">II", *run) for run in runs)
    table = struct.pack(">I4sII", 16 + len(rows), b"stts", 0, len(runs)) + rows
    place = _box(movie, b"stts")
    (size,) = struct.unpack_from(">I", movie, place)
    for parent in PARENTS:
        at = _box(movie, parent)
        (held,) = struct.unpack_from(">I", movie, at)
        struct.pack_into(">I", movie, at, held + len(table) - size)
    movie[place : place + size] = table
    return True


def _box(movie: bytearray, kind: bytes) -> int:
    """Find the first box of a kind: where its size is, which stands before its name."""
    return movie.index(kind) - 4
