"""One folder that a browser opens without a server or a network.

Vega, Vega-Lite and vega-embed come out of the wheel of vl-convert; nothing is loaded from outside.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markdown_it import MarkdownIt
from markupsafe import Markup

from meishi import paths
from meishi.files.atomic import replace_folder
from meishi.files.writable import check_replaceable
from meishi.report import charts, cost_charts, pictures
from meishi.report.charts import Drawing
from meishi.report.figures import compare
from meishi.report.hosts import times_line
from meishi.report.model_card import card_html
from meishi.report.revisions import Snapshot, same_test_data, snapshot

TEMPLATE = Path(__file__).with_name("page.html.jinja")
VEGA_LITE = "6.4"
SCRIPTS = "charts.js"
SNIPPET = "window.vegaEmbed = vegaEmbed;"  # what the page calls
MARGIN = {"left": 4, "right": 12, "top": 8, "bottom": 4}
FONT = "system-ui, sans-serif"
AXIS = {"gridColor": "#eceff2", "labelOverlap": "greedy", "labelSeparation": 6}


def write_report(out: Path, base_rev: str | None = None) -> list[str]:
    """Write the report of the working directory's metrics, plots and pictures.

    Args:
        out: folder to replace; index.html is what one opens.
        base_rev: git revision to compare with, None for no comparison.

    Returns:
        What the report could not show, a sentence each; the page says the same.

    Raises:
        RevisionError: if metrics are missing, or git does not know the revision.
        InputError: if `out` cannot be replaced.
    """
    check_replaceable(out)
    head = Snapshot()
    base = snapshot(base_rev) if base_rev else None
    compared = compare(head, base)
    with replace_folder(out.resolve()) as folder, tempfile.TemporaryDirectory() as scratch:
        drawn, missing = _charts([head] if base is None else [head, base])
        before = None
        if base is not None:
            before = Path(scratch) / "base"
            if reason := pictures.restore_base(base.name, before):
                missing.append(reason)
        shown = pictures.captures(folder, before)
        if not shown:
            missing.append(f"{paths.OVERLAYS}: no pictures; `make repro` restores them")
        (folder / SCRIPTS).write_text(vl_convert.javascript_bundle(SNIPPET, VEGA_LITE))
        content = {
            "head": head,
            "base": base,
            "other_data": base is not None and not same_test_data(head, base),
            "compared": compared,
            "charts": drawn,
            "captures": shown,
            "missing": missing,
            "times": times_line(head, base),
            "card": card_html(folder),
        }
        (folder / "index.html").write_text(_rendered(content), encoding="utf-8")
    return missing


def _charts(snapshots: list[Snapshot]) -> tuple[list[Drawing], list[str]]:
    """Draw every chart there are figures for, and name the files of the others."""
    wanted = {
        "plots/train_ssd.csv": charts.training(snapshots, "train_ssd", "Training of the SSD"),
        "plots/train_unet.csv": charts.training(snapshots, "train_unet", "Training of the U-Net"),
        "plots/train_flat.csv": charts.training(
            snapshots, "train_flat", "Training of the flat U-Net"
        ),
        "plots/precision_recall.csv": charts.precision_recall(snapshots),
        "plots/capture_iou.csv": charts.histogram(snapshots, "capture_iou"),
        "plots/corner_error.csv": charts.histogram(snapshots, "corner_error"),
        "metrics/slices.json": charts.slices(snapshots),
        "metrics/ship.json": cost_charts.sizes(snapshots[0]),
        "metrics/variants.json": cost_charts.variants(snapshots[0]),
        "metrics/latency.json": cost_charts.speed(snapshots[0]),
        "metrics/latency.json: cpu_s": cost_charts.processor(snapshots[0]),
        "metrics/devices.json": cost_charts.devices(snapshots[0]),
        "metrics of any revision": cost_charts.size_and_quality(snapshots),
    }
    drawn = [chart for chart in wanted.values() if chart]
    return drawn, [f"{file}: not there, so no chart" for file in wanted if not wanted[file]]


def _rendered(content: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inline"] = lambda text: Markup(MarkdownIt().renderInline(text))
    environment.filters["spec"] = lambda drawing: Markup(_spec(drawing))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(content)


def _spec(drawing: Drawing) -> str:
    """Return the chart as JSON that can stand in a script element."""
    sized = drawing.chart.properties(width="container", background="transparent", padding=MARGIN)
    autosize = {"type": "fit-x", "contains": "padding"}
    spec = sized.to_dict() | {"autosize": autosize}
    spec["config"] = {
        "font": FONT,
        "view": {"stroke": "#dde1e6"},
        "axis": AXIS,
        "legend": {"layout": {"bottom": {"direction": "vertical", "anchor": "start"}}},
    }
    return json.dumps(spec, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
