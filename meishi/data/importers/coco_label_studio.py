"""What Label Studio means by the numbers of its COCO export.

Polygons are percent of the upright picture, times the size of the stored one; the two differ where
EXIF turns a picture. Keypoints are pixels of the upright one, counted from its edges and rounded
to whole ones. Of all the keypoints in a picture it makes one annotation: of each label the last
point that was set. So corners of several cards are lost, or mixed. Only where a single rectangle
is in the picture, and frames the four points, are they one card's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from meishi.data.importers.grouping import cornered
from meishi.data.importers.labelled import (
    EDGE_PX,
    LabelledPhoto,
    Part,
    Shape,
    refused,
)
from meishi.data.importers.nodes import Node, as_number

PIECES = (
    "Label Studio's converter of brushes makes an annotation of each piece of a mask, so that "
    "those of one card cannot be told from those of others; export JSON"
)
MIXED = (
    "Label Studio's COCO keeps one set of keypoints a picture, the last ones of all its cards, and "
    "no single rectangle here says that they are one card's; export its JSON"
)


def of_label_studio(photo: LabelledPhoto, rows: Sequence[Node]) -> LabelledPhoto:
    """Bring a photo that was read as any COCO to what Label Studio wrote.

    Args:
        photo: the photo, upright or not.
        rows: the annotations of its shapes, in their order.
    """
    photo = replace(photo, shapes=_with_keypoints(photo.shapes, rows))
    kinds = {shape.kind for shape in photo.shapes}
    if photo.size_px is None or "polygon" not in kinds:
        return replace(photo, upright=True)
    if "corners" in kinds:
        return replace(photo, size_px=None)  # refused if EXIF turns it: the two do not agree
    shapes = [
        replace(shape, parts_px=tuple((part + EDGE_PX) / photo.size_px for part in shape.parts_px))
        for shape in photo.shapes
    ]
    return replace(photo, shapes=tuple(shapes), relative=True, upright=True)


def of_converter(photo: LabelledPhoto) -> LabelledPhoto:
    """Refuse the pieces of masks that Label Studio's converter of brushes writes one by one.

    Args:
        photo: the photo, read as any COCO.
    """
    labels = Counter(shape.labels for shape in photo.shapes)
    shapes = tuple(
        refused(shape.labels, shape.where, PIECES) if labels[shape.labels] > 1 else shape
        for shape in photo.shapes
    )
    return replace(photo, shapes=shapes)


def _with_keypoints(shapes: tuple[Shape, ...], rows: Sequence[Node]) -> tuple[Shape, ...]:
    """Join the keypoints of a picture with its only rectangle; refuse them if there is none."""
    points = [shape for shape in shapes if shape.kind == "corners"]
    if not points:
        return shapes
    boxes = [
        (shape, box)
        for shape, row in zip(shapes, rows, strict=True)
        if (box := _rectangle(shape, row)) is not None
    ]
    if len(points) > 1 or len(boxes) != 1:
        told = [*points, *(shape for shape, _ in boxes)]
        return tuple(refused(s.labels, s.where, MIXED) if s in told else s for s in shapes)
    (corners,), ((framing, box),) = points, boxes
    own = [replace(corners, parts_px=(corner[None] - EDGE_PX,)) for corner in corners.parts_px[0]]
    parts = [Part("", "rectangle", box), *(Part("", "point", shape) for shape in own)]
    rest = [shape for shape in shapes if shape is not corners and shape is not framing]
    return (*rest, *(part.shape for part in cornered(parts, framed=True)))


def _rectangle(shape: Shape, row: Node) -> Shape | None:
    """Read the box of an annotation that has nothing else, as an outline; None if there is more."""
    value = row.at("bbox").value
    numbers = [as_number(v) for v in value] if isinstance(value, list) else []
    bare = shape.kind == "refused" and not (
        row.at("segmentation").value or row.at("keypoints").value
    )
    if not bare or len(numbers) != 4 or None in numbers:
        return None
    left, top, width, height = np.array(numbers, dtype=np.float64) - [EDGE_PX, EDGE_PX, 0, 0]
    ends = np.array([[left, top], [left + width, top + height]])
    return replace(shape, kind="polygon", parts_px=(ends,), refusal="")
