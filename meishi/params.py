"""params.yaml as frozen dataclasses, checked strictly.

One dataclass per section, field for key: add a parameter by adding it here, with its range (see
`ranges`), and in params.yaml. The whole file is checked on every load, so that a slip in a late
stage's section shows in the first stage. YAML 1.2 (ruamel), as DVC reads it: under YAML 1.1 `1e-3`
would be a string.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from meishi import paths, schema
from meishi.errors import InputError
from meishi.flat_params import DirectionParams, FlatParams
from meishi.ranges import (
    BackboneBlocks,
    Count,
    Filled,
    LeavesRest,
    Natural,
    NonNegative,
    NotAll,
    Positive,
    PositiveShare,
    ProperShare,
    Range,
    Share,
    range_faults,
)
from meishi.recipe import AugmentParams
from meishi.rules import GateParams, ShipParams
from meishi.train_params import (
    TrainDirectionParams,
    TrainFlatParams,
    TrainSsdParams,
    TrainUnetParams,
)
from meishi.tunings import freezing_faults, read_tunings, source_faults
from meishi.variants import read_variants


class ParamsError(InputError):
    """params.yaml does not say what the code expects; the message lists every fault."""


@dataclass(frozen=True)
class SourceParams:
    """Labelled scenes: a folder in the layout of data/, or another tool's export.

    `format` is "meishi" or a key of `data.importers.registry.READERS`; `labels` mean a card in it,
    every label when empty. The path of an export may be a URL; one of a server needs `sha256`.
    """

    name: str
    path: str
    format: str = "meishi"
    labels: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True)
class FetchParams:
    """The sources to merge, photos without a card, and the weights that training begins with."""

    sources: tuple[SourceParams, ...]
    weights: str
    direction_weights: str
    without_cards: tuple[SourceParams, ...] = ()


@dataclass(frozen=True)
class PreprocessParams:
    """Size of a prepared scene, shares of the scenes and of the photos that are held out."""

    max_side_px: Count
    val_fraction: ProperShare
    test_fraction: Annotated[ProperShare, LeavesRest("val_fraction")]
    photos_held_out: NotAll = 0.0


@dataclass(frozen=True)
class SsdParams:
    """Shape of the detector: input, feature maps, anchors."""

    input_px: Count
    levels: Annotated[tuple[Count, ...], Filled()]
    scales: Annotated[tuple[Annotated[tuple[Positive, ...], Filled()], ...], Filled()]
    aspects: Annotated[tuple[Positive, ...], Filled()]
    variances: tuple[Positive, Positive]
    last_expansion: Count
    head_channels: Count


@dataclass(frozen=True)
class UnetParams:
    """Shape of the segmenter, and the crop it looks at."""

    input_px: Count
    margin: NonNegative
    blocks: BackboneBlocks
    bottom_channels: Count


@dataclass(frozen=True)
class ConvertParams:
    """What every conversion shares: scenes of the parity gate, metadata."""

    parity_images: Count
    author: str
    version: str


@dataclass(frozen=True)
class ConfidenceParams:
    """How likely a quad shows a card: what weighs how much, as logits, and what is added."""

    score: Annotated[float, Range(least=0)]
    agreement: Annotated[float, Range(least=0)]
    likeness: Annotated[float, Range(least=0)]
    bias: float


@dataclass(frozen=True)
class CaptureParams:
    """From photo to cards: thresholds and limits."""

    score_threshold: Share
    iou_threshold: Share
    candidates: Count
    max_cards: Count
    confidence_threshold: Share
    looks: tuple[PositiveShare, ...]
    max_side_ratio: Annotated[float, Range(least=1)]
    direction_threshold: Share
    confidence: ConfidenceParams


@dataclass(frozen=True)
class MeasureParams:
    """On how many scenes of the test split variants are measured."""

    scenes: Count


@dataclass(frozen=True)
class EvaluateParams:
    """How many overlays are drawn, how often a model is timed."""

    overlays: Natural
    latency_runs: Count


@dataclass(frozen=True, repr=False, eq=False)
class Params:
    """All of params.yaml; an instance holds the sections that were asked for, and no other."""

    seed: Natural
    fetch: FetchParams
    preprocess: PreprocessParams
    augment: AugmentParams
    ssd: SsdParams
    unet: UnetParams
    train_ssd: TrainSsdParams
    train_unet: TrainUnetParams
    direction: DirectionParams
    train_direction: TrainDirectionParams
    flat: FlatParams
    train_flat: TrainFlatParams
    tune: dict  # by name, a Tuning each
    exports: dict  # by name, a Variant each
    convert: ConvertParams
    capture: CaptureParams
    evaluate: EvaluateParams
    measure: MeasureParams
    ship: ShipParams
    gate: GateParams

    def __getattr__(self, name: str) -> Any:
        """Explain an attribute that is missing (Python calls this for no other)."""
        raise AttributeError(f"params section '{name}' was not asked for in load_params(...)")


def load_params(*names: str, path: Path | None = None) -> Params:
    """Read the named sections of params.yaml, or keys of them, having checked all of it.

    Args:
        names: "SECTION" or "SECTION.KEY"; for a stage exactly its `params` in dvc.yaml.
        path: the file; params.yaml in the working directory when None.

    Returns:
        An object with exactly these attributes; a section with exactly the keys that are named.

    Raises:
        ParamsError: if the file cannot be read, or a key is unknown, missing or of the wrong
            type; all faults in one message.
    """
    path = paths.PARAMS if path is None else path
    faults: list[schema.Fault] = []
    whole = schema.build(Params, _read(path), faults)
    tunings = read_tunings(whole.tune or {}, faults)
    variants = read_variants(whole.exports or {}, faults)
    checked = {"tune": tunings, "exports": variants}
    if not faults:
        frozen = {
            "train_unet": whole.train_unet.frozen_blocks,
            "train_flat": whole.train_flat.frozen_blocks,
        }
        faults += range_faults(whole) or freezing_faults(whole.unet.blocks, frozen, tunings)
        faults += source_faults(tunings, variants)
    if faults:
        raise ParamsError("\n".join(_sentence(path, fault) for fault in faults))
    chosen = _only(whole, names)
    chosen.__dict__.update({name: checked[name] for name in checked if name in names})
    return chosen


def _only(whole: Any, names: Sequence[str]) -> Any:
    """Copy a dataclass with some of its fields alone; another is an AttributeError."""
    known = [field.name for field in fields(whole)]
    chosen = object.__new__(type(whole))
    for name in dict.fromkeys(name.split(".")[0] for name in names):
        if name not in known:
            raise ParamsError(f"load_params: no {name!r}; there are {known}")
        keys = [other.partition(".")[2] for other in names if other.split(".")[0] == name]
        inner = getattr(whole, name)
        chosen.__dict__[name] = inner if "" in keys else _only(inner, keys)
    return chosen


def _sentence(path: Path, fault: schema.Fault) -> str:
    section = f" [{fault.where}]" if fault.where else ""
    return f"{path.name}{section}: {fault.what}"


def _read(path: Path) -> Any:
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path.name}: cannot be read: no such file; run this in the folder of a clone"
        ) from error
    except (OSError, ValueError, YAMLError) as error:  # ValueError: bytes, dates, huge numbers
        raise ParamsError(f"{path.name}: cannot be read: {_told(error)}") from error


def _told(error: Exception) -> str:
    """Say what is wrong and where; not what ruamel.yaml advises its programmers."""
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error)
