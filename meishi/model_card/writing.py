"""`meishi model-card`: MODEL_CARD.md from what the pipeline measured.

The words are in words.md beside this file; the figures come from metrics/, the manifests of
the data and params.yaml, never from the words. The models themselves are not needed.
"""

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meishi import paths
from meishi.errors import InputError, summary
from meishi.files.atomic import atomic_write_text
from meishi.files.writable import check_writable
from meishi.model_card.data import BESIDE, describe, photos_failed
from meishi.model_card.trainings import told
from meishi.params import Params, load_params
from meishi.report.figures import FIGURES
from meishi.report.targets import SLICE_CARDS

TEMPLATE = Path(__file__).with_name("words.md")
WORST = 8  # slices that are listed
COMMAND = "meishi model-card"
FILES = ("evaluate", "slices", "freeze", "ship", "latency", "latency_photo")

# Names and formats: of the headline figures, then of others; the rest is shown under its own keys.
LABELS = {figure.path: (figure.label, figure.form) for figure in FIGURES} | {
    "detection.recall": ("detection: cards proposed", "{:.1%}"),
    "captured_boxes.ap75": ("the same of captured cards: AP75", "{:.3f}"),
    "capture.recall50": ("capture: cards found", "{:.1%}"),
    "capture.false_cards_per_image": ("capture: false cards a scene", "{:.3f}"),
    "without_cards.photos": ("photos without a card, held out from training", "{:,}"),
    "without_cards.false_cards_per_photo": ("false cards in such a photo", "{:.3f}"),
    "CardDetectorRaw.bytes": ("SSD: Core ML package without NMS, bytes", "{:,}"),
    "ssd.pb_bytes": ("SSD: frozen `.pb`, bytes", "{:,}"),
    "ssd.tflite_bytes": ("SSD: LiteRT, bytes", "{:,}"),
    "direction.right_of_sure": ("reading direction: right, of those told surely", "{:.1%}"),
    "direction.sure": ("reading direction: told surely", "{:.1%}"),
    "direction.pb_bytes": ("direction: frozen `.pb`, bytes", "{:,}"),
    "direction.tflite_bytes": ("direction: LiteRT, bytes", "{:,}"),
    "unet.pb_bytes": ("U-Net: frozen `.pb`, bytes", "{:,}"),
    "unet.tflite_bytes": ("U-Net: LiteRT, bytes", "{:,}"),
    "flat.pb_bytes": ("flat U-Net: frozen `.pb`, bytes", "{:,}"),
    "flat.tflite_bytes": ("flat U-Net: LiteRT, bytes", "{:,}"),
}


class ModelCardError(InputError):
    """The card cannot be made, or is out of step; the message says of what."""


def write_card(out: Path, root: Path = Path()) -> None:
    """Write the card of the repository at `root`.

    Raises:
        ModelCardError: if a file it is made from is missing or not as expected.
        InputError: if there can be no file of that name.
    """
    check_writable(out)
    atomic_write_text(out, card(root))


def check_card(out: Path, root: Path = Path()) -> None:
    """Compare the card with what it would be now.

    Raises:
        ModelCardError: if they differ, with the lines that do.
    """
    try:
        kept = out.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelCardError(f"{out}: cannot be read ({error}); write it: {COMMAND}") from error
    changes = difflib.unified_diff(kept.splitlines(), card(root).splitlines(), n=0, lineterm="")
    lines = [line for line in changes if not line.startswith(("---", "+++", "@@"))]
    if lines:
        raise ModelCardError(
            f"{out}: not in step with the metrics (- is there, + would be):\n{summary(lines)}\n"
            f"Bring it in step: {COMMAND}"
        )


def card(root: Path) -> str:
    """Compose the card of the repository at `root`: Markdown."""
    params = load_params(
        *("seed", "fetch", "preprocess", "ssd", "unet", "train_ssd", "train_unet"),
        *("flat", "train_flat", "direction", "train_direction", "capture"),
        path=root / paths.PARAMS,
    )
    figures = {name: _metrics(root, name) for name in FILES}
    words = {
        **_about(root),
        **_settings(params),
        **_data(root, params, "without_cards" in figures["evaluate"]),
        **_measured(figures),
        "host": _host(figures["latency"]),
        "host_photo": _host(figures["latency_photo"]),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(words)


def _about(root: Path) -> dict[str, str]:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        pointer = YAML(typ="safe").load((root / "data.dvc").read_text(encoding="utf-8"))
        return {
            "version": str(project["version"]),
            "licence": str(project["license"]),
            "data_version": str(pointer["outs"][0]["md5"]),
        }
    except (OSError, KeyError, IndexError, TypeError, ValueError, YAMLError) as error:
        raise ModelCardError(f"{root}: pyproject.toml or data.dvc: {error!r}") from error


def _settings(params: Params) -> dict[str, object]:
    chosen = asdict(params.capture)
    return {
        "seed": params.seed,
        "max_cards": params.capture.max_cards,
        "thresholds": _table((f"`{key}`", _setting(value)) for key, value in chosen.items()),
        "ssd_px": params.ssd.input_px,
        "unet_px": params.unet.input_px,
        "unet_blocks": params.unet.blocks,
        "margin_pct": f"{100 * params.unet.margin:g}",
        "ssd_epochs": told(params.train_ssd),
        "unet_epochs": told(params.train_unet),
        "flat_epochs": told(params.train_flat),
        "flat_margin_pct": f"{100 * params.flat.margin:g}",
        "direction_px": params.direction.view_px,
        "direction_epochs": told(params.train_direction),
        "val_percent": f"{100 * params.preprocess.val_fraction:g}",
        "test_percent": f"{100 * params.preprocess.test_fraction:g}",
    }


def _setting(value: float | tuple[float, ...] | dict[str, float]) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part:g}" for key, part in value.items())
    return ", ".join(f"{part:g}" for part in (value if isinstance(value, tuple) else (value,)))


