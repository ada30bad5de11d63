"""EXIF rotation: were the labels made on the stored picture, or on the upright one?

Tools differ, and so do versions of one tool. The size that the labels state decides; where it
cannot (a square, a half turn or a mirror) a tool in the browser shows what the browser does, and of
others, and where no size is stated, the photo is refused by name.
"""

import io

import numpy as np

from meishi.errors import InputError
from meishi.geometry import quads
from meishi.pictures import images

REMEDY = "turn the picture itself upright (exiftran -a, or jpegtran) and check its labels"


class OrientationError(InputError):
    """It cannot be told which picture was labelled; the message completes "FILE: ..."."""


def orientation(content: bytes) -> int:
    """Read the EXIF orientation of a sound picture file, 1 to 8; 1 when it states none."""
    with images.own_checks(), images.opened(io.BytesIO(content)) as picture:
        return images.orientation(picture)


def as_stored(image: np.ndarray, turn: int) -> np.ndarray:
    """Turn an upright picture, (H, W, 3), back to how its file stores it; `turn` is EXIF's."""
    if turn in (2, 3, 6, 7):
        image = image[:, ::-1]
    if turn in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image.transpose(1, 0, 2) if turn >= 5 else image)


def refuse_other_size(
    turn: int, upright_px: tuple[int, int], stated_px: tuple[int, int] | None
) -> None:
    """Refuse labels of another size than that of the picture, upright or stored.

    Args:
        turn: EXIF orientation.
        upright_px: size of the upright picture.
        stated_px: size the labels state, if they do.

    Raises:
        OrientationError: if it is neither picture's.
    """
    stored_px = upright_px[::-1] if turn >= 5 else upright_px
    if stated_px is not None and stated_px not in (upright_px, stored_px):
        stated, real = (f"{size[0]}x{size[1]}" for size in (stated_px, upright_px))
        raise OrientationError(
            f"the labels were made at {stated} px, the picture is {real} px; export both alike"
        )


def labelled_upright(
    turn: int,
    upright_px: tuple[int, int],
    stated_px: tuple[int, int] | None,
    in_browser: bool = False,
) -> bool:
    """Tell whether labels were made on the upright picture.

    Args:
        turn: EXIF orientation.
        upright_px: size of the upright picture.
        stated_px: size the labels state.
        in_browser: they were drawn in a browser: upright where a stated size does not tell.

    Raises:
        OrientationError: if the size fits neither picture, or nothing can decide.
    """
    refuse_other_size(turn, upright_px, stated_px)
    stored_px = upright_px[::-1] if turn >= 5 else upright_px
    if turn == 1:
        return True
    if stated_px is None:
        raise OrientationError(
            f"EXIF orientation {turn}, and the labels state no size: they may belong to the "
            f"stored or to the upright picture; {REMEDY}"
        )
    if stored_px == upright_px:
        if in_browser:
            return True
        raise OrientationError(
            f"EXIF orientation {turn}, and the stated size fits the stored and the upright "
            f"picture alike; {REMEDY}"
        )
    return stated_px == upright_px


def to_upright(points_px: np.ndarray, turn: int, stored_px: tuple[int, int]) -> np.ndarray:
    """Move points from the stored picture to the upright one.

    Args:
        points_px: (N, 2), pixel centres at integers, stored picture.
        turn: EXIF orientation (TIFF 6.0 p. 36): where row 0 and column 0 are on the upright one.
        stored_px: width and height of the stored picture.

    Returns:
        (N, 2) float64, pixel centres at integers, upright picture.
    """
    x, y = quads.to_relative(points_px, stored_px).T
    moved = {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[turn]
    upright_px = stored_px[::-1] if turn >= 5 else stored_px
    return quads.to_px(np.stack(moved, axis=1), upright_px)
