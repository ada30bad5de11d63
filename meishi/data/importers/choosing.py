"""Which photos and shapes of an export are asked for.

A reader does not know the labels that mean a card. What depends on them is decided here: a shape
of another label neither makes annotators differ nor a frame uncertain.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from meishi.data.importers.folding import composed
from meishi.data.importers.labelled import (
    BOX_SLACK,
    LabelledPhoto,
    Shape,
    Tally,
    cards,
    ends_at,
    is_box,
)

INTERPOLATED = "frames with shapes that CVAT interpolated, left out"


def choose(
    photos: Sequence[LabelledPhoto], labels: Sequence[str], faults: list[str], tally: Tally
) -> list[LabelledPhoto]:
    """Keep of photos the shapes that mean a card, as their annotators agree.

    A box that four points end at, which belong to no card, is a fault: they may be its corners.

    Args:
        photos: those that nothing is uncertain in, see `certain`.
        labels: the labels that mean a card; every label when empty.
        faults: receives photos that several people labelled in different ways, and such boxes.
        tally: counts the labels, of other shapes, too.
    """
    kept = []
    for photo in photos:
        shapes = cards(photo.shapes, labels, tally)
        others = [cards(version, labels, Tally()) for version in photo.versions]
        if any(_alike(other) != _alike(shapes) for other in others):
            faults.append(
                f"{photo.where}: {len(others) + 1} annotations that differ; keep the one that is "
                "right, or mark it as ground truth"
            )
        else:
            faults += [
                f"{shape.where}: a box, and in it four points that belong to no card; group them "
                "with it if they are its corners, or remove one or the other"
                for shape in shapes
                if _holds_corners(shape, photo.shapes)
            ]
            kept.append(replace(photo, shapes=shapes, versions=()))
    return kept


def _holds_corners(box: Shape, shapes: Sequence[Shape]) -> bool:
    """Tell whether four single points go as far as an upright box does."""
    if box.kind != "polygon" or len(box.parts_px) != 1 or not is_box(box.parts_px[0]):
        return False
    low, high = box.parts_px[0].min(axis=0), box.parts_px[0].max(axis=0)
    slack = BOX_SLACK * (high - low)
    points = [shape.parts_px[0] for shape in shapes if _is_point(shape)]
    inside = [own for own in points if (own >= low - slack).all() and (own <= high + slack).all()]
    return len(inside) == 4 and ends_at(box, np.concatenate(inside))


def _is_point(shape: Shape) -> bool:
    return shape.kind == "corners" and [len(part) for part in shape.parts_px] == [1]


def certain(
    photos: Sequence[LabelledPhoto], labels: Sequence[str], tally: Tally
) -> list[LabelledPhoto]:
    """Leave out, and count, photos with a shape of a card that nobody set; see `choose`."""
    sure = [photo for photo in photos if not _uncertain(photo, labels)]
    tally.left_out[INTERPOLATED] += len(photos) - len(sure)
    return sure


def _uncertain(photo: LabelledPhoto, labels: Sequence[str]) -> bool:
    if not labels:
        return bool(photo.unsure)
    asked = {composed(label) for label in labels}
    own = [{composed(label) for label in shape.labels} for shape in photo.shapes]
    # A box and its four points are one card: none of their labels may be in doubt.
    meant = asked.union(*(each for each in own if each & asked))
    return not meant.isdisjoint(map(composed, photo.unsure))


def missing_labels(labels: Sequence[str], tally: Tally) -> list[str]:
    """Say of labels that are asked for that no shape has them."""
    there = sorted({*map(composed, (*tally.labels, *tally.ignored_labels))} - {""})
    if not there and not (tally.labels or tally.ignored_labels or tally.left_out[INTERPOLATED]):
        return [
            f"no shape has the label {label!r}: there is not one shape; the writer may have "
            "dropped them, so export another format; if no photo holds a card, state no labels"
            for label in labels
        ]
    return [
        f"no shape has the label {label!r}; there are {there}"
        for label in labels
        if composed(label) not in there
    ]


def signature(shapes: Sequence[Shape]) -> list[str]:
    """Reduce shapes to what two files that say the same write alike, in whatever order."""
    return sorted(
        repr((shape.kind, shape.refusal, [part.tolist() for part in shape.parts_px], shape.mask))
        for shape in shapes
    )


def in_order(outlines: Iterable[np.ndarray]) -> list[list[float]]:
    """List quads, each (4, 2), in an order of their own: files may list the same cards in any."""
    return sorted(outline.ravel().tolist() for outline in outlines)


def _alike(shapes: Sequence[Shape]) -> list[str]:
    """Reduce shapes to what two people who agree draw alike, in whatever order."""
    found = []
    for shape in shapes:
        parts = [part.tolist() for part in shape.parts_px]
        if shape.kind == "corners":  # four keypoints, one after the other as they were set
            parts = [sorted(part) for part in parts]
        elif shape.kind == "polygon":
            parts = [_round(part) for part in parts]
        refusal = shape.refusal.replace(shape.where, "")
        found.append(repr((shape.kind, refusal, sorted(parts), shape.mask)))
    return sorted(found)


def _round(points: list[list[float]]) -> list[list[float]]:
    """Go round an outline from one point and in one direction, whichever was drawn first."""
    first = points.index(min(points))
    onward = points[first:] + points[:first]
    return min(onward, [onward[0], *onward[:0:-1]])
