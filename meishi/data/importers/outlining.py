"""From the shapes of one labelled photo to the quads of its cards, on the upright picture."""

from collections.abc import Sequence

import numpy as np

from meishi.data.importers.labelled import EDGE_PX, LabelledPhoto, Shape
from meishi.data.importers.orientation import (
    OrientationError,
    labelled_upright,
    refuse_other_size,
    to_upright,
)
from meishi.data.importers.tracing import mask_of_trace
from meishi.geometry import quads
from meishi.geometry.polygon_areas import without_specks
from meishi.geometry.polygon_quads import (
    NoQuadError,
    quad_from_corners,
    quad_from_mask_outline,
    quad_from_outline,
)

# Two outlines that overlap so far are one card, labelled twice.
SAME_CARD_IOU = 0.9
# An upright box whose sides are at another outline's outmost points, but for this share of its own,
# frames that card and is none.
FRAME_SLACK = 0.05
# A side that was fitted must run inside the photo for this share: else nothing says where it runs.
MIN_SIDE_SHOWN = 0.1
SIDE_SAMPLES = 200
# Nobody outlines a card so small; shares of the frame that stand for pixels come out so.
MIN_CARD_PX = 3.0
BORDER_PX = 1.0
ON_SIDE_PX = 0.5  # so near the line between its neighbours a point is no corner
UPRIGHT_PX = 0.01  # sides that leave their row by less; shares of the frame are rounded
REMEDY = (
    "where the card goes on cannot be told; mark its four corners, those outside of the photo too"
)


def outlines(
    photo: LabelledPhoto,
    shapes: Sequence[Shape],
    turn: int,
    upright_px: tuple[int, int],
    faults: list[str],
) -> list[tuple[Shape, np.ndarray]]:
    """Find the quads of a photo's cards.

    Args:
        photo: the photo, with the size its labels were made at.
        shapes: those of its shapes that are cards.
        turn: EXIF orientation of the picture.
        upright_px: size of the upright picture.
        faults: receives what is no quad, with file and place.

    Returns:
        Each card's shape and its quad, (4, 2) float64, canonical, pixels of the upright picture;
        a card that is labelled twice with the very same outline comes once.
    """
    try:
        # Another size may be another picture, and that one may show cards.
        refuse_other_size(turn, upright_px, photo.size_px)
        if not shapes:
            return []
        upright = photo.upright or labelled_upright(
            turn, upright_px, photo.size_px, photo.in_browser
        )
    except OrientationError as error:
        faults.append(f"{photo.where}: {photo.reference}: {error}")
        return []
    frame_px = upright_px if upright or turn < 5 else upright_px[::-1]
    found: list[tuple[Shape, np.ndarray]] = []
    for shape in shapes:
        if shape.kind == "refused":
            faults += [shape.refusal] if shape.refusal else []
            continue
        try:
            quad_px = _fitted(shape, frame_px, photo.relative)
            _refuse_specks(quad_px)
        except NoQuadError as error:
            faults.append(f"{shape.where}: the outline {error}")
            continue
        if not upright:
            quad_px = quads.canonical(to_upright(quad_px, turn, frame_px))
        if not _is_repeated(shape, quad_px, found, faults):
            found.append((shape, quad_px))
    return found


def _fitted(shape: Shape, frame_px: tuple[int, int], relative: bool) -> np.ndarray:
    if shape.kind == "mask" and shape.mask is not None:
        size_px = shape.mask.size_px
        if size_px != frame_px:
            raise NoQuadError(f"is a mask of {size_px} px; the picture has {frame_px} px")
        return _shown(quad_from_mask_outline(shape.mask.whole(), frame_px), frame_px)
    parts = [quads.to_px(part, frame_px) if relative else part for part in shape.parts_px]
    if shape.kind == "corners":
        corners = np.concatenate(parts)
        if len(corners) != 4:
            raise NoQuadError(
                f"has {len(corners)} points; a card has four corners, of one label and group"
            )
        return quad_from_corners(corners)
    parts = [_once_each(part) for part in parts]
    traced = mask_of_trace([part + EDGE_PX for part in parts], frame_px)
    if traced is not None:
        return _shown(quad_from_mask_outline(traced, frame_px), frame_px)
    parts = without_specks(parts)
    if sum(map(len, parts)) == 4:
        return quad_from_outline(parts, frame_px)  # as drawn
    if len(parts) == 1 and (four := _only_corners(parts[0])) is not None:
        return quad_from_outline([four], frame_px)
    return _shown(quad_from_outline(parts, frame_px), frame_px)  # its sides are fitted


def _refuse_specks(quad_px: np.ndarray) -> None:
    width, height = np.ptp(quad_px, axis=0)
    if max(width, height) < MIN_CARD_PX:
        raise NoQuadError(
            f"is {width:.2g}x{height:.2g} px; are these shares of the frame in place of pixels?"
        )
    sides = np.linalg.norm(np.roll(quad_px, -1, axis=0) - quad_px, axis=1)
    if (thin := abs(quads.area(quad_px)) / sides.max()) < MIN_CARD_PX:
        raise NoQuadError(f"is {thin:.2g} px thin, a slip of the mouse? remove it")


