"""Multi-scale anchors (SSD, Liu et al. 2016, sec. 2.2).

An anchor (also: prior, default box) is a box the detector corrects. Rows run level by level, then
row by row of the feature map, then column by column, then by shape; the heads' rows follow the
same order.
"""

from collections.abc import Sequence

import numpy as np

from meishi.errors import InputError


def make_anchors(
    levels: Sequence[int], scales: Sequence[Sequence[float]], aspects: Sequence[float]
) -> np.ndarray:
    """Lay anchors over every cell of every feature map.

    Args:
        levels: side of each square feature map in cells, finest first.
        scales: per level, square roots of the anchors' areas, relative to the frame.
        aspects: width / height of the anchors in the frame as the network sees it.

    Returns:
        (A, 4) float32 anchors, cxcywh relative; they may reach over the frame's border.

    Raises:
        InputError: if levels and scales differ in number.
    """
    if len(levels) != len(scales):
        raise InputError(f"ssd.scales: expected {len(levels)} rows, one a level, got {len(scales)}")
    rows = [_level(cells, sizes, aspects) for cells, sizes in zip(levels, scales, strict=True)]
    return np.concatenate(rows).astype(np.float32)


def anchors_per_cell(scales: Sequence[float], aspects: Sequence[float]) -> int:
    """Count the anchors that share a centre on a level with these scales."""
    return len(scales) * len(aspects)


def _level(cells: int, scales: Sequence[float], aspects: Sequence[float]) -> np.ndarray:
    centres = (np.arange(cells) + 0.5) / cells
    shapes = [(s * np.sqrt(a), s / np.sqrt(a)) for s in scales for a in aspects]
    cy, cx, shape = np.meshgrid(centres, centres, np.arange(len(shapes)), indexing="ij")
    sizes = np.asarray(shapes)[shape]  # (cells, cells, K, 2)
    grid = np.concatenate([cx[..., None], cy[..., None], sizes], axis=-1)
    return grid.reshape(-1, 4)
