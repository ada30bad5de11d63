"""Which variants are shipped: the table of all, the rule of section `ship`, and their packages.

Among the variants of a network that run on the apps' oldest system as an ML program, the smallest
that loses no more than allowed is shipped. Its packages get what is known of them by then: the
figures they reached, the commit that was checked out, and the hash of the data.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meishi import paths, variants
from meishi.coreml.export import PACKAGES
from meishi.coreml.package import restamp_package
from meishi.errors import InputError
from meishi.evaluation.losses import figure, loss, losses
from meishi.packages.lint import lint_package
from meishi.profiling.cost import bytes_on_disk
from meishi.reporting import read_metrics
from meishi.rules import LossParams, ShipParams
from meishi.variants import ML_PROGRAM, Variant

DATA = Path("data.dvc")
UNKNOWN = "unknown"
SHOWN = (
    "detection.ap50",
    "detection.ap50_95",
    "segmentation.mask_iou",
    "capture.iou_mean",
    "capture.exact_count",
    "capture.corner_error_mean_pct",
    "direction.right",
)
CONVERTED, MEASURED = paths.METRICS / "convert", paths.METRICS / "measure"
Row = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """What is shipped.

    Attributes:
        chosen: by network, the name of the variant.
        refused: by name of every other variant, why not.
    """

    chosen: dict[str, str]
    refused: dict[str, str]


def read_table(exports: Mapping[str, Variant], original: Mapping[str, Any]) -> dict[str, Row]:
    """Join what the stages found out about each variant.

    Args:
        exports: the variants by name.
        original: figures of the float32 networks.

    Returns:
        By variant: model, target, weights, bytes and compression of the package an app takes,
        max_difference of any output of its packages, findings of the lint in them, the figures of
        SHOWN that it has, and loss.

    Raises:
        InputError: if a variant was not measured, or packages of one are left that is no entry.
    """
    _refuse_leftovers(exports)
    return {name: _row(name, exports[name], original) for name in exports}


def _row(name: str, variant: Variant, original: Mapping[str, Any]) -> Row:
    converted, measured = read_metrics(CONVERTED / f"{name}.json"), read_measured(name)
    taken = converted[PACKAGES[variant.model][-1]]
    differences = [
        value for package in converted.values() for value in package["max_difference"].values()
    ]
    row: Row = {
        "model": variant.model,
        "target": variant.target,
        "weights": variant.weights,
        "bytes": taken["bytes"],
        "compression": taken["compression"],
        "max_difference": max(differences),
        "findings": sum(len(lint_package(package)) for package in _packages(name, variant)),
        "loss": {path.replace(".", "_"): lost for path, lost in losses(original, measured).items()},
    }
    for path in SHOWN:
        value = figure(measured, path)
        if value is not None:
            part, key = path.split(".")
            row.setdefault(part, {})[key] = value
    return row


def read_measured(name: str) -> Row:
    """Read all that was measured of a variant; InputError if nothing was."""
    return read_metrics(MEASURED / f"{name}.json")


def _packages(name: str, variant: Variant) -> list[Path]:
    folder = variants.FOLDER / name
    return [folder / f"{package}{variant.suffix}" for package in PACKAGES[variant.model]]


def _refuse_leftovers(exports: Mapping[str, Variant]) -> None:
    # The step depends on the whole folder: with leftovers it has another hash than in a clone.
    found = [path for path in variants.FOLDER.glob("[!.]*") if path.name not in exports]
    if found:
        listed = " ".join(sorted(map(str, found)))
        raise InputError(f"no entries of exports in params.yaml any more: rm -r {listed}")


def decide(
    exports: Mapping[str, Variant],
    table: Mapping[str, Row],
    measured: Mapping[str, Row],
    original: Mapping[str, Any],
    rule: ShipParams,
) -> Decision:
    """Choose a variant for each network.

    Args:
        exports: the variants by name.
        table: of `read_table`.
        measured: by variant, of `read_measured`: a rule may name what the table does not show.
        original: figures of the float32 networks.
        rule: section `ship`.

    Raises:
        InputError: if no variant of a network keeps to the rule, with each one's reason.
    """
    chosen: dict[str, str] = {}
    refused: dict[str, str] = {}
    rules = {"ssd": rule.ssd, "unet": rule.unet, "flat": rule.flat, "direction": rule.direction}
    for model, allowed in rules.items():
        names = [name for name in exports if exports[name].model == model]
        reasons = {
            name: _refusal(exports[name], measured[name], original, rule.target, allowed)
            for name in names
        }
        fit = [name for name in names if not reasons[name]]
        if not fit:
            each = "\n".join(f"{name}: {reasons[name]}" for name in names)
            raise InputError(f"no variant of {model} can be shipped (params: ship)\n{each}")
        chosen[model] = min(fit, key=lambda name: (table[name]["bytes"], name))
        larger = f"larger than {chosen[model]}"
        refused |= {name: reasons[name] or larger for name in names if name != chosen[model]}
    return Decision(chosen, refused)


def _refusal(
    variant: Variant,
    measured: Row,
    original: Mapping[str, Any],
    target: str,
    allowed: Sequence[LossParams],
) -> str:
    """Say why a variant cannot be shipped; "" if it can."""
    if variant.format != ML_PROGRAM:
        return f"an .mlmodel; only packages of format {ML_PROGRAM} are shipped"
    if variant.floor > int(target.removeprefix("iOS")):
        return f"needs {variant.target}, the apps run on {target}"
    for bound in allowed:
        lost = loss(original, measured, bound.figure)
        if lost is None:
            there = [
                f"{part}.{key}"
                for part, inner in measured.items()
                if part in original
                for key in inner
            ]
            raise InputError(
                f"params.yaml [ship]: no figure {bound.figure!r} of {variant.model} was measured; "
                f"there are {', '.join(there)}"
            )
        if lost > bound.loss:
            return f"loses {lost:.4f} of {bound.figure}, allowed {bound.loss:g}"
    return ""


def write_packages(decision: Decision, table: Mapping[str, Row], folder: Path) -> dict[str, Row]:
    """Write the chosen packages into `folder`, stamped.

    Returns:
        By package, the variant it is, the bytes it has and the variant's max_difference.
    """
    written: dict[str, Row] = {}
    shared = {"git_commit": git_commit(), "data_md5": data_md5()}
    for model, name in decision.chosen.items():
        facts = shared | {"variant": name, "metrics": _figures(table[name])}
        for package in PACKAGES[model]:
            target = folder / f"{package}.mlpackage"
            restamp_package(variants.FOLDER / name / target.name, target, facts)
            written[package] = {
                "variant": name,
                "bytes": bytes_on_disk(target),
                "max_difference": table[name]["max_difference"],
            }
    return written


def plot_rows(table: Mapping[str, Row]) -> list[Row]:
    """Make a row a variant for the plot of size against quality; what it lacks is empty."""
    return [
        {
            "variant": name,
            "model": row["model"],
            "target": row["target"],
            "MB": row["bytes"] / 1e6,
            "capture_iou": figure(row, "capture.iou_mean"),
            "ap50_95": _or_empty(figure(row, "detection.ap50_95")),
            "mask_iou": _or_empty(figure(row, "segmentation.mask_iou")),
        }
        for name, row in table.items()
    ]


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value


def _figures(row: Row) -> str:
    """Write down what was reached: on rendered scenes, by a runtime on Linux."""
    reached = {path: figure(row, path) for path in SHOWN}
    return json.dumps({path: value for path, value in reached.items() if value is not None})


def git_commit() -> str:
    """Return the commit that is checked out, "unknown" outside a repository."""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or UNKNOWN


def data_md5() -> str:
    """Return the hash of the data that data.dvc records, "unknown" without the file."""
    if not DATA.is_file():
        return UNKNOWN
    content = YAML(typ="safe").load(DATA.read_text(encoding="utf-8"))
    try:
        return str(content["outs"][0]["md5"])
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{DATA}: no hash in it ({error!r}); `dvc add data` writes it") from error
