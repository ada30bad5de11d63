"""The charts of cost: sizes of the exported models, size against quality, speed."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from meishi import paths
from meishi.report.charts import Drawing
from meishi.report.figures import FIGURES, Figure, value_of
from meishi.report.revisions import RevisionError, Snapshot, history

COMMITS = 30
KINDS = ("isolated", "single_image", "live")  # of modelled times
BAR_PX = 20
FIGURE_ROOM = 0.4  # of the span: a figure left of the leftmost point, on a phone, too
BEFORE, AFTER = "frozen .pb, TensorFlow", "LiteRT"
QUALITY = ("capture.iou_mean", "detection.ap50_95", "segmentation.mask_iou")
NETWORKS = (
    ("SSD", "ssd", "CardDetector"),
    ("U-Net", "unet", "CardSegmenter"),
    ("flat U-Net", "flat", "CardFlatSegmenter"),
    ("direction", "direction", "CardDirection"),
)
MODELLED = (*((label, net) for label, net, _ in NETWORKS), ("photo, four cards", "capture"))
PHOTO = ("flat", "capture")  # timed by themselves: metrics/latency_photo.json
LABELS = {net: label for label, net, _ in NETWORKS}
PACKAGES = ("CardDetector", "CardSegmenter")  # whose common size is followed through the commits


def sizes(snapshot: Snapshot) -> Drawing:
    """Draw the size of each network in each format."""
    measured, shipped = snapshot.metrics("freeze"), snapshot.metrics("ship")
    rows = []
    for label, net, package in NETWORKS:
        for form, size in (
            ("frozen .pb, float32", measured[net]["pb_bytes"]),
            ("LiteRT, float32", measured[net]["tflite_bytes"]),
            ("Core ML, as shipped", shipped[package]["bytes"]),
        ):
            rows.append({"network": label, "format": form, "MB": size / 1e6})
    chart = _bars(pd.DataFrame(rows), "format", "MB", "MB")
    return Drawing("sizes", "Size of a network", "The file, or the whole package.", chart)


def variants(snapshot: Snapshot) -> Drawing | None:
    """Draw what capture makes of each variant, a line each, by network and size."""
    rows = _variants(snapshot)
    if not rows:
        return None
    least = min(row["quad IoU"] for row in rows)
    span = alt.Scale(domain=[least - FIGURE_ROOM * (1 - least), 1], nice=False)
    # Names at the axis: beside the points they would lie over each other, for most differ little.
    base = alt.Chart(pd.DataFrame(rows), height=BAR_PX * len(rows)).encode(
        alt.X("quad IoU:Q", title="capture: quad IoU, mean", scale=span),
        alt.Y("variant:N", title=None, sort=None, axis=alt.Axis(labelLimit=200, grid=True)),
        tooltip=["variant:N", "network:N", "MB:Q", "quad IoU:Q", "state:N"],
    )
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=300)
    points = base.mark_circle(size=80, opacity=1).encode(
        alt.Color("state:N", title=None, legend=legend)
    )
    texts = base.mark_text(align="right", dx=-8).encode(text=alt.Text("quad IoU:Q", format=".3f"))
    caption = (
        "Each variant as the package that it is, run on Linux, in place of one network; the others "
        "are the float32 ones. Rendered scenes, the same for all."
    )
    return Drawing("variants", "The variants of the networks", caption, points + texts)


def _variants(snapshot: Snapshot) -> list[dict[str, Any]]:
    """List the variants by network and size; none when the revision has no such file."""
    if not snapshot.text(paths.METRICS / "variants.json"):
        return []
    shipped = {row.get("variant") for row in snapshot.metrics("ship").values()}
    by_size = sorted(snapshot.metrics("variants").items(), key=lambda pair: pair[1]["bytes"])
    return [
        {
            "variant": f"{name}, {row['bytes'] / 1e6:.2f} MB",
            "network": label,
            "MB": row["bytes"] / 1e6,
            "quad IoU": row["capture"]["iou_mean"],
            "state": "shipped" if name in shipped else f"not shipped, runs on {row['target']}",
        }
        for net, label in LABELS.items()
        for name, row in by_size
        if row["model"] == net
    ]


def speed(snapshot: Snapshot) -> Drawing:
    """Draw frames a second of the frozen graphs and of LiteRT: each net, and whole captures."""
    measured = _times(snapshot)
    rows = [
        {
            "network": label,
            "run": f"{name}, {threads.replace('_', ' ')}",
            "FPS": measured[net][key][threads]["fps"],
        }
        for label, net in _timed(measured)
        for key, name in (("frozen_pb", BEFORE), ("tflite", AFTER))
        for threads in ("one_thread", "all_cores")
    ]
    chart = _bars(pd.DataFrame(rows), "run", "FPS", "calls a second")
    return Drawing("speed", "Speed before and after, this host", _measured_on(measured), chart)


def processor(snapshot: Snapshot) -> Drawing | None:
    """Draw the processor seconds of a frame before and after; None where they were not counted."""
    measured = _times(snapshot)
    rows = [
        {"network": label, "run": name, "ms": 1000 * measured[net][key]["one_thread"]["cpu_s"]}
        for label, net in _timed(measured)
        for key, name in (("frozen_pb", BEFORE), ("tflite", AFTER))
        if "cpu_s" in measured[net][key]["one_thread"]
    ]
    if not rows:
        return None
    title = "processor ms a frame, all threads together"
    chart = _bars(pd.DataFrame(rows), "run", "ms", title)
    return Drawing("processor", "Processor load, this host", _measured_on(measured), chart)


def devices(snapshot: Snapshot) -> Drawing | None:
    """Draw the modelled times on Apple's chips; None where there are none."""
    if not snapshot.text(paths.METRICS / "devices.json"):
        return None
    modelled = snapshot.metrics("devices")
    errors = modelled["error_pct"]
    rows = [
        {"chip": chip, "part": label, "time": kind.replace("_", " "), "ms": parts[net][kind]["ms"]}
        for chip, parts in modelled["chips"].items()
        for label, net in MODELLED
        if net in parts
        for kind in KINDS
    ]
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_line(point={"size": 60})
        .encode(
            alt.X("chip:N", sort=list(modelled["chips"]), title=None),
            alt.Y("ms:Q", scale=alt.Scale(type="log"), title="ms, modelled"),
            alt.Color("time:N", title=None, legend=alt.Legend(orient="bottom"), sort=None),
            alt.Shape("part:N", title=None, legend=alt.Legend(orient="bottom"), sort=None),
            detail="part:N",
            tooltip=["chip:N", "part:N", "time:N", alt.Tooltip("ms:Q", format=".2f")],
        )
    )
    worth = ", ".join(f"{kind.replace('_', ' ')} {errors[kind]['mean']:.0f} %" for kind in KINDS)
    caption = (
        "Modelled from multiply-accumulates and published times of other nets; nothing here was "
        f"measured. Mean error on nets held out of the fit: {worth}; that of live given the true "
        "time of a single image."
    )
    return Drawing("devices", "Apple's chips, modelled", caption, chart)


