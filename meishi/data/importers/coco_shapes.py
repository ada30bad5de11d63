"""The outline of one COCO annotation: polygons, run lengths, four keypoints; see `coco`."""

from typing import Any

import numpy as np

from meishi.data.importers.labelled import BOX_SLACK, EDGE_PX, Shape, is_box, refused
from meishi.data.importers.masks import Mask, pack
from meishi.data.importers.nodes import Node, as_number, described, shortened
from meishi.data.importers.rle import RleError, mask_from_runs, unpacked_runs
from meishi.geometry import boxes, polygons

SAME_BOX_IOU = 0.5  # of an outline's extent and its stated box: from here on they agree
ALIKE_BOX_IOU = 0.95  # ... and from here on the one is the other, in another unit


def outline(node: Node, label: tuple[str, ...], image: Node, crowds: bool) -> Shape | None:
    """Read an annotation's outline.

    Args:
        node: the annotation.
        label: of its category.
        image: the entry of its picture.
        crowds: a crowd may be a card, see `coco`.

    Returns:
        The shape, "refused" if it is no card's outline; None, and faults of the node, if what it
        states is damaged.
    """
    design = node.at("attributes").at("design").value
    design = design if isinstance(design, str) and design else None
    crowd = node.at("iscrowd").value
    if crowd and as_number(crowd) != 0 and not crowds:  # tools write "0", too
        why = (
            "iscrowd: a crowd is no single card; outline each card (CVAT marks its masks so in "
            "COCO: export 'CVAT for images 1.1'; supervision those with holes or of several parts: "
            "set iscrowd to 0 in detections.data before as_coco)"
        )
        return refused(label, node.where, why)
    segmentation = _segmentation(node)
    corners = _keypoints(node, needed=not segmentation.value)
    if corners is not None:
        drawn = _drawn(segmentation, image)
        if not (_around(corners, drawn) or _is_frame(corners, drawn)):
            why = "keypoints and segmentation disagree: the outline goes beyond the four keypoints"
            return refused(label, node.where, why)
        return Shape(label, node.where, "corners", (corners,), design=design)
    if isinstance(segmentation.value, dict):
        mask = _mask(segmentation, image)
        return mask if mask is None else Shape(label, node.where, "mask", (), mask, design=design)
    if not segmentation.value:
        return (
            None
            if node.faults
            else refused(
                label,
                node.where,
                "only a box, which is no outline; export polygons or four keypoints",
            )
        )
    parts = _parts(segmentation)
    if parts and (unturned := _unturned(parts, node)):
        return refused(label, node.where, unturned)
    if parts and (disagreement := _in_another_unit(parts, node.at("bbox").value)):
        return refused(label, node.where, disagreement)
    return Shape(label, node.where, "polygon", parts, design=design) if parts else None


def _segmentation(node: Node) -> Node:
    """Step to the outline; a list of empty lists is as good as none."""
    found = node.at("segmentation")
    empty = isinstance(found.value, list) and not any(part != [] for part in found.value)
    return Node(None, found.where, found.faults) if empty else found


def _unturned(parts: tuple[np.ndarray, ...], node: Node) -> str | None:
    """Say of a box that it is turned, and its outline is not, as Encord writes it.

    Half a turn makes the same box of it.
    """
    stated = (node.at("attributes").at("rotation").value, node.at("rotation").value)
    turns = [turn for turn in map(as_number, stated) if turn is not None and turn % 180]
    if not turns or len(parts) != 1 or not is_box(parts[0]):
        return None
    return f"rotation {turns[0]:g}, but the outline is an upright box; export polygons"


def _in_another_unit(parts: tuple[np.ndarray, ...], bbox: Any) -> str | None:
    """Say that an outline has its box's shape, but is scaled, or has x and y exchanged.

    Any other box says nothing: tools write ones that are rounded, cut by the frame, corners in
    place of sizes, or made up.
    """
    if not isinstance(bbox, list) or len(bbox) != 4 or None in map(as_number, bbox):
        return None
    x, y, width, height = (float(as_number(value) or 0) for value in bbox)
    points = np.concatenate(parts) + EDGE_PX
    drawn = np.concatenate([points.min(axis=0), points.max(axis=0)])
    stated = np.array([x, y, x + width, y + height])
    if min(width, height) <= 0 or boxes.iou_matrix(drawn, stated).max() >= SAME_BOX_IOU:
        return None
    scale = float(stated[2:].max() / max(drawn[2:].max(), 1e-9))
    swapped = drawn[[1, 0, 3, 2]]
    if boxes.iou_matrix(drawn * scale, stated).max() >= ALIKE_BOX_IOU:
        what = f"the outline is {1 / scale:.3g} times as large as its bbox"
    elif boxes.iou_matrix(swapped, stated).max() >= ALIKE_BOX_IOU:
        what = "the outline is its bbox with x and y exchanged"
    else:
        return None
    return f"segmentation and bbox disagree: {what}; expected pixels of the picture: export again"


