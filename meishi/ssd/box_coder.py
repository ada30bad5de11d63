"""Offsets between anchors and boxes (SSD sec. 2.2, eq. 2), for training, evaluation and export."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class BoxCoder:
    """Turns boxes into offsets and back; one object serves NumPy and TensorFlow.

    Attributes:
        variances: scale of the (centre, size) offsets.
    """

    variances: tuple[float, float]

    def encode(self, boxes_cxcywh: np.ndarray, anchors_cxcywh: np.ndarray) -> np.ndarray:
        """Express boxes as offsets from their anchors.

        Args:
            boxes_cxcywh: (N, 4) relative, with area.
            anchors_cxcywh: (N, 4), row i belongs to box i.

        Returns:
            (N, 4) offsets (dx, dy, log dw, log dh); `decode` inverts it.

        Raises:
            ValueError: if a box has no area.
        """
        sizes = boxes_cxcywh[:, 2:]
        if (sizes <= 0).any():
            row = int(np.argmax((sizes <= 0).any(axis=1)))
            raise ValueError(f"box {row} has no area: {boxes_cxcywh[row].tolist()}")
        centres = (boxes_cxcywh[:, :2] - anchors_cxcywh[:, :2]) / anchors_cxcywh[:, 2:]
        logs = np.log(sizes / anchors_cxcywh[:, 2:])
        return np.concatenate([centres / self.variances[0], logs / self.variances[1]], axis=1)

    def decode(
        self,
        offsets: Any,
        anchors_cxcywh: Any,
        exp: Callable = np.exp,
        concat: Callable = np.concatenate,
    ) -> Any:
        """Apply offsets to their anchors.

        Args:
            offsets: (..., A, 4) as `encode` makes them.
            anchors_cxcywh: (A, 4).
            exp: of the array library; `tf.exp` in the graph.
            concat: of the array library; `tf.concat` in the graph.

        Returns:
            (..., A, 4) boxes, cxcywh relative.
        """
        centres = (
            offsets[..., :2] * self.variances[0] * anchors_cxcywh[:, 2:] + anchors_cxcywh[:, :2]
        )
        sizes = exp(offsets[..., 2:] * self.variances[1]) * anchors_cxcywh[:, 2:]
        return concat([centres, sizes], axis=-1)
