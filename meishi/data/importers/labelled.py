"""What a reader of a foreign format hands on: photos with outlines, still in the tool's own terms.

Outlines are in pixels of the stated frame with OUR convention, pixel centres at integers: a reader
whose tool counts from pixel edges (0 is the left border of the first pixel) subtracts `EDGE_PX`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from meishi.data.importers.folding import composed
from meishi.data.importers.masks import Mask

EDGE_PX = 0.5

Kind = Literal["polygon", "corners", "mask", "refused"]
# Four points are the corners of the box they belong to if it ends at them, but for this share.
BOX_SLACK = 0.2


@dataclass(frozen=True, eq=False)
class Shape:
    """One labelled object.

    Attributes:
        labels: its label; several where the tool lets one shape have more.
        where: its place in the file, for messages.
        kind: "polygon" (parts of one outline), "corners" (four, any order), "mask", or "refused"
            (a shape that is no card's outline).
        parts_px: (N, 2) each; pixel centres at integers, in the stated frame, or relative to it:
            see `LabelledPhoto.relative`.
        mask: of the whole photo, for "mask".
        refusal: for "refused", why, place included; told only if the label is asked for.
        design: the card's design, when the file states it.
    """

    labels: tuple[str, ...]
    where: str
    kind: Kind
    parts_px: tuple[np.ndarray, ...] = ()
    mask: Mask | None = None
    refusal: str = ""
    design: str | None = None


class Part(NamedTuple):
    """A shape of a tool in which a box and points, or several shapes, may be one object.

    Attributes:
        group: what the parts of an object share; None of a shape that stands alone.
        form: the tool's; "rectangle" and "point" have a meaning.
        shape: the shape.
    """

    group: str | None
    form: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class LabelledPhoto:
    """One photo and what is labelled in it.

    Attributes:
        reference: the photo's path as the file states it.
        near: the folder relative to which it may be meant, inside the source.
        where: the file and place that names it, for messages.
        shapes: its objects; none in a photo without cards.
        size_px: width and height that the labels were made at; None when the file does not say.
        or_else: a second path, taken when the first leads to nothing.
        relative: the shapes' coordinates are shares of the frame, not pixels.
        upright: they were drawn on the upright picture, whatever size is stated.
        in_browser: they were drawn on what a browser shows, which is upright since 2020.
        content: the picture itself, when the label file carries it and no file is found.
        group: what the photo shares with others (a clip, a document): one design for all of it.
        background: likewise, for the surface.
        local: these two names mean something within the source alone.
        unsure: labels of shapes that nobody set in it, whether they are among `shapes` or not.
        versions: its objects once more, as others labelled them; they must agree on the cards.
        listed_in: the label file, inside the source, if the reader tells it.
    """

    reference: str
    near: str
    where: str
    shapes: tuple[Shape, ...]
    size_px: tuple[int, int] | None = None
    or_else: str | None = None
    relative: bool = False
    upright: bool = False
    in_browser: bool = False
    content: bytes | None = None
    group: str | None = None
    background: str | None = None
    local: bool = False
    unsure: frozenset[str] = frozenset()
    versions: tuple[tuple[Shape, ...], ...] = ()
    listed_in: str = ""


@dataclass
class Tally:
    """What an import met and left out, so that it can be said."""

    labels: Counter[str] = field(default_factory=Counter)
    ignored_labels: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count what another one has counted, too."""
        self.labels.update(other.labels)
        self.ignored_labels.update(other.ignored_labels)
        self.left_out.update(other.left_out)

    def lines(self) -> list[str]:
        """Say it, a line each."""
        told = [f"label {name!r}: {count} shapes" for name, count in sorted(self.labels.items())]
        told += [
            f"label {name!r}: {count} shapes, ignored"
            for name, count in sorted(self.ignored_labels.items())
        ]
        return told + [f"{what}: {count}" for what, count in sorted(self.left_out.items()) if count]


def refused(labels: tuple[str, ...], where: str, why: str) -> Shape:
    """Make the shape that is no card's outline."""
    return Shape(labels, where, "refused", refusal=f"{where}: {why}")


def cards(shapes: Sequence[Shape], labels: Sequence[str], tally: Tally) -> tuple[Shape, ...]:
    """Choose the shapes that mean a card, and count all.

    Args:
        shapes: of one photo.
        labels: the labels that mean a card; every label when empty.
        tally: counts the labels, of other shapes, too.

    Returns:
        Those shapes. Where labels are asked for, an outline without any may be a card's or not:
        it is among them, refused.
    """
    kept = []
    asked = {composed(label) for label in labels}
    for shape in shapes:
        if labels and not shape.labels and shape.kind != "refused":
            shape = refused((), shape.where, "it has no label: a card, or not?")
            card = True
        else:
            card = not labels or any(composed(label) in asked for label in shape.labels)
        counter = tally.labels if card else tally.ignored_labels
        counter.update(shape.labels or ("",))
        kept += [shape] if card else []
    return tuple(kept)


def joined(shapes: list[Shape]) -> Shape:
    """Make one shape of the parts of one object: polygons, or points that are its corners."""
    first = shapes[0]
    if len(shapes) == 1:
        return first
    if wrong := [shape for shape in shapes if shape.kind == "refused"]:
        told = dict.fromkeys(shape.refusal for shape in wrong if shape.refusal)
        return replace(wrong[0], refusal="; ".join(told))
    kinds = sorted({shape.kind for shape in shapes})
    if len(kinds) > 1:
        return refused(first.labels, first.where, f"{' and '.join(kinds)} in one group")
    if first.kind == "mask":
        return refused(first.labels, first.where, "several masks in one group; draw one")
    parts = tuple(part for shape in shapes for part in shape.parts_px)
    if first.kind == "corners":
        parts = (np.concatenate(parts),)
    return replace(first, parts_px=parts)


def cornered(parts: list[Part]) -> list[Part]:
    """Put one shape in place of those of a group that mean it together.

    A box and four points are a pose: the box frames the card and is not its outline, whatever the
    points' labels. With more points or fewer it is refused: the card is not what the box is. Four
    points that are all of a group are corners, too, and so are the only four in the picture, each
    of a label of its own, that are in none. A box in a group with an outline of its label frames
    it, which is what CVAT takes it for, and is left away.
    """
    loose = [part for part in parts if part.form == "point" and part.group is None]
    if len(loose) == len({part.shape.labels for part in loose}) == 4:  # a label for each corner
        parts = [part._replace(group="") if part in loose else part for part in parts]
    alone = [part for part in parts if part.group is None]
    groups: dict[str, list[Part]] = {}
    for part in parts:
        if part.group is not None:
            groups.setdefault(part.group, []).append(part)
    return [*alone, *(part for own in groups.values() for part in _of_group(own))]


def _of_group(own: list[Part]) -> list[Part]:
    boxes = [part for part in own if part.form == "rectangle"]
    box = boxes[0] if len(boxes) == 1 and boxes[0].shape.kind == "polygon" else None
    points = [part for part in own if part.form == "point"]
    if box and not points:  # one shape of several points; of the box's label it may be an outline
        marks = [part for part in own if part.shape.kind == "corners"]
        points = [part for part in marks if part.shape.labels != box.shape.labels]
    count = sum(len(part_px) for point in points for part_px in point.shape.parts_px)
    rest = [part for part in own if part is not box and part not in points]
    if count == 4 and (box or len(own) == 4):
        corners = [point.shape for point in points]
        pose = _of_box(box.shape, corners) if box else _of_points(corners)
        return [*rest, Part(None, "corners", pose)]
    if box and points:
        why = f"a box and {count} points in its group; expected its four corners: set all four"
        labels = _of_points([point.shape for point in points]).labels
        both = tuple(dict.fromkeys((*box.shape.labels, *labels)))
        return [*rest, Part(None, "", refused(both, box.shape.where, why))]
    if box is None:
        return own
    rest = [part for part in own if part is not box]
    framed = [part.shape for part in rest if part.shape.labels == box.shape.labels]
    drawn = [part for shape in framed for part in _drawn(shape)]
    if drawn and not ends_at(box.shape, np.concatenate(drawn)):
        why = "the box and the outline of its group disagree"
        return [*rest, Part(box.group, "", refused(box.shape.labels, box.shape.where, why))]
    return rest if framed else own


def _drawn(shape: Shape) -> tuple[np.ndarray, ...]:
    """List the points of an outline: (N, 2) each."""
    if shape.mask is None:
        return shape.parts_px
    rows, columns = np.nonzero(shape.mask.whole())
    return (np.stack([columns, rows], axis=1),)


def _of_points(points: list[Shape]) -> Shape:
    labels = tuple(dict.fromkeys(label for shape in points for label in shape.labels))
    return replace(joined(points), labels=labels)


def _of_box(box: Shape, points: list[Shape]) -> Shape:
    shape = _of_points(points)
    labels = tuple(dict.fromkeys((*box.labels, *shape.labels)))
    if any(point.kind != "corners" for point in points):
        return replace(shape, labels=labels)
    corners = np.concatenate([part for point in points for part in point.parts_px])
    if not ends_at(box, corners):
        return refused(labels, box.where, "the box and the four points of its group disagree")
    return replace(box, labels=labels, kind="corners", parts_px=(corners,))


def is_box(points_px: np.ndarray) -> bool:
    """Tell whether points, (N, 2), are the corners of an upright rectangle and no others."""
    corners = np.unique(points_px, axis=0)
    return len(corners) == 4 and all(len(np.unique(axis)) == 2 for axis in corners.T)


def ends_at(box: Shape, points_px: np.ndarray) -> bool:
    """Tell whether points go as far as a box does, but for `BOX_SLACK` of it."""
    ends, own = ([part.min(axis=0), part.max(axis=0)] for part in (box.parts_px[0], points_px))
    return bool((np.abs(np.subtract(ends, own)) <= BOX_SLACK * np.subtract(*ends[::-1])).all())
