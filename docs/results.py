"""Keep the README's figures in step with metrics/: `python docs/results.py --write`.

Whatever stands between `<!-- results -->` and `<!-- /results -->` comes from here; a test compares.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"

# What it is, file in metrics/, path in it, format.
ROWS = (
    ("detection AP50", "evaluate", "detection.ap50", "{:.3f}"),
    ("detection AP75", "evaluate", "detection.ap75", "{:.3f}"),
    ("detection AP50:95", "evaluate", "detection.ap50_95", "{:.3f}"),
    ("scenes with the exact number of cards", "evaluate", "capture.exact_count", "{:.1%}"),
    ("scenes without a card that got one", "evaluate", "capture.empty_with_false_card", "{:.1%}"),
    ("mask IoU", "evaluate", "segmentation.mask_iou", "{:.3f}"),
    ("capture: quad IoU, mean (a missed card counts 0)", "evaluate", "capture.iou_mean", "{:.3f}"),
    ("capture: quad IoU, 5th percentile", "evaluate", "capture.iou_p05", "{:.3f}"),
    (
        "corner error, mean, % of the card's diagonal",
        "evaluate",
        "capture.corner_error_mean_pct",
        "{:.2f}",
    ),
    (
        "corner error, 95th percentile, %",
        "evaluate",
        "capture.corner_error_p95_pct",
        "{:.2f}",
    ),
    ("SSD: parameters", "convert", "ssd.parameters", "{:,}"),
    ("SSD: multiply-accumulates", "convert", "ssd.macs", "{:,}"),
    ("SSD: Core ML package, fp16, bytes", "convert", "CardDetector.bytes", "{:,}"),
    ("U-Net: parameters", "convert", "unet.parameters", "{:,}"),
    ("U-Net: multiply-accumulates a card", "convert", "unet.macs", "{:,}"),
    ("U-Net: Core ML package, fp16, bytes", "convert", "CardSegmenter.bytes", "{:,}"),
    *(
        (
            f"{label}: {runtime}, one thread, median ms on this host",
            "latency",
            f"{net}.{key}.one_thread.p50_ms",
            "{:.1f}",
        )
        for label, net in (("SSD", "ssd"), ("U-Net", "unet"))
        for runtime, key in (("`.pb` in TensorFlow", "frozen_pb"), ("LiteRT", "tflite"))
    ),
)


def read_metric(file: str, path: str):
    """Read one figure of metrics/."""
    value = json.loads((ROOT / "metrics" / f"{file}.json").read_text(encoding="utf-8"))
    for key in path.split("."):
        value = value[key]
    return value


def table() -> str:
    """Lay out the results as Markdown."""
    lines = ["| figure | value | metric |", "|---|---|---|"]
    for label, file, path, form in ROWS:
        lines.append(f"| {label} | {form.format(read_metric(file, path))} | `{file}` `{path}` |")
    host = read_metric("latency", "host")
    lines += ["", f"Host: {host['cpu']}, {host['cores']} cores."]
    return "\n".join(lines)


def updated(text: str) -> str:
    """Return the README's text with the results of metrics/."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Print the table, or write it into the README."""
    if "--write" in sys.argv:
        README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())


if __name__ == "__main__":
    main()
