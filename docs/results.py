"""Keep the figures of README and docs in step with metrics/: `python docs/results.py --write`.

Whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` comes from here; a test compares.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meishi.errors import clean_exit
from meishi.report.figures import compare
from meishi.report.revisions import Snapshot
from meishi.report.targets import targets

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README, EXPORTS, TARGETS = ROOT / "README.md", DOCS / "exports.md", DOCS / "targets.md"
COMPRESSION = DOCS / "compression.md"

# Of fine-tuning: entries of `tune` by what they store, and what is shown of each network.
STORED = {"4 bits": "palette4", "int8": "int8"}
VALIDATED = {
    "ssd": {"SSD AP50": "ap50", "SSD AP75": "ap75", "SSD AP50:95": "ap50_95"},
    "unet": {"U-Net mask IoU": "mask_iou"},
}
# Of packages: (part of the metrics, figure in it, form).
PACKAGED = {
    "ssd": {
        "SSD: AP50": ("detection", "ap50", ".4f"),
        "SSD: AP50:95": ("detection", "ap50_95", ".4f"),
    },
    "unet": {"U-Net: mask IoU": ("segmentation", "mask_iou", ".4f")},
}
CAPTURED = {
    "quad IoU": ("capture", "iou_mean", ".4f"),
    "exact count": ("capture", "exact_count", ".3f"),
    "corner error of the cards found, % of the diagonal": (
        *("capture", "corner_error_mean_pct", ".2f"),
    ),
}


def results() -> str:
    """Lay out the headline figures as Markdown."""
    lines = ["| figure | value | metric |", "|---|---|---|"]
    for row in compare(Snapshot(), None):
        figure = row.figure
        lines.append(
            f"| {figure.label} | {figure.text(row.value)} | `{figure.file}` `{figure.path}` |"
        )
    hosts = [Snapshot().metrics(name)["host"] for name in ("latency", "latency_photo")]
    networks, photo = (f"{host['cpu']}, {host['cores']} cores" for host in hosts)
    elsewhere = f"; the photo's: {photo}. Their times do not compare" * (networks != photo)
    lines += ["", f"Host: {networks}{elsewhere}."]
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


def tuned() -> str:
    """Lay out what fine-tuning reaches on the validation split."""
    names = [f"{kind}, {how}" for kind in STORED for how in ("rounded", "tuned")]
    lines = ["| | float32 | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for model, figures in VALIDATED.items():
        by_kind = [Snapshot().metrics(f"tune/{model}_{key}") for key in STORED.values()]
        for label, key in figures.items():
            values = [by_kind[0]["float32"][key]]
            values += [stage[how][key] for stage in by_kind for how in ("rounded", "tuned")]
            lines.append(f"| {label} | " + " | ".join(f"{value:.4f}" for value in values) + " |")
    return "\n".join(lines)


def tuned_packages() -> str:
    """Lay out what packages of few bits reach with one network exchanged."""
    ends = {
        "int8, tuned": "int8",
        "4 bits, tuned": "tuned_palette4",
        "4 bits, not tuned": "palette4",
    }
    rows = Snapshot().metrics("variants")
    lines = ["| | float32 | " + " | ".join(ends) + " |", "|---|---|" + "---|" * len(ends)]
    for model, figures in PACKAGED.items():
        columns = [Snapshot().metrics("float32")]
        columns += [rows[f"{model}_{end}"] for end in ends.values()]
        for label, (part, key, form) in (figures | CAPTURED).items():
            cells = [_cell(column, part, key, form) for column in columns]
            lines.append(
                f"| {label if label in figures else f'with it: {label}'} | "
                + " | ".join(cells)
                + " |"
            )
    return "\n".join(lines)


TABLES: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"results": results, "variants": short_variants},
    EXPORTS: {"variants": variants, "refused": refused},
    TARGETS: {"targets": targets},
    COMPRESSION: {"tuned": tuned, "tuned packages": tuned_packages},
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
    with clean_exit():
        main()
