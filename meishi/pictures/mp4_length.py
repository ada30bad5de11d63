"""For how long the picture of an .mp4 or .mov is shown, as its track says (ISO/IEC 14496-12).

A track may hold more frames than are shown: phones and FFmpeg trim a video by a list of edits and
leave the frames where they are.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

Box = tuple[bytes, bytes]  # kind, content
MAX_MOVIE_BYTES = 100_000_000  # of the box that describes the frames; those of hours have a few


def shown_s(file: Path) -> float | None:
    """Read how long a video is shown, in seconds.

    Returns:
        The duration of the first track with pictures, edits counted; None for other files, and
        where it is not told, as in fragmented ones.
    """
    try:
        with file.open("rb") as stream:
            if (found := find_movie(stream)) is None:
                return None
            place, size = found
            stream.seek(place + 8)
            return _shown_s(stream.read(size - 8))
    except (OSError, struct.error, ZeroDivisionError):
        return None


def find_movie(stream: BinaryIO) -> tuple[int, int] | None:
    """Find the box that describes the tracks: its place and size in bytes, its head of 8 included.

    Returns:
        None if there is none that can be read, as in other kinds of files.
    """
    end = stream.seek(0, 2)
    place = 0
    while place + 8 <= end:
        stream.seek(place)
        size, kind = struct.unpack(">I4s", stream.read(8))
        if kind == b"moov" and 8 <= size <= min(MAX_MOVIE_BYTES, end - place):
            return place, size
        if size == 1:  # of more than 4 GB
            (size,) = struct.unpack(">Q", stream.read(8))
        if size < 8:  # 0: it goes to the end
            return None
        place += size
    return None


def _shown_s(movie: bytes) -> float | None:
    found = dict(_boxes(movie))
    unit = _number(found.get(b"mvhd", b""), 12, 20, 4)
    for kind, track in _boxes(movie):
        parts = dict(_boxes(track)) if kind == b"trak" else {}
        handler = dict(_boxes(parts.get(b"mdia", b""))).get(b"hdlr", b"")
        if handler[8:12] == b"vide":
            ticks = _number(parts.get(b"tkhd", b""), 20, 28, 8)
            return ticks / unit if ticks else None
    return None


def _boxes(content: bytes) -> Iterator[Box]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield kind, content[place + 8 : place + size]
        place += size


def _number(box: bytes, short: int, long: int, bytes_of_long: int) -> int:
    """Read a number that lies elsewhere, and may be wider, in a box of version 1.

    Returns:
        The number; 0 where it is all ones, which stands for unknown.
    """
    if box[:1] == b"\1":
        place, width = long, bytes_of_long
    else:
        place, width = short, 4
    value = int.from_bytes(box[place : place + width], "big")
    return 0 if value == 2 ** (8 * width) - 1 else value
