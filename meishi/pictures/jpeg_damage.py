"""Damage inside of a JPEG, which decoders bridge without a word.

A JPEG that was cut and mended with an end marker, or lost bytes in the middle, decodes to a picture
that is grey or shifted from there on. libjpeg knows, but Pillow drops what it says. OpenCV's lets
it write to descriptor 2, where it is caught.
"""

import os
import re
import sys
import tempfile

import cv2
import numpy as np

BEGIN = b"\xff\xd8"
_TOLD = re.compile(rb"^(?:Corrupt JPEG data|Premature end of JPEG file).*$", re.MULTILINE)
_LEFT_OVER = re.compile(r": (\d+) extraneous bytes before marker 0xd9$")
# Bytes between the picture and its end: cameras leave a few; more are what a fault in the middle
# has pushed out.
MAX_LEFT_OVER = 64


def damage(content: bytes) -> str | None:
    """Say what libjpeg found to be damaged in a JPEG that it decodes.

    Args:
        content: a picture file of any format.

    Returns:
        What it says, in its words; None for a sound JPEG and for other formats.
    """
    if not content.startswith(BEGIN):
        return None
    found = _TOLD.search(_said(content))
    told = found[0].decode("ascii", "replace").strip() if found else ""
    left_over = _LEFT_OVER.search(told)
    if not told or (left_over and int(left_over[1]) <= MAX_LEFT_OVER):
        return None
    return told


def _said(content: bytes) -> bytes:
    """Decode to an eighth of the size, which still reads each byte; return what libjpeg writes."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        except cv2.error:
            pass  # what OpenCV does not decode at all is for `images.decode` to refuse
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
        held.seek(0)
        said = held.read()
    os.write(2, _TOLD.sub(b"", said).lstrip(b"\r\n"))  # others' lines are not ours to drop
    return said
