"""Keypoints of Label Studio that no rectangle was joined with."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from meishi.data.importers.labelled import Shape, joined, refused
from meishi.geometry import quads
from meishi.geometry.polygons import convex_hull

SAME_CARDS_IOU = 0.03  # outlines of one corner of each of four cards share more, but for rows
CORNER_LABELS = (
    "keypoints of one label, which overlap those of another: corners of several cards? draw each "
    "card's in a rectangle (its parent), or polygons"
)


def of_loose(keypoints: Mapping[tuple, list[Shape]]) -> list[Shape]:
    """Make cards of what keypoints are left: those of one label, or region, are a card's corners.

    Unless there are four such labels: then each may be one corner of four cards, and the label
    says which. Such outlines overlap, and are refused.

    Args:
        keypoints: single points, by what they have in common.
    """
    found = [joined(own) for own in keypoints.values()]
    outlines = [
        convex_hull(shape.parts_px[0]) if shape.kind == "corners" else np.zeros((0, 2))
        for shape in found
    ]
    whole = [index for index, outline in enumerate(outlines) if len(outline) == 4]
    overlaps = (quads.iou(outlines[i], outlines[j]) for i, j in combinations(whole, 2))
    if len(whole) != 4 or max(overlaps) < SAME_CARDS_IOU:
        return found
    return [
        refused(shape.labels, shape.where, CORNER_LABELS) if index in whole else shape
        for index, shape in enumerate(found)
    ]
