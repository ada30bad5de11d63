"""The charts of quality: training curves, precision and recall, histograms, slices.

Each takes the snapshots to draw, the one the report is about first, and gives None when no file of
them has its figures. Altair checks every specification against Vega-Lite's schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from meishi import paths
from meishi.report.revisions import Snapshot

CURVE_POINTS = 400
SLICE_PX = 17
SLICE_FIGURES = (
    *("iou_mean", "iou_p05", "recall50", "corner_error_mean_pct", "corner_error_p95_pct"),
    *("exact_count", "empty_with_false_card", "ap50", "ap50_95"),
)


@dataclass(frozen=True)
class Drawing:
    """A chart with the words around it."""

    name: str
    title: str
    caption: str
    chart: alt.Chart | alt.LayerChart


def training(snapshots: Sequence[Snapshot], name: str, title: str) -> Drawing | None:
    """Draw a training's loss and its parts over its steps."""
    frame = _rows(snapshots, paths.PLOTS / f"{name}.csv")
    if frame is None:
        return None
    long = frame.melt(["step", "revision"], var_name="part", value_name="value")
    chart = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.5)
        .encode(
            alt.X("step:Q", title="step", scale=alt.Scale(nice=False)),
            alt.Y("value:Q", title="loss", scale=alt.Scale(type="log", nice=False)),
            alt.Color("part:N", title=None, legend=alt.Legend(orient="bottom")),
            _dash(snapshots),
            tooltip=["revision:N", "part:N", "step:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    return Drawing(name, title, "Mean of the steps since the last point; log scale.", chart)


def precision_recall(snapshots: Sequence[Snapshot]) -> Drawing | None:
    """Draw the detector's curve at IoU 0.5, thinned evenly along its length."""
    frame = _rows(snapshots, paths.PLOTS / "precision_recall.csv")
    if frame is None:
        return None
    frame["row"] = range(len(frame))  # a line goes through its points in the file's order
    thin = pd.concat([_thinned(part) for _, part in frame.groupby("revision", sort=False)])
    chart = (
        alt.Chart(thin)
        .mark_line()
        .encode(
            alt.X("recall:Q", scale=alt.Scale(domain=[0, 1])),
            alt.Y("precision:Q", scale=alt.Scale(domain=[0, 1])),
            _colour(snapshots),
            order="row:Q",
            tooltip=["revision:N", *_rounded("recall", "precision", "score")],
        )
    )
    caption = "The detector alone, boxes at IoU 0.5 on the test split."
    return Drawing("precision_recall", "Precision and recall", caption, chart)


def histogram(snapshots: Sequence[Snapshot], name: str) -> Drawing | None:
    """Draw the cards' IoUs or corner errors, as shares of the cards that are counted.

    Args:
        snapshots: see above.
        name: `capture_iou` or `corner_error`, a file of `plots/`: its first column is where each
            bin starts, all bins being equally wide.
    """
    frame = _rows(snapshots, paths.PLOTS / f"{name}.csv")
    if frame is None:
        return None
    title, caption = _HISTOGRAMS[name]
    parts = [_shares(part) for _, part in frame.groupby("revision", sort=False)]
    chart = (
        alt.Chart(pd.concat(parts))
        .mark_bar(opacity=0.65, binSpacing=0)
        .encode(
            alt.X("low:Q", bin="binned", title=title),
            x2="high:Q",
            y=alt.Y("share:Q", stack=None, axis=alt.Axis(format="%"), title="cards"),
            color=_colour(snapshots),
            tooltip=["revision:N", "low:Q", "high:Q", "cards:Q"],
        )
    )
    return Drawing(name, title, caption, chart)


_HISTOGRAMS = {
    "capture_iou": ("IoU of the quads", "Of all true cards; a missed one has 0."),
    "corner_error": (
        "Corner error, % of the diagonal",
        "Of the cards that were found; the last bar holds what lies beyond.",
    ),
}


def _shares(part: pd.DataFrame) -> pd.DataFrame:
    low = part.iloc[:, 0]
    width = low.diff().median()
    share = part["cards"] / max(part["cards"].sum(), 1)
    return part.assign(low=low, high=low + width, share=share)


def slices(snapshots: Sequence[Snapshot]) -> Drawing | None:
    """Draw capture by what the scenes show: the mean IoU of each slice, and the 5th percentile."""
    rows = [
        {"slice": name, "revision": snapshot.name, **figures}
        for snapshot in snapshots
        if snapshot.text(paths.METRICS / "slices.json")
        for name, figures in snapshot.metrics("slices").items()
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    order = _by_topic(frame)
    told = [name for name in SLICE_FIGURES if name in frame]  # an older revision has fewer
    base = alt.Chart(frame, height=SLICE_PX * len(order)).encode(
        y=alt.Y("slice:N", sort=order, title=None, axis=alt.Axis(labelLimit=150)),
        color=_colour(snapshots),
        tooltip=["revision:N", "slice:N", "cards:Q", *_rounded(*told)],
    )
    span = alt.Scale(domain=[0, 1])
    dots = base.mark_circle(size=60, opacity=1).encode(alt.X("iou_mean:Q", scale=span, title="IoU"))
    ticks = base.mark_tick(thickness=2).encode(alt.X("iou_p05:Q", scale=span))
    caption = "Dot: mean IoU of the slice's cards, a missed one has 0. Stroke: 5th percentile."
    return Drawing(
        "slices", "By what the scene shows", caption, alt.LayerChart(layer=[ticks, dots])
    )


def _rows(snapshots: Sequence[Snapshot], path: Path) -> pd.DataFrame | None:
    """Stack a CSV file of several revisions; None when none has rows."""
    parts = [
        pd.DataFrame(rows).apply(pd.to_numeric).assign(revision=snapshot.name)
        for snapshot in snapshots
        if (rows := snapshot.rows(path))
    ]
    return pd.concat(parts) if parts else None


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    steps = frame[["recall", "precision"]].diff().abs().sum(axis=1).cumsum().to_numpy()
    wanted = np.linspace(0, steps[-1], CURVE_POINTS)
    return frame.iloc[np.unique(np.searchsorted(steps, wanted).clip(max=len(frame) - 1))]


def _by_topic(frame: pd.DataFrame) -> list[str]:
    """Order slices by topic, and within a topic by the mean IoU of the report's revision."""
    first = frame.drop_duplicates("slice")
    topic = first["slice"].str.split(" ").str[0]
    return first.assign(topic=topic).sort_values(["topic", "iou_mean"])["slice"].tolist()


def _colour(snapshots: Sequence[Snapshot]) -> alt.Color:
    names = [snapshot.name for snapshot in snapshots]
    legend = alt.Legend(orient="bottom") if len(names) > 1 else None
    scale = alt.Scale(domain=names, range=["#2563a8", "#d9822b"][: len(names)])
    return alt.Color("revision:N", title=None, legend=legend, scale=scale)


def _dash(snapshots: Sequence[Snapshot]) -> alt.StrokeDash:
    names = [snapshot.name for snapshot in snapshots]
    legend = alt.Legend(orient="bottom") if len(names) > 1 else None
    scale = alt.Scale(domain=names, range=[[1, 0], [4, 3]][: len(names)])
    return alt.StrokeDash("revision:N", title=None, legend=legend, scale=scale)


def _rounded(*names: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".3f") for name in names]
