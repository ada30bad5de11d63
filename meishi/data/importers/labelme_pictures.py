"""The picture that a labelme file carries, compared with the file that it names."""

import posixpath

import cv2
import numpy as np

from meishi.data.importers.opening import OpenError, Source
from meishi.data.importers.orientation import as_stored, orientation
from meishi.pictures import images

# One picture, compressed twice, differs less than this when it is made so small.
ALIKE_PX, ALIKE_LEVELS = (32, 32), 4.0


def is_another(source: Source, found: str, near: str, carried: bytes | None) -> bool:
    """Tell whether a file elsewhere only has the name of the picture that a label file carries.

    The carried one may have been compressed anew. Another size is told where the labels are placed.
    """
    if carried is None or posixpath.dirname(found) == near:
        return False
    try:
        file = source.read(found)
        if file == carried:
            return False
        pair = [images.decode(content) for content in (file, carried)]
    except (OpenError, images.ImageError):
        return False  # told where the file is read; what is carried is not needed
    return pair[0].shape == pair[1].shape and _difference(*pair) > ALIKE_LEVELS


def carries_upright(source: Source, found: str, carried: bytes | None) -> bool:
    """Tell whether the carried picture is beyond doubt the upright one of the file.

    The carried one was labelled. Asked only where its size does not tell the upright picture from
    the stored one: half turns, mirrors and squares.
    """
    if carried is None:
        return False
    try:
        file = source.read(found)
        turn = orientation(file)
        if turn == 1 or orientation(carried) != 1:
            return False
        upright, own = images.decode(file), images.decode(carried)
    except (OpenError, images.ImageError, *images.DAMAGE):
        return False  # told where the file is read
    stored = as_stored(upright, turn)
    if not upright.shape == stored.shape == own.shape:
        return False
    # Twice: a picture that looks about alike both ways says nothing.
    fits = _difference(upright, own) <= ALIKE_LEVELS
    return fits and _difference(stored, own) > 2 * ALIKE_LEVELS


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    small = [cv2.resize(image, ALIKE_PX, interpolation=cv2.INTER_AREA) for image in (one, other)]
    return float(np.abs(np.subtract(*small, dtype=np.float64)).mean())
