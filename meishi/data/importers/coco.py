"""COCO instances (JSON): polygons, run-length masks, four keypoints.

Coordinates: polygons count from pixel edges (0 is the left border of the first pixel; the mask
API rasterises them so, and the box of the whole picture is [0, 0, W, H]), so 0.5 is subtracted.
Keypoints are indices of pixels (the format's definition), so they stay. Masks are pixels.
A box alone is no outline, a crowd is no single card: both are refused; but CVAT and Datumaro mark
every mask as a crowd, see `_masks_are_crowds`. Label Studio's are read by what it writes, see
`coco_label_studio`, FiftyOne's traced outlines by `tracing`.
"""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from meishi.data.importers.coco_boxes import BOXES, without_boxes
from meishi.data.importers.coco_entries import ENTRIES, put_together
from meishi.data.importers.coco_label_studio import of_converter, of_label_studio
from meishi.data.importers.coco_shapes import outline
from meishi.data.importers.coco_subsets import EMPTY_SUBSET, SUBSET, is_empty_subset
from meishi.data.importers.finding import same_path
from meishi.data.importers.label_files import json_files
from meishi.data.importers.labelled import LabelledPhoto, Shape, Tally
from meishi.data.importers.nodes import MalformedError, Node, as_number, described
from meishi.data.importers.opening import Source
from meishi.data.importers.tracing import of_fiftyone

NAMED = ("annotation", "instances", "coco", "keypoints")
LISTS = ("images", "annotations", "categories")
OUTLINING = {"segmentation", "keypoints", "bbox"}
CROWDS = "masks that are all marked iscrowd, as CVAT and Datumaro do, taken as cards"
LABEL_STUDIO = ("Label Studio", "Label Studio Converter")