def _data(root: Path, params: Params, measured_beside: bool) -> dict[str, str]:
    faults: list[str] = []
    found = describe(root, params.fetch.sources, faults)
    beside = describe(root, params.fetch.without_cards, faults)
    if faults:
        raise ModelCardError(summary(faults))
    origins = dict.fromkeys([*found.origins, *beside.origins])
    tables = {"sources": _table([*found.rows, *beside.rows]), "origins": _table(origins)}
    names = ", ".join(source.name for source in params.fetch.without_cards)
    held_out = 100 * params.preprocess.photos_held_out
    tables["beside"] = BESIDE.format(names=names, held_out=held_out) if names else ""
    return tables | found.words(measured_beside)


def _measured(figures: Mapping[str, Any]) -> dict[str, str]:
    slices, capture = figures["slices"], figures["evaluate"]["capture"]
    try:
        large = [name for name in slices if slices[name]["cards"] >= SLICE_CARDS]
        worst = sorted(large, key=lambda name: (slices[name]["iou_mean"], name))[:WORST]
        # Each card is either cut by the frame or held by it.
        cards = sum(slices[name]["cards"] for name in slices if name.startswith("frame "))
        return {
            "test_cards": f"{cards:,}",
            "min_cards": str(SLICE_CARDS),
            "false_empty": f"{capture['empty_with_false_card']:.1%}",
            "photos_failed": photos_failed(figures["evaluate"].get("without_cards", {})),
            "missed": f"{1 - capture['recall50']:.1%}",
            "iou_p05": f"{capture['iou_p05']:.3f}",
            "quality": _table(_labelled(figures["evaluate"])),
            "cost": _table(_labelled(figures["freeze"] | figures["ship"])),
            "slices": _table(_full_slice_row(name, slices[name]) for name in sorted(slices)),
            "worst": _table(_slice_row(name, slices[name]) for name in worst),
            "speed": _table(_timings(figures["latency"])),
            "speed_photo": _table(_timings(figures["latency_photo"])),
        }
    except (KeyError, TypeError) as error:
        raise ModelCardError(
            f"{paths.METRICS}: a figure that the model card needs is not there: {error}"
        ) from error


def _metrics(root: Path, name: str) -> Any:
    file = root / paths.METRICS / f"{name}.json"
    needed = {"evaluate": "capture", "latency": "host", "latency_photo": "host"}.get(name)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelCardError(f"{file}: {error}; `dvc repro` makes it") from error
    if not isinstance(content, dict) or (needed and not isinstance(content.get(needed), dict)):
        raise ModelCardError(f"{file}: expected an object{f' with {needed!r}' if needed else ''}")
    return content


def _host(timed: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in timed["host"].items())


def _labelled(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and format all figures: those of LABELS first, in their order."""
    found = dict(_flat(metrics))
    for path in [*(key for key in LABELS if key in found), *sorted(found.keys() - LABELS.keys())]:
        value = found[path]
        own_key = (f"`{path}`", "{:,}" if isinstance(value, int) else "{:.5g}")
        label, form = LABELS.get(path, own_key)
        yield label, form.format(value)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int | float]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", value


def _slice_row(name: str, figures: Mapping[str, float]) -> tuple[str, ...]:
    means = (f"{figures[key]:.3f}" for key in ("iou_mean", "iou_p05"))
    return (name, f"{figures['cards']:,}", *means, f"{figures['recall50']:.1%}")


def _full_slice_row(name: str, figures: Mapping[str, float]) -> tuple[str, ...]:
    errors = (f"{figures[key]:.2f}" for key in ("corner_error_mean_pct", "corner_error_p95_pct"))
    precisions = (f"{figures[key]:.3f}" for key in ("ap50", "ap50_95"))
    empty, false = figures["empty_scenes"], figures["empty_with_false_card"]
    shares = (f"{figures['exact_count']:.1%}", f"{false:.1%} of {empty:,}")
    return (*_slice_row(name, figures), *errors, *shares, *precisions)


def _timings(node: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Find the timings, however deep they are."""
    if "p50_ms" in node:
        times = (f"{node[key]:.1f}" for key in ("p50_ms", "p95_ms", "fps"))
        yield (", ".join(path).replace("_", " "), *times, f"{1000 * node['cpu_s']:.1f}")
        return
    if "frames" in node:  # whole captures
        size = f"{node['width_px']} x {node['height_px']} px"
        path = (*path, f"{node['cards']:.1f} cards in each of {node['frames']} photos of {size}")
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _timings(value, (*path, key))


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
