"""Shapes of one group that mean one card: a box with its four corners, or with an outline."""

from dataclasses import replace

import numpy as np

from meishi.data.importers.labelled import Part, Shape, ends_at, joined, refused

PRINTED_SHARE = 0.5  # of the area that four corners take up: a larger box frames them, badly


def cornered(parts: list[Part], framed: bool = False) -> list[Part]:
    """Put one shape in place of those of a group that mean it together.

    A box and four points are a pose: the box frames the card and is not its outline, whatever the
    points' labels. With more points or fewer it is refused: the card is not what the box is. Four
    points that are all of a group are corners, too, and so are the only four in the picture, each
    of a label of its own, that are in none. A box in a group with an outline of its label frames
    it, which is what CVAT takes it for, and is left away.

    Args:
        parts: of one photo.
        framed: whether a box is known to frame the points of its group, and marks no print.

    Returns:
        The parts, with one in place of each such group.
    """
    loose = [part for part in parts if part.form == "point" and part.group is None]
    if len(loose) == len({part.shape.labels for part in loose}) == 4:  # a label for each corner
        parts = [part._replace(group="") if part in loose else part for part in parts]
    alone = [part for part in parts if part.group is None]
    groups: dict[str, list[Part]] = {}
    for part in parts:
        if part.group is not None:
            groups.setdefault(part.group, []).append(part)
    return [*alone, *(part for own in groups.values() for part in _of_group(own, framed))]


def _of_group(own: list[Part], framed: bool) -> list[Part]:
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
        if box and not framed and _is_printed(box.shape, _of_points(corners)):
            return [*rest, box._replace(group=None), Part(None, "corners", _of_points(corners))]
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
    inside = [part.shape for part in rest if part.shape.labels == box.shape.labels]
    drawn = [part for shape in inside for part in _drawn(shape)]
    if drawn and not ends_at(box.shape, np.concatenate(drawn)):
        why = "the box and the outline of its group disagree"
        return [*rest, Part(box.group, "", refused(box.shape.labels, box.shape.where, why))]
    return rest if inside else own


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


def _is_printed(box: Shape, points: Shape) -> bool:
    """Tell whether a box marks what stands on a card of which four points are the corners.

    It has another label than all four, lies within them, and is smaller by far.
    """
    if points.kind != "corners" or len(points.labels) != 1 or box.labels == points.labels:
        return False
    low, high = points.parts_px[0].min(axis=0), points.parts_px[0].max(axis=0)
    start, end = box.parts_px[0].min(axis=0), box.parts_px[0].max(axis=0)
    inside = (start >= low).all() and (end <= high).all()
    return bool(inside and np.prod(end - start) <= PRINTED_SHARE * np.prod(high - low))
