"""Keep the figures of README and docs in step with metrics/: `python docs/results.py --write`.

Whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` comes from here; a test compares.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meishi.report.figures import compare
from meishi.report.revisions import Snapshot
from meishi.report.targets import targets

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README, EXPORTS, TARGETS = ROOT / "README.md", DOCS / "exports.md", DOCS / "targets.md"


def results() -> str:
    """Lay out the headline figures as Markdown."""
    lines = ["| figure | value | metric |", "|---|---|---|"]
    for row in compare(Snapshot(), None):
        figure = row.figure
        lines.append(
            f"| {figure.label} | {figure.text(row.value)} | `{figure.file}` `{figure.path}` |"
        )
    host = Snapshot().metrics("latency")["host"]
    lines += ["", f"Host: {host['cpu']}, {host['cores']} cores."]
    return "\n".join(lines)


def variants() -> str:
    """Lay out the variants as Markdown, those that ship in bold."""
    shipped = {row.get("variant") for row in Snapshot().metrics("ship").values()}
    lines = [
        "| variant | from | bytes | compression | AP50:95 | mask IoU | quad IoU | exact count "
        "| corner error, % | right way up | parity | lint |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in Snapshot().metrics("variants").items():
        shown = f"**{name}**" if name in shipped else name
        cells = [
            *(shown, row["target"], f"{row['bytes']:,}", f"{row['compression']:.2f}"),
            *(_cell(row, "detection", "ap50_95"), _cell(row, "segmentation", "mask_iou")),
            *(_cell(row, "capture", "iou_mean"), _cell(row, "capture", "exact_count")),
            _cell(row, "capture", "corner_error_mean_pct", ".2f"),
            _cell(row, "direction", "right"),
            *(f"{row['max_difference']:.4f}", str(row["findings"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short_variants() -> str:
    """Lay out variants as the README shows them: what it costs to be smaller."""
    shipped = {row.get("variant") for row in Snapshot().metrics("ship").values()}
    lines = ["| variant | from | bytes | quad IoU | parity |", "|---|---|---|---|---|"]
    for name, row in Snapshot().metrics("variants").items():
        shown = f"**{name}**" if name in shipped else name
        cells = (shown, row["target"], f"{row['bytes']:,}", _cell(row, "capture", "iou_mean"))
        lines.append(f"| {' | '.join(cells)} | {row['max_difference']:.4f} |")
    return "\n".join(lines)


def refused() -> str:
    """Lay out why the others are not shipped."""
    reasons = Snapshot().metrics("ship")["refused"]
    rows = [f"| {name} | {reason} |" for name, reason in reasons.items()]
    return "\n".join(["| variant | why it is not shipped |", "|---|---|", *rows])


TABLES: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"results": results, "variants": short_variants},
    EXPORTS: {"variants": variants, "refused": refused},
    TARGETS: {"targets": targets},
}


def updated(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a document's text with the tables of metrics/."""
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
    return text


def _cell(row: Mapping[str, Any], part: str, key: str, form: str = ".3f") -> str:
    value = row.get(part, {}).get(key)
    return "" if value is None else format(value, form)


def main() -> None:
    """Print the tables, or write them into the documents."""
    for file, tables in TABLES.items():
        if "--write" in sys.argv:
            text = updated(file.read_text(encoding="utf-8"), tables)
            file.write_text(text, encoding="utf-8")
        else:
            print(*(table() for table in tables.values()), sep="\n\n")


if __name__ == "__main__":
    main()
