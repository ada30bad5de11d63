"""Core ML's non-maximum suppression model, in NumPy.

It takes `confidence` (A, labels) and `coordinates` (A, 4; centre x, centre y, width, height) and
keeps the boxes whose best label reaches the confidence threshold and that no better box overlaps by
more than the IoU threshold: among boxes of the same label when the model says so.
"""

from collections.abc import Mapping
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
    def from_spec(cls, spec) -> "Suppression":
        """Read the model's description."""
        nms_spec = spec.nonMaximumSuppression
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