def _once_each(part: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before, as the last may the first: a double click does so."""
    other = (part != np.roll(part, 1, axis=0)).any(axis=1)
    return part[other] if other.any() else part[:1]


def _only_corners(part: np.ndarray) -> np.ndarray | None:
    """Leave out stops on the way along a side: (4, 2), or None if that leaves no four corners."""
    before, after = np.roll(part, 1, axis=0), np.roll(part, -1, axis=0)
    corners = part[_off_segments(part[:, None], before[:, None], after[:, None])[:, 0] > ON_SIDE_PX]
    if len(corners) != 4:
        return None
    off = _off_segments(part[:, None], corners, np.roll(corners, -1, axis=0)).min(axis=1)
    return corners if off.max() <= ON_SIDE_PX else None  # else a curve of small steps


def _off_segments(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Measure how far points lie from segments: (N, K) of (N, 1, 2), and (K, 2) or (N, 1, 2)."""
    along = ends - starts
    square = np.maximum((along**2).sum(axis=-1), 1e-18)
    share = np.clip(((points - starts) * along).sum(axis=-1) / square, 0, 1)
    return np.linalg.norm(starts + share[..., None] * along - points, axis=-1)


def _shown(quad_px: np.ndarray, frame_px: tuple[int, int]) -> np.ndarray:
    """Refuse a fitted quad of which the photo does not show where each side runs.

    That is one with a side outside of the photo, nearly or in full, or with a side that runs along
    the photo's border, where the outline was cut, and on beyond its corner.
    """
    steps = (np.arange(SIDE_SAMPLES) + 0.5)[:, None, None] / SIDE_SAMPLES
    along = quad_px + steps * (np.roll(quad_px, -1, axis=0) - quad_px)
    # Outlines that were cut at the border lie on it, or a pixel beside it.
    last = np.array(frame_px) - 0.5
    inside = ((along >= -0.5 - BORDER_PX) & (along <= last + BORDER_PX)).all(axis=-1)
    if (sides_on_border(quad_px, frame_px) & (inside.mean(axis=0) < 1)).any():
        raise NoQuadError(f"was cut by the border of the photo: {REMEDY}")
    least = float(inside.mean(axis=0).min())
    if least < MIN_SIDE_SHOWN:
        raise NoQuadError(f"has a side of which the photo shows {least:.0%}: {REMEDY}")
    return quad_px


def sides_on_border(quad_px: np.ndarray, frame_px: tuple[int, int]) -> np.ndarray:
    """Tell which sides of a quad run along the photo's border: (4,) bool."""
    borders = np.array([[-0.5, -0.5], frame_px]) - [[0], [0.5]]
    near = np.abs(quad_px[:, None] - borders) <= BORDER_PX  # (corner, border, axis)
    return np.asarray((near & np.roll(near, -1, axis=0)).any(axis=(1, 2)))


def is_upright(quad_px: np.ndarray) -> bool:
    """Tell whether every side of a quad, (4, 2), runs along a row or a column, as tools draw it."""
    sides = np.abs(np.roll(quad_px, -1, axis=0) - quad_px)
    return bool((sides.min(axis=1) < UPRIGHT_PX).all())


def _is_repeated(
    shape: Shape, quad_px: np.ndarray, found: list[tuple[Shape, np.ndarray]], faults: list[str]
) -> bool:
    for other, other_px in found:
        if np.array_equal(quad_px, other_px):
            return True
        if (overlap := quads.iou(quad_px, other_px)) > SAME_CARD_IOU:
            faults.append(
                f"{shape.where}: the outline is that of {other.where} to {overlap:.0%}: one card "
                "labelled twice? keep one"
            )
            return True
        if _frames(quad_px, other_px) or _frames(other_px, quad_px):
            faults.append(
                f"{shape.where}: the outline and that of {other.where} are a card's and of the "
                "box around it: keep the card's"
            )
            return True
    return False


def _frames(box_px: np.ndarray, quad_px: np.ndarray) -> bool:
    """Tell whether an outline is the upright box around another."""
    low, high = box_px.min(axis=0), box_px.max(axis=0)
    slack = FRAME_SLACK * (high - low)
    ends = np.array([quad_px.min(axis=0), quad_px.max(axis=0)])
    # How far each corner is from the sides of the box: both near at corners of its own.
    own, others = (
        np.minimum(np.abs(corners - low), np.abs(corners - high)) for corners in (box_px, quad_px)
    )
    upright = (own <= 0.1 * slack).all()
    # An upright card in place of a turned one is another of a pile.
    turned = (others > slack).any()
    return bool(upright and turned and (np.abs(ends - [low, high]) <= slack).all())
