"""Measure captures with the tuned networks on the whole test split, for docs/compression.md.

`python docs/tuned_captures.py [FOLDER]`, from the repository's root with models and build/ made,
prints a table; 12 minutes. FOLDER (build/tuned) keeps the weights that the packages store as LiteRT
models, in float32: `meishi capture PHOTOS --models FOLDER/palette4` shows them photos.
"""

import argparse
import shutil
from pathlib import Path

from meishi import paths
from meishi.coreml.freeze import OUTPUTS, write_tflite
from meishi.coreml.sources import load_source
from meishi.data.shards import ShardReader
from meishi.errors import clean_exit
from meishi.litert.running import load_capture
from meishi.measuring.outcome import measure
from meishi.params import Params, load_params

# Columns: the variants exchanged for the networks in float32.
KINDS = {
    "float32": (),
    "int8": ("ssd_int8", "unet_int8"),
    "palette4": ("ssd_tuned_palette4", "unet_tuned_palette4"),
}
CAPTURE = {
    "quad IoU": ("iou_mean", ".4f"),
    "quad IoU, 5th percentile": ("iou_p05", ".3f"),
    "exact count": ("exact_count", ".4f"),
    "corner error, mean, % of the diagonal": ("corner_error_mean_pct", ".2f"),
    "95th percentile": ("corner_error_p95_pct", ".2f"),
}
Column = dict[str, str]


def export(kind: str, folder: Path, params: Params) -> None:
    """Write the LiteRT models of a column: those that ship, but for the networks exchanged."""
    shutil.copytree(paths.TFLITE, folder / paths.TFLITE.name, dirs_exist_ok=True)
    for name in KINDS[kind]:
        variant = params.exports[name]
        target = folder / paths.TFLITE.name / f"{variant.model}.tflite"
        write_tflite(load_source(variant).model, OUTPUTS[variant.model], target)


def column(models: Path, params: Params) -> Column:
    """Measure a folder of models on all test scenes, without the second segmentation.

    That would mend some of what these networks lose.
    """
    outcome = measure(load_capture(models, flat=False), ShardReader(paths.TEST), {})
    found = outcome.metrics(params.capture)
    detection = {f"SSD: {key.upper()}": found["detection"][key] for key in ("ap50", "ap75")}
    detection["SSD: AP50:95"] = found["detection"]["ap50_95"]
    detection["U-Net: mask IoU"] = found["segmentation"]["mask_iou"]
    shares = {name: f"{value:.4f}" for name, value in detection.items()}
    return shares | {
        f"captures: {n}": format(found["capture"][key], f) for n, (key, f) in CAPTURE.items()
    }


def main() -> None:
    """Export, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=paths.BUILD / "tuned")
    folder = parser.parse_args().folder
    load_capture(paths.MODELS)  # says what is missing
    params = load_params("exports", "capture")
    columns: dict[str, Column] = {}
    for kind in KINDS:
        export(kind, folder / kind, params)
        columns[kind] = column(folder / kind, params)
    print("| | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in columns["float32"]:
        print(f"| {name} | " + " | ".join(found[name] for found in columns.values()) + " |")


if __name__ == "__main__":
    with clean_exit():
        main()
