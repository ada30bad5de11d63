"""Damage inside of a JPEG, which decoders bridge without a word.

A JPEG that was cut and mended with an end marker, or lost bytes in the middle, decodes to a picture
that is grey or shifted from there on. libjpeg knows, but Pillow drops what it says. OpenCV's lets
it write to descriptor 2, where it is caught.
"""

import re
from contextlib import suppress

import cv2
import numpy as np

from meishi.processes.quiet import held_back

BEGIN = b"\xff\xd8"
_TOLD = re.compile(rb"Corrupt JPEG data|Premature end of JPEG file")
_LEFT_OVER = re.compile(r": (\d+) extraneous bytes before marker 0xd9$")
_END = b"\xff\xd9"
# Between the picture and its end some cameras leave a few bytes, or fill a file up; other bytes
# there are what a fault in the middle has pushed out.
_FILLING = b"\x00\xff"
MAX_LEFT_OVER = 8


def damage(content: bytes) -> str | None:
    """Say what libjpeg found to be damaged in a JPEG that it decodes.

    Args:
        content: a picture file of any format.

    Returns:
        What it says, in its words; None for a sound JPEG, for other formats, and for damage that
        it does not notice, as of most single bytes that change: what follows decodes, too.
    """
    if not content.startswith(BEGIN):
        return None
    told = _told(content)
    if left_over := _LEFT_OVER.search(told):
        number = int(left_over[1])
        if number <= MAX_LEFT_OVER or not _before_end(content, number).strip(_FILLING):
            return None
    return told or None


def _before_end(content: bytes, count: int) -> bytes:
    end = content.rfind(_END)
    return content[max(end - count, 0) : max(end, 0)]


def _told(content: bytes) -> str:
    """Decode to an eighth of the size, which still reads each byte; return libjpeg's first word."""
    with held_back(lambda line: not _TOLD.match(line)) as lines, suppress(cv2.error):
        # What OpenCV does not decode at all is for `images.decode` to refuse.
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    found = next(filter(_TOLD.match, lines), b"")
    return found.decode("ascii", "replace").strip()
