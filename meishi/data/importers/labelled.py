"""What a reader of a foreign format hands on: photos with outlines, still in the tool's own terms.

Outlines are in pixels of the stated frame with OUR convention, pixel centres at integers: a reader
whose tool counts from pixel edges (0 is the left border of the first pixel) subtracts `EDGE_PX`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
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
        content: gives the picture itself, when the label file carries it and no file is found; not
            the bytes, for an export of thousands would fill the memory.
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
    content: Callable[[], bytes] | None = None
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


def is_box(points_px: np.ndarray) -> bool:
    """Tell whether points, (N, 2), are the corners of an upright rectangle and no others."""
    corners = np.unique(points_px, axis=0)
    return len(corners) == 4 and all(len(np.unique(axis)) == 2 for axis in corners.T)


def ends_at(box: Shape, points_px: np.ndarray) -> bool:
    """Tell whether points go as far as a box does, but for `BOX_SLACK` of it."""
    ends, own = ([part.min(axis=0), part.max(axis=0)] for part in (box.parts_px[0], points_px))
    return bool((np.abs(np.subtract(ends, own)) <= BOX_SLACK * np.subtract(*ends[::-1])).all())