def _parts(segmentation: Node) -> tuple[np.ndarray, ...]:
    """Read polygons: x, y, x, y, ... each, or [x, y] pairs, as writers of one's own make them."""
    value = segmentation.value
    if isinstance(value, list) and (as_number(value[0]) is not None or _is_pair(value[0])):
        value = [value]  # one polygon, its points not in a list of their own
    if not isinstance(value, list):
        segmentation.complain(f"expected polygons or run lengths, got {described(value)}")
        return ()
    nodes = [
        Node(part, f"{segmentation.where}[{index}]", segmentation.faults)
        for index, part in enumerate(value)
    ]
    parts = [
        node.points()
        if isinstance(node.value, list) and node.value and _is_pair(node.value[0])
        else node.flat_points()
        for node in nodes
    ]
    return tuple(part - EDGE_PX for part in parts if part is not None)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and None not in map(as_number, value)


def _drawn(segmentation: Node, image: Node) -> np.ndarray:
    """List the points of what is drawn beside keypoints: (N, 2), none if nothing is."""
    parts: tuple[np.ndarray, ...] = ()
    if isinstance(segmentation.value, dict) and segmentation.value:
        mask = _mask(segmentation, image)
        parts = (polygons.outline_of_mask(mask.whole()),) if mask else ()
    elif isinstance(segmentation.value, list) and segmentation.value:
        parts = _parts(segmentation)
    return np.concatenate([np.empty((0, 2)), *parts])


def _keypoints(node: Node, needed: bool) -> np.ndarray | None:
    """Read four keypoints x, y, visibility that are all set; faults only if there is no more.

    Without visibilities, as X-AnyLabeling may write them, 0 0 is one that is not set.
    """
    keypoints = node.at("keypoints")
    if not keypoints.value:
        return None
    rows = keypoints.value if isinstance(keypoints.value, list) else []
    numbers = [as_number(v) for v in rows]
    if len(numbers) == 12 and None not in numbers:
        table = np.array(numbers, dtype=np.float64).reshape(4, 3)
        if np.isin(table[:, 2], (1, 2)).all():  # else not set, or a model's confidence
            return table[:, :2]
    if len(numbers) == 8 and None not in numbers and as_number(node.at("num_keypoints").value) == 4:
        pairs = np.array(numbers, dtype=np.float64).reshape(4, 2)
        if pairs.any(axis=1).all():
            return pairs
    if needed:
        keypoints.complain("expected four corners as x, y, visibility, each of visibility 1 or 2")
    return None


def _around(corners: np.ndarray, outline: np.ndarray) -> bool:
    """Tell whether an outline lies within four keypoints, but for a tenth of their size."""
    hull = polygons.convex_hull(corners)
    sides = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    inward = ((outline[:, None] - hull) * normals).sum(axis=2)
    return bool((inward > -0.1 * np.ptp(corners, axis=0).max()).all())


def _is_frame(corners: np.ndarray, outline: np.ndarray) -> bool:
    """Tell whether an outline is an upright rectangle around four keypoints, drawn or filled."""
    ends, own = ([part.min(axis=0), part.max(axis=0)] for part in (outline, corners))
    slack = BOX_SLACK * np.subtract(*ends[::-1])
    return is_box(outline) and bool((np.abs(np.subtract(ends, own)) <= slack).all())


def _mask(segmentation: Node, image: Node) -> Mask | None:
    size = _whole_numbers(segmentation.at("size").value)
    stated = as_number(image.at("width").value), as_number(image.at("height").value)
    if size is None or len(size) != 2 or min(size) < 1 or max(size) > 100_000:
        got = shortened(segmentation.at("size").value)
        segmentation.complain(f"size: expected [height, width], got {got}")
        return None
    if None not in stated and any(stated) and stated != (size[1], size[0]):
        segmentation.complain(
            f"size: {size[1]}x{size[0]} px; the image is {stated[0]:g}x{stated[1]:g} px"
        )
        return None
    try:
        runs = _runs(segmentation.at("counts").value)
        return pack(mask_from_runs(runs, (size[1], size[0])))
    except RleError as error:
        segmentation.complain(str(error))
        return None


def _runs(counts: Any) -> list[int]:
    if isinstance(counts, str):
        return unpacked_runs(counts)
    if (runs := _whole_numbers(counts)) is None:
        raise RleError(f"counts: expected text, or whole numbers, got {shortened(counts)}")
    return runs


def _whole_numbers(value: Any) -> list[int] | None:
    numbers = [as_number(v) for v in value] if isinstance(value, list) else [None]
    whole = [int(v) for v in numbers if v is not None and not v % 1]
    return whole if len(whole) == len(numbers) else None
