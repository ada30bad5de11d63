"""What a network is exported as: the entries of `exports` in params.yaml, checked.

An entry says which network, in which Core ML format, for which oldest system, and how its weights
are stored. What a system cannot hold is refused here, before anything is trained or converted.
"""

from dataclasses import dataclass

from meishi import paths, schema
from meishi.named_entries import find_entry, read_entries
from meishi.ranges import Natural, NonNegative

FOLDER = paths.MODELS / "variants"  # a folder in it for each entry

MODELS = ("ssd", "unet", "flat", "direction")
ML_PROGRAM, NEURAL_NETWORK = "mlprogram", "neuralnetwork"
OLDEST = {ML_PROGRAM: 15, NEURAL_NETWORK: 13}  # iOS that runs the format
NEWEST = 18  # iOS that coremltools compresses for
PRECISIONS = ("fp16", "fp32")
PALETTES = {"palette8": 8, "palette6": 6, "palette4": 4, "palette2": 2}  # bits of an index
COMPRESSED = ("int8", "sparse", *PALETTES)
WEIGHTS = ("fp32", "fp16", *COMPRESSED)
TUNED_SOURCE = "tuned/"
TUNED = ("int8", *PALETTES)  # kinds that training can end on exactly
# Oldest iOS whose ML programs hold them (coremltools guide, "Optimization overview").
COMPRESSED_SINCE, GROUPED_SINCE = 16, 18


@dataclass(frozen=True)
class Variant:
    """One export of a network.

    Attributes:
        model: one of MODELS.
        source: folder of its weights in models/: that of the model, or `tuned/NAME` for those that
            the entry NAME of `tune` put on palettes and grids.
        format: "mlprogram" (an .mlpackage) or "neuralnetwork" (an .mlmodel).
        target: the oldest system it runs on, such as "iOS15".
        precision: of the computation, "fp16" or "fp32"; "" for a neural network, whose precision
            Core ML chooses.
        weights: how they are stored, one of WEIGHTS.
        tolerance: largest difference of any output from the network's own, on real images.
        loss: the most a share among its headline figures may lose against the float32 network.
        sparsity: share of weights set to 0, of sparse weights.
        group: channels that share a palette; 0 for one palette a layer.
    """

    model: str
    source: str
    format: str
    target: str
    weights: str
    tolerance: NonNegative
    loss: NonNegative
    precision: str = ""
    sparsity: float = 0.0
    group: Natural = 0

    @property
    def tuned(self) -> bool:
        """Whether the weights are those fine-tuned for this kind of storage."""
        return self.source.startswith(TUNED_SOURCE)

    @property
    def floor(self) -> int:
        """The oldest iOS it runs on."""
        return int(self.target.removeprefix("iOS"))

    @property
    def suffix(self) -> str:
        """Of its files."""
        return ".mlpackage" if self.format == ML_PROGRAM else ".mlmodel"


def read_variants(exports: dict, faults: list[schema.Fault]) -> dict[str, Variant]:
    """Build and check all entries.

    Args:
        exports: the section as the file has it.
        faults: receives what is wrong, one entry each; the result is sound only without any.

    Returns:
        The variants by name.
    """
    return read_entries("exports", Variant, exports, _faults, faults)


def find(variants: dict[str, Variant], name: str) -> Variant:
    """Return a variant; InputError lists those there are if it is none."""
    return find_entry("exports", variants, name)


def _faults(variant: Variant) -> list[str]:
    """Say what does not fit; words first, then what depends on them."""
    words = [
        *_unknown("model", variant.model, MODELS),
        *_unknown("format", variant.format, tuple(OLDEST)),
        *_unknown("weights", variant.weights, WEIGHTS),
    ]
    return words or [
        *_target_faults(variant),
        *_precision_faults(variant),
        *_weight_faults(variant),
    ]


def _unknown(key: str, value: str, known: tuple[str, ...]) -> list[str]:
    return [] if value in known else [f"{key}: expected one of {', '.join(known)}, got {value!r}"]


def _target_faults(variant: Variant) -> list[str]:
    oldest = OLDEST[variant.format]
    known = [f"iOS{version}" for version in range(oldest, NEWEST + 1)]
    if variant.target not in known:
        return _unknown("target", variant.target, tuple(known))
    if variant.format == NEURAL_NETWORK:
        if variant.weights in COMPRESSED:
            return [f"weights: {variant.weights} needs the format {ML_PROGRAM}"]
        return []
    if variant.weights in COMPRESSED and variant.floor < COMPRESSED_SINCE:
        since = f"iOS{COMPRESSED_SINCE}"
        return [f"target: {variant.weights} weights need {since}, got {variant.target}"]
    if variant.group and variant.floor < GROUPED_SINCE:
        return [f"target: grouped palettes need iOS{GROUPED_SINCE}, got {variant.target}"]
    return []


def _precision_faults(variant: Variant) -> list[str]:
    if variant.format == NEURAL_NETWORK:
        if variant.precision:
            return ["precision: Core ML chooses that of a neuralnetwork; leave it out"]
        return []
    if fault := _unknown("precision", variant.precision, PRECISIONS):
        return fault
    if variant.weights in PRECISIONS and variant.weights != variant.precision:
        return [
            f"weights: {variant.weights} in a program of precision {variant.precision}: it stores "
            "plain weights as it computes"
        ]
    return []


def _weight_faults(variant: Variant) -> list[str]:
    faults = []
    sparse = variant.weights == "sparse"
    if sparse != (variant.sparsity > 0) or variant.sparsity >= 1:
        wanted = "above 0, below 1" if sparse else "none, the weights are not sparse"
        faults.append(f"sparsity: expected {wanted}, got {variant.sparsity:g}")
    if variant.group and variant.weights not in PALETTES:
        faults.append(f"group: only palettes have groups, the weights are {variant.weights}")
    if variant.tuned and variant.weights not in TUNED:
        faults.append(f"source: only {', '.join(TUNED)} are tuned, the weights: {variant.weights}")
    if not variant.tuned and variant.source != variant.model:
        faults.append(
            f"source: expected {variant.model} or {TUNED_SOURCE}NAME, got {variant.source!r}"
        )
    return faults
