"""The contract between an app and a model: what the app's code takes for granted, as one hash.

Inputs and outputs (name, kind, type, shape or the shapes that are allowed, whether optional), class
labels, and the thresholds and margins in the metadata. Weights, descriptions, author and version
are no part of it: two packages of one contract can be exchanged without touching the app.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meishi.errors import InputError

# Keys of the free metadata that an app reads; others (tools, sources, dates) are for people.
READ_BY_APPS = (
    "classes",
    "confidence_threshold",
    "crop_margin",
    "iou_threshold",
    "max_boxes",
    "view_margin",
)


@dataclass(frozen=True)
class Contract:
    """What an app relies on.

    Attributes:
        inputs: a dictionary each, see above, in the model's order.
        outputs: the same.
        values: labels, thresholds and margins by name, as the metadata has them.
    """

    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    values: dict[str, str]

    @property
    def sha256(self) -> str:
        """Digest of the canonical JSON of all of it."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def text(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces."""
        whole = {
            "inputs": sorted(self.inputs, key=lambda row: row["name"]),
            "outputs": sorted(self.outputs, key=lambda row: row["name"]),
            "values": self.values,
        }
        return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def make_contract(described: Mapping[str, Any]) -> Contract:
    """Take the contract out of what `meishi inspect` says of a package."""
    metadata = described["metadata"]
    return Contract(
        tuple(described["inputs"]),
        tuple(described["outputs"]),
        {key: metadata[key] for key in READ_BY_APPS if key in metadata},
    )


def contract_of(package: Path) -> str:
    """Hash the contract of a package on disk.

    Raises:
        InputError: if it is no Core ML package or damaged.
    """
    # Here, not above: it loads coremltools and TensorFlow, which a client does not need.
    from meishi.packages.inspection import inspect

    return make_contract(inspect(package)).sha256


def system_of(package: Path) -> str:
    """Return the oldest iOS that reads a package, as 16.0: its specification version says so.

    Raises:
        InputError: if it is no Core ML package or damaged.
    """
    from meishi.coreml.package import read_spec
    from meishi.coreml.toolkit import ct

    spec, _ = read_spec(package)
    version = spec.specificationVersion
    try:
        target = ct.target(max(version, ct.target.iOS13))
    except ValueError:
        raise InputError(
            f"{package}: specification version {version} is of no system known here"
        ) from None
    return f"{target.name.removeprefix('iOS')}.0"
