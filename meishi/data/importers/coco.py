"""COCO instances (JSON): polygons, run-length masks, four keypoints.

Coordinates: polygons count from pixel edges (0 is the left border of the first pixel; the mask
API rasterises them so, and the box of the whole picture is [0, 0, W, H]), so 0.5 is subtracted.
Keypoints are indices of pixels (the format's definition), so they stay. Masks are pixels.
A box alone is no outline, a crowd is no single card: both are refused.
"""

import posixpath
from collections.abc import Iterator
from typing import Any

import numpy as np

from meishi.data.importers.finding import same_path
from meishi.data.importers.label_files import json_files
from meishi.data.importers.labelled import EDGE_PX, LabelledPhoto, Shape, Tally, refused
from meishi.data.importers.masks import Mask, pack
from meishi.data.importers.nodes import MalformedError, Node, as_number, described, shortened
from meishi.data.importers.opening import Source
from meishi.data.importers.rle import RleError, mask_from_runs, unpacked_runs
from meishi.geometry import polygons

NAMED = ("annotation", "instances", "coco", "keypoints")
LISTS = ("images", "annotations", "categories")


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each listed picture with its annotations; one without any holds no card."""
    for name, value in json_files(source, "COCO annotation", _why_not, _named, faults, tally):
        if _lists_pictures_only(name, value):
            tally.left_out["lists of pictures without labels (image_info)"] += 1
            continue
        yield from _photos(Node(value, source.place(name), faults), posixpath.dirname(name))


def _why_not(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"expected keys and values, got {described(value)}"
    missing = [key for key in LISTS if not isinstance(value.get(key), list)]
    why = f"no list {', '.join(missing)}"
    if missing and "annotations" in value and ("categories" in value or _of_categories(value)):
        raise MalformedError(why)
    return why if missing else None


def _of_categories(value: dict) -> bool:
    """Tell whether annotations have categories; captions have none."""
    rows = value["annotations"] if isinstance(value["annotations"], list) else []
    return any(isinstance(row, dict) and "category_id" in row for row in rows)


def _named(name: str) -> bool:
    # COCO's own archives hold captions in the same folder: they outline nothing.
    base = posixpath.basename(name).lower()
    return not base.startswith("captions") and any(word in base for word in NAMED)


def _lists_pictures_only(name: str, value: dict) -> bool:
    """Tell COCO's lists of pictures that nobody labelled; Datumaro puts one beside its labels."""
    return posixpath.basename(name).lower().startswith("image_info") and not value["annotations"]


def _photos(root: Node, near: str) -> Iterator[LabelledPhoto]:
    labels = _categories(root)
    images: dict[Any, Node] = {}
    for image in root.items("images"):
        key = _key(image, "id")
        if key in images:
            image.complain(f"id {key} is also the id of {images[key].where}")
        elif key is not None:
            images[key] = image
    shapes: dict[Any, list[Shape]] = {key: [] for key in images}
    for annotation in root.items("annotations"):
        key = _key(annotation, "image_id")
        if key in images:
            shapes[key].append(_shape(annotation, labels, images[key]))
        elif key is not None:
            annotation.complain(f"image_id {key} is the id of no image")
    for key, image in images.items():
        if reference := image.text("file_name"):
            size_px = image.size_px("width", "height")
            longer = _longer_path(image, reference)
            yield LabelledPhoto(reference, near, image.where, tuple(shapes[key]), size_px, longer)


def _longer_path(image: Node, name: str) -> str | None:
    """Read the path that COCO Annotator states beside a bare name, which several may have."""
    path = image.at("path").value
    return path if isinstance(path, str) and same_path(path, name) else None


def _key(node: Node, field: str) -> str | None:
    """Read an id: a whole number or a text. 7, 7.0 and "7" are one: tools mix them."""
    value = node.at(field).value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value)
    node.at(field).complain(f"expected an id, got {described(value)}")
    return None


def _categories(root: Node) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for category in root.items("categories"):
        key, label = _key(category, "id"), category.text("name")
        if key is not None and label is not None:
            if found.get(key, label) != label:
                category.complain(f"id {key} is also the id of {found[key]!r}")
            found[key] = label
    return found


def _shape(annotation: Node, labels: dict[Any, str], image: Node) -> Shape:
    key = _key(annotation, "category_id")
    if key not in labels:
        if key is not None:
            annotation.complain(f"category_id {key} is the id of no category")
        return Shape((), annotation.where, "refused")
    told: list[str] = []
    quiet = Node(annotation.value, annotation.where, told)  # told only if the label is asked for
    shape = _outline(quiet, (labels[key],), image)
    if shape is None or told:
        return Shape((labels[key],), quiet.where, "refused", refusal="; ".join(told))
    return shape


def _outline(node: Node, label: tuple[str, ...], image: Node) -> Shape | None:
    design = node.at("attributes").at("design").value
    design = design if isinstance(design, str) and design else None
    crowd = node.at("iscrowd").value
    if crowd and as_number(crowd) != 0:  # tools write "0", too
        why = (
            "iscrowd: a crowd is no single card; outline each card (CVAT marks all its masks so in "
            "COCO: export 'CVAT for images 1.1')"
        )
        return refused(label, node.where, why)
    segmentation = node.at("segmentation")
    corners = _keypoints(node, needed=not segmentation.value)
    if corners is not None:
        if not _around(corners, _drawn(segmentation, image)):
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
    return Shape(label, node.where, "polygon", parts, design=design) if parts else None


def _parts(segmentation: Node) -> tuple[np.ndarray, ...]:
    value = segmentation.value
    if isinstance(value, list) and as_number(value[0]) is not None:
        value = [value]  # one polygon, its numbers not in a list of their own
    if not isinstance(value, list):
        segmentation.complain(f"expected polygons or run lengths, got {described(value)}")
        return ()
    parts = [
        Node(part, f"{segmentation.where}[{index}]", segmentation.faults).flat_points()
        for index, part in enumerate(value)
    ]
    return tuple(part - EDGE_PX for part in parts if part is not None)


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
    """Read four keypoints x, y, visibility that are all set; faults only if there is no more."""
    keypoints = node.at("keypoints")
    if not keypoints.value:
        return None
    rows = keypoints.value if isinstance(keypoints.value, list) else []
    numbers = [as_number(v) for v in rows]
    if len(numbers) == 12 and None not in numbers:
        table = np.array(numbers, dtype=np.float64).reshape(4, 3)
        if np.isin(table[:, 2], (1, 2)).all():  # else not set, or a model's confidence
            return table[:, :2]
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


def _mask(segmentation: Node, image: Node) -> Mask | None:
    size = _whole_numbers(segmentation.at("size").value)
    stated = as_number(image.at("width").value), as_number(image.at("height").value)
    if size is None or len(size) != 2 or min(size) < 1 or max(size) > 100_000:
        got = shortened(segmentation.at("size").value)
        segmentation.complain(f"size: expected [height, width], got {got}")
        return None
    if None not in stated and stated != (size[1], size[0]):
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
