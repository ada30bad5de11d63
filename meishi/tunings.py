"""How networks are fine-tuned for a small storage: the entries of `tune` in params.yaml, checked.

An entry names a network and what its kernels are to lie on. `exports` uses the result under
`source: tuned/NAME`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from meishi import paths, schema
from meishi.named_entries import find_entry, read_entries
from meishi.ranges import Count, FrozenBlocks, Natural, OneOf, Positive
from meishi.variants import PALETTES, TUNED_SOURCE, Variant

MODELS = {"ssd": "frames", "unet": "crops"}  # and the samples of their input's size
PALETTE_BITS = (0, *sorted(PALETTES.values()))  # 0: no palettes
FOLDER = paths.MODELS / TUNED_SOURCE


@dataclass(frozen=True)
class Tuning:
    """How a network is compressed, and fine-tuned for it.

    Attributes:
        model: "ssd" or "unet".
        samples: augmented pictures of its input's size, "frames" or "crops".
        palette_bits: 2^bits values a palette; 0 puts every kernel on an int8 grid.
        palette_values: kernels of fewer values lie on an int8 grid, a scale for each channel.
        kernel_bits: by a layer's name, other bits of its palette, or 0 for an int8 grid.
        group_channels: output channels that share a palette (iOS 18); 0 for one palette a kernel.
        frozen_blocks: blocks of the backbone that do not learn, the stem with them.
        steps, batch, learning_rate, warmup_steps, checkpoint_steps: of the fine-tuning.
    """

    model: str
    samples: str
    palette_bits: Annotated[int, OneOf(PALETTE_BITS)]
    palette_values: Natural
    kernel_bits: dict
    group_channels: Natural
    frozen_blocks: FrozenBlocks
    steps: Count
    batch: Count
    learning_rate: Positive
    warmup_steps: Natural
    checkpoint_steps: Count

    epochs = 1  # the samples are drawn for all steps at once

    def bits(self, layer: str, values: int) -> int:
        """Return the bits of the palette of a layer's kernel of so many values; 0: an int8 grid."""
        usual = self.palette_bits if values >= self.palette_values else 0
        return self.kernel_bits.get(layer, usual)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return what the names of layers that do not learn begin with."""
        blocks = tuple(f"block{number}_" for number in range(self.frozen_blocks))
        return ("stem", *blocks) if blocks else ()


def read_tunings(section: dict, faults: list[schema.Fault]) -> dict[str, Tuning]:
    """Build and check all entries.

    Args:
        section: `tune` as the file has it.
        faults: receives what is wrong, one entry each; the result is sound only without any.

    Returns:
        The tunings by name.
    """
    return read_entries("tune", Tuning, section, _faults, faults)


def find(tunings: dict[str, Tuning], name: str) -> Tuning:
    """Return a tuning; InputError lists those there are if it is none."""
    return find_entry("tune", tunings, name)


def source_faults(tune: Mapping[str, Tuning], exports: Mapping[str, Variant]) -> list[schema.Fault]:
    """Say which variants take tuned weights that nothing tunes, or not for their storage.

    Args:
        tune: the tunings by name, without faults of their own.
        exports: the variants by name, likewise.
    """
    faults = []
    for name, variant in exports.items():
        if variant.tuned:
            tuning = tune.get(variant.source.removeprefix(TUNED_SOURCE))
            fault = _source_fault(variant, tuning)
            faults += [schema.Fault(f"exports.{name}", f"source: {fault}")] if fault else []
    return faults


def freezing_faults(
    unet_blocks: int, frozen: Mapping[str, int], tune: Mapping[str, Tuning]
) -> list[schema.Fault]:
    """Say where more blocks of the segmenter are frozen than it has.

    Args:
        unet_blocks: those that it has.
        frozen: by section of its training, `frozen_blocks`.
        tune: the tunings by name, without faults of their own.
    """
    tuned = {f"tune.{n}": t.frozen_blocks for n, t in tune.items() if t.model == "unet"}
    return [
        schema.Fault(
            where, f"frozen_blocks: expected 0 to {unet_blocks} (unet.blocks), got {count}"
        )
        for where, count in {**frozen, **tuned}.items()
        if count > unet_blocks
    ]


def _source_fault(variant: Variant, tuning: Tuning | None) -> str:
    if tuning is None:
        return f"{variant.source!r} is no entry of `tune`"
    wanted = variant.model, PALETTES.get(variant.weights, 0), variant.group
    given = tuning.model, tuning.palette_bits, tuning.group_channels
    if wanted == given:
        return ""
    said = "network, bits of a palette and channels of a group"
    return f"{said}: the variant has {wanted}, {variant.source!r} is tuned for {given}"


def _faults(tuning: Tuning) -> list[str]:
    faults = []
    if tuning.model not in MODELS:
        faults.append(f"model: expected one of {', '.join(MODELS)}, got {tuning.model!r}")
    elif tuning.samples != MODELS[tuning.model]:
        wanted = MODELS[tuning.model]
        faults.append(f"samples: {tuning.model} learns from {wanted}, got {tuning.samples!r}")
    known = ", ".join(map(str, PALETTE_BITS))
    for layer, bits in tuning.kernel_bits.items():
        if isinstance(bits, bool) or bits not in PALETTE_BITS:
            faults.append(f"kernel_bits.{layer}: expected one of {known}, got {bits!r}")
        elif bits and not tuning.palette_bits:
            faults.append(f"kernel_bits.{layer}: with palette_bits 0 every kernel is on a grid")
    return faults
