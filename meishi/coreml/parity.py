"""How far a package is from the Keras model it came from, on real images."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from meishi.coreml import examples, export
from meishi.coreml.freeze import by_name
from meishi.coreml.runtime import Package
from meishi.errors import InputError
from meishi.geometry.boxes import nms, xyxy_from_cxcywh
from meishi.keras import keras

CANDIDATES = 50  # anchors that the check of the suppression lets through


class ParityError(InputError):
    """A converted model differs from its source by more than is allowed."""


def package_differences(
    ssd: keras.Model,
    unet: keras.Model,
    folder: Path,
    scenes: Sequence[examples.Scene],
    margin: float,
    iou_threshold: float,
) -> dict[str, dict[str, float]]:
    """Compare each package that `export` writes with what it was made from.

    Args:
        ssd: the Keras detector.
        unet: the Keras segmenter.
        folder: holds the three packages.
        scenes: prepared scenes.
        margin: of the segmenter's crop.
        iou_threshold: of the suppression.

    Returns:
        By package and output, the largest absolute difference over the scenes.
    """
    raw, pipeline, segmenter = (
        Package.load(folder / f"{name}.mlpackage")
        for name in (export.RAW_DETECTOR, export.DETECTOR, export.SEGMENTER)
    )
    frames = examples.detector_images(scenes, ssd.input_shape[1])
    crops = examples.segmenter_images(scenes, unet.input_shape[1], margin)
    return {
        export.RAW_DETECTOR: program_differences(ssd, export.DETECTOR_OUTPUTS, raw, frames),
        export.DETECTOR: pipeline_differences(raw, pipeline, frames, iou_threshold),
        export.SEGMENTER: program_differences(unet, export.SEGMENTER_OUTPUTS, segmenter, crops),
    }


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


def require(differences: Mapping[str, Mapping[str, float]], tolerance: float) -> None:
    """Refuse models that differ by more than `tolerance`.

    Args:
        differences: by model, by output.
        tolerance: the largest difference allowed, of any output.

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
        raise ParityError("\n".join([*faults, "nothing is written (params: convert.tolerance)"]))


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