def read(source: Source, faults: list[str], tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield each listed picture with its annotations; one without any holds no card."""
    files = list(json_files(source, "COCO annotation", _why_not, _named, faults, tally))
    listed = len(files)
    files = without_boxes(files, _in_subset)
    tally.left_out[BOXES] += listed - len(files)
    crowds = _masks_are_crowds([row for _, value in files for row in value["annotations"]])
    for name, value in files:
        if _lists_pictures_only(name, value):
            if not is_empty_subset(name, source.names, files):
                tally.left_out["lists of pictures without labels (image_info)"] += 1
                continue
            tally.left_out[EMPTY_SUBSET] += len(value["images"])
        if crowds:
            tally.left_out[CROWDS] += len(_outlined(value["annotations"]))
        yield from _photos(Node(value, source.place(name), faults), name, crowds, tally)


def _why_not(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"expected keys and values, got {described(value)}"
    missing = [key for key in LISTS if not isinstance(value.get(key), list)]
    why = f"no list {', '.join(missing)}"
    if missing and "annotations" in value and ("categories" in value or _of_categories(value)):
        raise MalformedError(why)
    if missing:
        return why
    # Datumaro writes labels of whole pictures, captions and panoptic maps in the same form.
    rows = [row for row in value["annotations"] if isinstance(row, dict)]
    outlines = not rows or any(OUTLINING & row.keys() for row in rows)
    return None if outlines else f"no annotation has {', '.join(sorted(OUTLINING))}"


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


def _masks_are_crowds(rows: list) -> bool:
    """Tell whether a tool has marked all it outlined as crowds, which then says nothing of any.

    Only if there is no other outline: beside a polygon, or a mask that is none, a crowd is what
    COCO means by it. Nor does a single one show a habit. Bare boxes show none either.
    """
    outlined = _outlined(rows)
    return len(outlined) > 1 and all(
        as_number(row.get("iscrowd")) == 1 and isinstance(row["segmentation"], dict)
        for row in outlined
    )


def _outlined(rows: list) -> list[dict]:
    return [row for row in rows if isinstance(row, dict) and row.get("segmentation")]


def _photos(root: Node, name: str, crowds: bool, tally: Tally) -> Iterator[LabelledPhoto]:
    """Yield the pictures of one file; `crowds`: see `_masks_are_crowds`."""
    writer = root.at("info").at("contributor").value
    images, rows = _images(root)
    labels = _categories(root)
    shapes = {
        key: tuple(_shape(row, labels, images[key], crowds) for row in own)
        for key, own in rows.items()
    }
    if writer not in LABEL_STUDIO:
        tally.left_out[ENTRIES] += put_together(images, rows, shapes)
    clip = name if any(_is_tracked(row) for own in rows.values() for row in own) else None
    fiftyone = "voxel51" in str(root.at("info").at("url").value)
    for key, image in images.items():
        if reference := image.text("file_name"):
            size_px = image.size_px("width", "height")
            first, second = _paths(image, reference, name)
            photo = LabelledPhoto(
                first,
                near=posixpath.dirname(name),
                where=image.where,
                shapes=shapes[key],
                size_px=size_px,
                or_else=second,
                group=clip,
                background=clip,
                local=True,
                unsure=_interpolated(shapes[key], rows[key]),
                listed_in=name,
            )
            if writer == LABEL_STUDIO[0]:
                photo = of_label_studio(photo, rows[key])
            elif writer == LABEL_STUDIO[1]:
                photo = of_converter(photo)
            yield of_fiftyone(photo) if fiftyone else photo


def _images(root: Node) -> tuple[dict[str, Node], dict[str, list[Node]]]:
    """Gather the pictures of a file by id, and the annotations of each."""
    images: dict[str, Node] = {}
    for image in root.items("images"):
        key = _key(image, "id")
        if key in images:
            image.complain(f"id {key} is also the id of {images[key].where}")
        elif key is not None:
            images[key] = image
    rows: dict[str, list[Node]] = {key: [] for key in images}
    for annotation in root.items("annotations"):
        key = _key(annotation, "image_id")
        if key in rows:
            rows[key].append(annotation)
        elif key is not None:
            annotation.complain(f"image_id {key} is the id of no image")
    return images, rows


def _is_tracked(annotation: Node) -> bool:
    """Tell whether an annotation is one of a track, as CVAT writes those of a video."""
    attributes = annotation.at("attributes")
    # Encord numbers tracks in photos, too, and has no key frames.
    numbered = attributes.at("track_id").value is not None
    return numbered and isinstance(attributes.at("keyframe").value, bool)


def _interpolated(shapes: Sequence[Shape], rows: Sequence[Node]) -> frozenset[str]:
    """List the labels of shapes of tracks that nobody set in this frame."""
    return frozenset(
        label
        for shape, row in zip(shapes, rows, strict=True)
        if _is_tracked(row) and row.at("attributes").at("keyframe").value is False
        for label in shape.labels
    )


def _paths(image: Node, reference: str, name: str) -> tuple[str, str | None]:
    """Say where a picture lies, whose bare name several may have, and where else.

    COCO Annotator states its path beside the name; CVAT and Datumaro name the label file by the
    subset whose folder it is in.
    """
    longer = image.at("path").value
    if isinstance(longer, str) and same_path(longer, reference):
        return reference, longer
    within = _in_subset(reference, name)
    return within, None if within == reference else reference


def _in_subset(reference: str, name: str) -> str:
    """Say where a picture lies whose label file is named by its subset; as stated, if it is not."""
    subset = SUBSET.match(posixpath.basename(name))
    return posixpath.join("images", subset["name"], reference) if subset else reference


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


def _shape(annotation: Node, labels: dict[Any, str], image: Node, crowds: bool) -> Shape:
    key = _key(annotation, "category_id")
    if key not in labels:
        if key is not None:
            annotation.complain(f"category_id {key} is the id of no category")
        return Shape((), annotation.where, "refused")
    told: list[str] = []
    quiet = Node(annotation.value, annotation.where, told)  # told only if the label is asked for
    shape = outline(quiet, (labels[key],), image, crowds)
    if shape is None or told:
        return Shape((labels[key],), quiet.where, "refused", refusal="; ".join(told))
    return shape
