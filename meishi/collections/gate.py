"""Whether a package may be published: its metrics against floors, its contract against the apps.

Floors and contracts stand in a file of its own, `collections.yaml`; see docs/collections.md.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from meishi import schema
from meishi.collections import layout
from meishi.errors import InputError, summary


class GateError(InputError):
    """A package may not be published; the message lists every reason."""


@dataclass(frozen=True)
class Bound:
    """What a metric has to reach.

    Attributes:
        metric: FILE:KEY, as evaluate:detection.ap50 for metrics/evaluate.json.
        at_least: the lowest value that passes; nothing for no such bound.
        at_most: the highest.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class App:
    """Released apps of one contract.

    Attributes:
        since: first version of the app that reads this contract; it holds until the next entry's.
        contract: its sha256.
    """

    since: str
    contract: str


@dataclass(frozen=True)
class Model:
    """What is asked of a model.

    Attributes:
        name: as the registry has it.
        package: path of its package in the repository.
        bounds: of its metrics.
        apps: which contract which app reads.
    """

    name: str
    package: str
    bounds: tuple[Bound, ...]
    apps: tuple[App, ...]


@dataclass(frozen=True)
class Config:
    """The whole file."""

    models: tuple[Model, ...]

    def model(self, name: str) -> Model:
        """Return what is asked of a model; GateError if it is not in the file."""
        for model in self.models:
            if model.name == name:
                return model
        known = ", ".join(model.name for model in self.models)
        raise GateError(f"model {name!r}: not in the configuration; it has {known or 'none'}")


def read_config(file: Path) -> Config:
    """Read the file.

    Raises:
        GateError: if it cannot be read, or for every fault in it.
    """
    try:
        document = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise GateError(f"{file}: cannot be read: {error}") from error
    found: list[schema.Fault] = []
    config = schema.build(Config, document, found)
    faults = [f"{file} [{fault.where}]: {fault.what}" for fault in found]
    if not faults:
        faults = [f"{file}: {fault}" for model in config.models for fault in _faults(model)]
    if faults:
        raise GateError(summary(faults))
    return config


def _faults(model: Model) -> list[str]:
    faults = []
    if not layout.is_name(model.name):
        faults.append(f"model {model.name!r}: lower case words joined by hyphens")
    for bound in model.bounds:
        if bound.at_least is None and bound.at_most is None:
            faults.append(f"{model.name}: {bound.metric}: neither at_least nor at_most")
        if bound.metric.count(":") != 1:
            faults.append(f"{model.name}: {bound.metric!r}: expected FILE:KEY")
    bad = [app.since for app in model.apps if not layout.is_dotted(app.since)]
    faults += [f"{model.name}: app {since!r}: expected a version, as 1.2" for since in bad]
    order = [] if bad else [layout.number(app.since) for app in model.apps]
    if order != sorted(set(order)):
        faults.append(f"{model.name}: apps: oldest first, each once")
    return faults


def read_metrics(contents: dict[str, bytes]) -> dict[str, Any]:
    """Parse metrics files.

    Args:
        contents: by file name without suffix.

    Raises:
        GateError: for each that is no JSON object.
    """
    metrics, faults = {}, []
    for name, content in contents.items():
        try:
            metrics[name] = json.loads(content)
        except ValueError as error:
            faults.append(f"metrics {name}: no JSON: {error}")
    if faults:
        raise GateError(summary(faults))
    return metrics


def check_metrics(model: Model, metrics: dict[str, Any]) -> dict[str, float]:
    """Hold metrics against the floors.

    Returns:
        Those that were looked at, by FILE:KEY.

    Raises:
        GateError: for every one that is missing, no number, or out of bounds.
    """
    seen, faults = {}, []
    for bound in model.bounds:
        value = _lookup(metrics, bound.metric)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
        ):
            faults.append(f"{bound.metric}: expected a number, got {value!r}")
            continue
        seen[bound.metric] = float(value)
        if bound.at_least is not None and value < bound.at_least:
            faults.append(f"{bound.metric}: {value:g} is below {bound.at_least:g}")
        if bound.at_most is not None and value > bound.at_most:
            faults.append(f"{bound.metric}: {value:g} is above {bound.at_most:g}")
    if faults:
        raise GateError(f"{model.name}: the quality gate refuses it: {summary(faults)}")
    return seen


def check_contract(
    model: Model, contract: str, min_app: str, max_app: str, source: str = "the package"
) -> None:
    """Hold a package's contract against the apps that it claims to serve.

    Args:
        model: what is asked of it.
        contract: of the package that is published, whatever the configured one has.
        min_app: oldest app.
        max_app: newest app; "" for any.
        source: where the package comes from, for the message.

    Raises:
        GateError: naming each range of apps that reads another contract.
    """
    low = layout.number(min_app)
    high = layout.number(max_app) if max_app else None
    if high is not None and high < low:
        raise GateError(f"--max-app {max_app}: below --min-app {min_app}: for no app at all")
    ends = [layout.number(app.since) for app in model.apps[1:]]
    faults = []
    for app, end in zip(model.apps, [*ends, None], strict=True):
        served = (end is None or low < end) and (high is None or layout.number(app.since) <= high)
        if served and app.contract != contract:
            until = f" to before {'.'.join(map(str, end))}" if end else " on"
            faults.append(f"apps from {app.since}{until} read contract {app.contract[:12]}")
    if not model.apps or low < layout.number(model.apps[0].since):
        faults.append(f"no contract is stated for app {min_app}")
    if faults:
        raise GateError(
            f"{model.name}: contract {contract[:12]} breaks apps that it claims to serve: "
            f"{summary(faults)}; narrow --min-app and --max-app, or publish for a new app; if the "
            f"apps do read it, {layout.CONFIG} takes that of {source}: contract: {contract}"
        )


def check_system(min_os: str, own: str) -> str:
    """Return the oldest system that a package is offered to: `min_os`, or its own if that is "".

    Raises:
        GateError: if the package needs a newer one than `min_os`.
    """
    if min_os and layout.number(min_os) < layout.number(own):
        raise GateError(f"--min-os {min_os}: the package needs system {own}")
    return min_os or own


def _lookup(metrics: dict[str, Any], name: str) -> Any:
    file, _, key = name.partition(":")
    value: Any = metrics.get(file)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
