"""Palettes of one-dimensional weights: k-means, nearest entries, float16 grids.

A palette holds the few values that a tensor of weights may take; Core ML stores each weight as the
number of its entry. k-means of numbers needs no search: the values are sorted once, and a cluster
is a run of them.
"""

import numpy as np

ROUNDS = 200


def make_palette(values: np.ndarray, entries: int) -> np.ndarray:
    """Cluster numbers by k-means (Lloyd 1982), from quantiles; deterministic.

    Args:
        values: any shape, finite.
        entries: size of the palette, at least 1.

    Returns:
        (K,) float64 ascending, K <= entries: fewer where the values are fewer.
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=None)
    distinct = np.unique(ordered)
    if len(distinct) <= entries:
        return distinct
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    palette = _start(ordered, entries)
    for _ in range(ROUNDS):
        edges = np.searchsorted(ordered, (palette[1:] + palette[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(ordered)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, palette)
        if np.array_equal(moved, palette):
            break
        palette = moved
    return palette


def _start(ordered: np.ndarray, entries: int) -> np.ndarray:
    """Spread entries between quantiles (where values are) and a uniform grid (where errors are)."""
    shares = (np.arange(entries) + 0.5) / entries
    uniform = ordered[0] + shares * (ordered[-1] - ordered[0])
    return (np.quantile(ordered, shares) + uniform) / 2


def nearest(values: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Replace each value by the palette's nearest entry; of two as near, the upper one."""
    edges = (palette[1:] + palette[:-1]) / 2
    return palette[np.searchsorted(edges, values, side="right")]


def to_float16(values: np.ndarray) -> np.ndarray:
    """Round to what a package stores, float32."""
    return np.asarray(values).astype(np.float16).astype(np.float32)
