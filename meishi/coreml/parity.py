"""How far a package is from the Keras model it came from, on real images."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from meishi.coreml import export
from meishi.coreml.freeze import OUTPUTS, by_name
from meishi.coreml.runtime import Package
from meishi.errors import InputError
from meishi.geometry.boxes import nms, xyxy_from_cxcywh
from meishi.keras import keras
from meishi.variants import Variant

CANDIDATES = 50  # anchors that the check of the suppression lets through


class ParityError(InputError):
    """A converted model differs from its source by more than is allowed."""


def differences(
    variant: Variant,
    model: keras.Model,
    folder: Path,
    images: Sequence[np.ndarray],
    iou_threshold: float,
) -> dict[str, dict[str, float]]:
    """Compare each package of a variant with what it was made from.

    Args:
        variant: whose packages these are.
        model: the Keras network.
        folder: holds the packages.
        images: RGB (S, S, 3) uint8 of the network's size.
        iou_threshold: of the suppression.

    Returns:
        By package and output, the largest absolute difference over the images.
    """
    program, *pipeline = (
        Package.load(folder / f"{name}{variant.suffix}") for name in export.PACKAGES[variant.model]
    )
    names = export.PACKAGES[variant.model]
    found = {names[0]: program_differences(model, OUTPUTS[variant.model], program, images)}
    for package in pipeline:
        found[names[1]] = pipeline_differences(program, package, images, iou_threshold)
    return found


def program_differences(
    model: keras.Model, names: list[str], package: Package, images: Sequence[np.ndarray]
) -> dict[str, float]:
    """Compare a program with its Keras model.

    Args:
        model: the source.
        names: its outputs, as given to `freeze`.
        package: the program.
        images: RGB (H, W, 3) uint8 of the model's size.

    Returns:
        By output, the largest absolute difference over the images.
    """
    rows = []
    for image in images:
        outputs = by_name(model(image[None].astype(np.float32), training=False), names)
        expected = {name: value.numpy() for name, value in outputs.items()}
        rows.append(max_difference(expected, package.predict({"image": image})))
    return _largest(rows)


def pipeline_differences(
    raw: Package, pipeline: Package, images: Sequence[np.ndarray], iou_threshold: float
) -> dict[str, float]:
    """Compare a detector pipeline with the raw head followed by `geometry.boxes.nms`.

    The score threshold is set on each image so that `CANDIDATES` anchors pass it: an untrained or
    unsure detector must not make the comparison an empty one.
    """
    rows = []
    for image in images:
        head = raw.predict({"image": image})
        scores = head["confidence"].max(axis=1)
        threshold = np.sort(scores)[-min(CANDIDATES, len(scores))]
        passed = np.flatnonzero(scores >= threshold)
        boxes_xyxy = xyxy_from_cxcywh(head["coordinates"][passed])
        kept = passed[nms(boxes_xyxy, scores[passed], iou_threshold, len(passed))]
        given = {"confidenceThreshold": threshold, "iouThreshold": iou_threshold}
        actual = pipeline.predict({"image": image} | given)
        rows.append(max_difference({name: value[kept] for name, value in head.items()}, actual))
    return _largest(rows)


def max_difference(
    expected: Mapping[str, np.ndarray], actual: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return the largest absolute difference of each output.

    Args:
        expected: outputs of the source by name; a batch axis of 1 is ignored.
        actual: outputs of the converted model by the same names.

    Raises:
        ParityError: if names or shapes differ, or a value is not finite.
    """
    if set(expected) != set(actual):
        raise ParityError(f"outputs differ in name: {sorted(expected)}, got {sorted(actual)}")
    return {name: _difference(name, expected[name], actual[name]) for name in sorted(expected)}


def require(differences: Mapping[str, Mapping[str, float]], tolerance: float, param: str) -> None:
    """Refuse models that differ by more than `tolerance`.

    Args:
        differences: by model, by output.
        tolerance: the largest difference allowed, of any output.
        param: where params.yaml states it, for the message.

    Raises:
        ParityError: naming each output that is beyond it.
    """
    faults = [
        f"{model}: {output} differs from its source by {value:.4g}, allowed {tolerance:g}"
        for model, outputs in differences.items()
        for output, value in outputs.items()
        if value > tolerance
    ]
    if faults:
        raise ParityError("\n".join([*faults, f"nothing is written (params: {param})"]))


def _largest(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    rows = list(rows)
    if not rows:
        raise ParityError("no images to compare the models on")
    return {name: max(row[name] for row in rows) for name in rows[0]}


def _difference(name: str, expected: np.ndarray, actual: np.ndarray) -> float:
    a, b = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    if a.shape[:1] == (1,) and a.ndim == b.ndim + 1:
        a = a[0]
    if a.shape != b.shape:
        raise ParityError(f"output {name}: expected shape {a.shape}, got {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ParityError(f"output {name}: not every value is finite")
    return float(np.abs(a - b).max(initial=0.0))