def _times(snapshot: Snapshot) -> dict:
    """Join the times of networks and preview with those of a photo, which may be another host's."""
    found = dict(snapshot.metrics("latency"))
    if snapshot.text(paths.METRICS / "latency_photo.json"):
        photo = snapshot.metrics("latency_photo")
        found |= {part: photo[part] for part in PHOTO if part in photo}
        found["host_photo"] = photo["host"]
    return found


def _timed(measured: dict) -> list[tuple[str, str]]:
    names = (
        ("SSD", "ssd"),
        ("U-Net", "unet"),
        ("flat U-Net", "flat"),
        ("direction", "direction"),
        ("preview frame, four cards", "live"),
        ("photo, four cards", "capture"),
    )
    return [(label, net) for label, net in names if net in measured]


def _measured_on(measured: dict) -> str:
    host, other = measured["host"], measured.get("host_photo", measured["host"])
    elsewhere = f" Flat U-Net and photo: {_said(other)}." * (other != host)
    return (
        f"Measured: {_said(host)}, one call an image.{elsewhere} A server's processor; no figure "
        "here is a phone's."
    )


def _said(host: dict) -> str:
    return f"{host['cpu']}, {host['cores']} cores, TensorFlow {host['tensorflow']}"


def size_and_quality(snapshots: Sequence[Snapshot]) -> Drawing | None:
    """Draw the packages' size against quality, for these snapshots and the commits before."""
    commits = history(paths.METRICS / "evaluate.json", COMMITS)
    before = [(Snapshot(rev), date) for rev, date in commits]
    known = [*((snapshot, "") for snapshot in snapshots), *before]
    rows = [row for snapshot, date in known for row in _point(snapshot, date)]
    if not rows:
        return None
    frame = pd.DataFrame(rows).drop_duplicates(["MB", "figure", "value", "data"])
    names = {data: f"test data {n}" for n, data in enumerate(reversed(frame["data"].unique()), 1)}
    frame["test data"] = frame["data"].map(names)
    listed = alt.Legend(orient="bottom", columns=1)
    chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(
            alt.X("MB:Q", title="packages of SSD and U-Net, MB", scale=alt.Scale(zero=False)),
            alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            alt.Color("test data:N", title=None, legend=listed),
            alt.Shape("figure:N", title=None, legend=listed),
            tooltip=["revision:N", "date:N", "figure:N", "test data:N", "MB:Q", "value:Q"],
        )
    )
    caption = (
        f"The last {COMMITS} commits that changed the metrics. Points of another colour were "
        "measured on other scenes: they are not to be compared."
    )
    return Drawing("size_quality", "Size against quality", caption, chart)


def _point(snapshot: Snapshot, date: str) -> list[dict[str, object]]:
    """Read a revision's size and quality; nothing when it lacks one of them."""
    by_path = {figure.path: figure for figure in FIGURES}
    try:
        size = sum(value_of(snapshot, by_path[f"{name}.bytes"]) for name in PACKAGES)
        values = {path: value_of(snapshot, by_path[path]) for path in QUALITY}
    except RevisionError:
        return []
    shared = {"revision": snapshot.name, "date": date, "MB": round(size / 1e6, 3)}
    data = snapshot.test_data() or f"not recorded in {snapshot.name}"
    return [
        {**shared, "data": data, "figure": _short(by_path[path]), "value": value}
        for path, value in values.items()
    ]


def _short(figure: Figure) -> str:
    return figure.label.split(" (")[0]


def _bars(frame: pd.DataFrame, row: str, value: str, title: str) -> alt.LayerChart:
    """Draw bars with their figures, grouped by network."""
    base = alt.Chart(frame, height=BAR_PX * len(frame)).encode(
        y=alt.Y("network:N", title=None),
        yOffset=alt.YOffset(f"{row}:N", sort=None),
        tooltip=["network:N", f"{row}:N", alt.Tooltip(f"{value}:Q", format=".1f")],
    )
    room = frame[value].max() * 1.15
    across = alt.X(f"{value}:Q", title=title, scale=alt.Scale(domain=[0, room], nice=False))
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=300)
    bars = base.mark_bar().encode(
        across, alt.Color(f"{row}:N", title=None, legend=legend, sort=None)
    )
    texts = base.mark_text(align="left", dx=4).encode(
        across, text=alt.Text(f"{value}:Q", format=".1f")
    )
    return alt.LayerChart(layer=[bars, texts])
