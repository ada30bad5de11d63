"""Int8 grids as Core ML stores them: an integer in -127..127 times a float16 scale per channel.

coremltools derives the scale of a channel from its largest weight, in float16 arithmetic. Weights
that were put on a grid would be moved by that once more; `int8_grid` chooses a scale that the
derivation gives back, so that such weights are stored as they are.
"""

import numpy as np

LEVELS = 127
TRIES = 16  # neighbouring float16 scales; the first or second holds for nearly every channel


def int8_grid(weights: np.ndarray, axis: int) -> np.ndarray:
    """Move weights onto the grid of their channel.

    Args:
        weights: any shape, finite.
        axis: of the channels.

    Returns:
        float32 of the same shape: float16 numbers that `stored` gives back unchanged. A channel
        whose scale float16 cannot hold becomes zero.

    Raises:
        ValueError: if no scale near the best one is stable.
    """
    columns = np.moveaxis(np.asarray(weights, np.float64), axis, 0)
    flat = columns.reshape(len(columns), -1)
    result = np.zeros_like(flat)
    largest = np.abs(flat).max(axis=1)
    scales = (largest / LEVELS).astype(np.float16)
    open_channels = np.flatnonzero(scales > 0)
    for number in range(TRIES):
        if len(open_channels) == 0:
            break
        tried = _neighbour(scales[open_channels], number)[:, None]
        levels = np.clip(np.round(flat[open_channels] / tried), -LEVELS, LEVELS)
        on_grid = (levels.astype(np.float32) * tried.astype(np.float32)).astype(np.float16)
        kept = (stored(on_grid, 0) == on_grid).all(axis=1)
        result[open_channels[kept]] = on_grid[kept]
        open_channels = open_channels[~kept]
    if len(open_channels):
        raise ValueError(f"channels {open_channels.tolist()}: no stable int8 scale")
    return np.moveaxis(result.reshape(columns.shape), 0, axis).astype(np.float32)


def stored(weights: np.ndarray, axis: int) -> np.ndarray:
    """Return what a package holds of float16 weights after coremltools' symmetric quantisation.

    Args:
        weights: float16.
        axis: of the channels.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    # Float16 throughout, as coremltools computes it (`compute_qparams`, mode linear_symmetric).
    scale = (largest + largest) / np.float16(2 * LEVELS)
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.clip(np.round(weights / scale), -LEVELS, LEVELS)
    levels = np.where(scale > 0, levels, 0).astype(np.float32)
    return (levels * scale.astype(np.float32)).astype(np.float16)


def _neighbour(scales: np.ndarray, number: int) -> np.ndarray:
    """Step from float16 scales to the number-th nearest: itself, one up, one down, two up."""
    steps = (number + 1) // 2 * (1 if number % 2 else -1)
    bits = scales.view(np.int16) + np.int16(steps)  # positive floats are ordered as their bits
    return np.maximum(bits, 1).astype(np.int16).view(np.float16)
