"""Running a network over many pictures, batch by batch."""

from collections.abc import Callable

import numpy as np

BATCH = 16


def predict(model: Callable, squares: list[np.ndarray]) -> list[np.ndarray]:
    """Run a model on pictures.

    Args:
        model: of one image input (B, S, S, 3) float32; one output or several.
        squares: (S, S, 3) uint8 pictures.

    Returns:
        One array an output, a row a picture.
    """
    parts = []
    for start in range(0, len(squares), BATCH):
        outputs = model(np.asarray(squares[start : start + BATCH], np.float32), training=False)
        parts.append(
            [np.asarray(o) for o in (outputs if isinstance(outputs, list | tuple) else [outputs])]
        )
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
