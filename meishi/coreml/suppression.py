"""Core ML's non-maximum suppression model, in NumPy.

It takes `confidence` (A, labels) and `coordinates` (A, 4; centre x, centre y, width, height) and
keeps the boxes whose best label reaches the confidence threshold and that no better box overlaps by
more than the IoU threshold: among boxes of the same label when the model says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from meishi.errors import InputError
from meishi.geometry.boxes import nms, xyxy_from_cxcywh


@dataclass(frozen=True)
class Suppression:
    """A suppression stage: names of its features and its default thresholds."""

    confidence: tuple[str, str]  # input name, output name
    coordinates: tuple[str, str]
    iou: tuple[str, float]  # optional input name, default
    score: tuple[str, float]
    per_label: bool
    least: int = 0  # rows: fewer are filled up with zeros
    most: int | None = None

    @classmethod
    def from_spec(cls, spec, where: str) -> "Suppression":
        """Read the model's description.

        Args:
            spec: of the model.
            where: names the package in errors.

        Raises:
            InputError: if its features are not those that are described, or a threshold or the
                number of labels is none that suppression has.
        """
        nms_spec = spec.nonMaximumSuppression
        if faults := [*_feature_faults(spec), *_value_faults(nms_spec, spec.description.output)]:
            raise InputError(f"{where}: suppression: {'; '.join(faults)}; convert again")
        least, most = _bounds(spec.description.output)
        return cls(
            confidence=(nms_spec.confidenceInputFeatureName, nms_spec.confidenceOutputFeatureName),
            coordinates=(
                nms_spec.coordinatesInputFeatureName,
                nms_spec.coordinatesOutputFeatureName,
            ),
            iou=(nms_spec.iouThresholdInputFeatureName, nms_spec.iouThreshold),
            score=(nms_spec.confidenceThresholdInputFeatureName, nms_spec.confidenceThreshold),
            per_label=nms_spec.pickTop.perClass,
            least=least,
            most=most,
        )

    @property
    def takes(self) -> set[str]:
        """The inputs that a prediction must have."""
        return {self.confidence[0], self.coordinates[0]}

    @property
    def makes(self) -> set[str]:
        """The outputs."""
        return {self.confidence[1], self.coordinates[1]}

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Suppress; the outputs are float32 with the best box first.

        Raises:
            InputError: for boxes or thresholds of other shapes than Core ML's.
        """
        confidence, coordinates = (
            self._rows(values, name) for name, _ in (self.confidence, self.coordinates)
        )
        if coordinates.shape != (len(confidence), 4):
            raise InputError(
                f"{self.coordinates[0]}: expected ({len(confidence)}, 4) for {self.confidence[0]} "
                f"of {confidence.shape}, got {coordinates.shape}"
            )
        score_threshold, iou_threshold = (
            self._threshold(values, *part) for part in (self.score, self.iou)
        )

        scores, labels = confidence.max(axis=1), confidence.argmax(axis=1)
        candidates = np.flatnonzero(scores >= score_threshold)
        groups = labels[candidates] if self.per_label else np.zeros_like(candidates)
        kept = [
            self._kept(candidates[groups == group], coordinates, scores, iou_threshold)
            for group in np.unique(groups)
        ]
        rows = np.concatenate([*kept, np.empty(0, np.int64)]).astype(np.int64)
        rows = rows[np.lexsort((rows, -scores[rows]))]
        found = {self.confidence[1]: confidence, self.coordinates[1]: coordinates}
        return {name: self._sized(array[rows]) for name, array in found.items()}

    def _sized(self, array: np.ndarray) -> np.ndarray:
        absent = max(0, self.least - len(array[: self.most]))
        return np.pad(array[: self.most], ((0, absent), (0, 0)))

    @staticmethod
    def _rows(values: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name not in values:
            raise InputError(f"suppression takes {name!r}, which nothing before it makes")
        array = np.asarray(values[name])
        if array.ndim > 2 and set(array.shape[:-2]) == {1}:
            array = array.reshape(array.shape[-2:])
        if array.ndim != 2 or not array.shape[1]:
            raise InputError(f"{name}: expected a row for each box, got {array.shape}")
        return array

    @staticmethod
    def _threshold(values: Mapping[str, np.ndarray], name: str, default: float) -> float:
        array = np.asarray(values.get(name, default))
        if array.size != 1 or array.dtype.kind not in "fiu" or np.isnan(array).any():
            raise InputError(f"{name}: expected one number, got {array.dtype} {array.shape}")
        return float(array.reshape(()))

    @staticmethod
    def _kept(rows, coordinates, scores, iou_threshold: float) -> np.ndarray:
        boxes_xyxy = xyxy_from_cxcywh(coordinates[rows])
        return rows[nms(boxes_xyxy, scores[rows], iou_threshold, max_boxes=len(rows))]


def _feature_faults(spec) -> Iterator[str]:
    """Say which features the model names that its description has not, or not as arrays.

    A description that lists none says nothing.
    """
    nms_spec, described = spec.nonMaximumSuppression, spec.description
    for part, features in (("Input", described.input), ("Output", described.output)):
        kinds = {feature.name: feature.type.WhichOneof("Type") for feature in features}
        for what in ("confidence", "coordinates"):
            key = f"{what}{part}FeatureName"
            name = getattr(nms_spec, key)
            if kinds and name not in kinds:
                yield f"{key} is {name!r}, expected one of {sorted(kinds)}"
            elif kinds.get(name, "multiArrayType") != "multiArrayType":
                yield f"{name} is described as {kinds[name]}, expected an array"


def _value_faults(nms_spec, outputs) -> Iterator[str]:
    """Say which thresholds are out of range, and what does not fit the described columns."""
    if not 0 <= nms_spec.iouThreshold <= 1:
        yield f"iouThreshold: expected 0 to 1, got {nms_spec.iouThreshold:g}"
    if not nms_spec.confidenceThreshold >= 0:
        yield f"confidenceThreshold: expected 0 or more, got {nms_spec.confidenceThreshold:g}"
    columns = {output.name: _columns(output.type.multiArrayType) for output in outputs}
    boxes = nms_spec.coordinatesOutputFeatureName
    if columns.get(boxes) not in (4, None):
        yield f"{boxes}: expected 4 columns, its description has {columns[boxes]}"
    kind = nms_spec.WhichOneof("ClassLabels")
    count = len(getattr(nms_spec, kind).vector) if kind else 0
    stated = columns.get(nms_spec.confidenceOutputFeatureName)
    if count and stated not in (count, None):
        yield f"{count} labels, but {nms_spec.confidenceOutputFeatureName} has {stated} columns"


def _columns(array) -> int | None:
    """Read how many columns an output has; None where the description leaves it open."""
    if (ranges := array.shapeRange.sizeRanges) and len(ranges) == 2:
        low, high = ranges[1].lowerBound, ranges[1].upperBound
        return low if low == high else None
    return array.shape[1] if len(array.shape) == 2 else None


def _bounds(outputs) -> tuple[int, int | None]:
    """Read how many rows the outputs may have: as many as their first axes allow."""
    least, most = 0, None
    for output in outputs:
        array = output.type.multiArrayType
        if ranges := array.shapeRange.sizeRanges:
            low, high = ranges[0].lowerBound, ranges[0].upperBound
        else:
            low = high = array.shape[0] if len(array.shape) == 2 else 0
        least = max(least, low)
        if high > 0:
            most = high if most is None else min(most, high)
    return least, most
