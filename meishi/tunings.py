"""How networks are fine-tuned for a small storage: the entries of `tune` in params.yaml, checked.

An entry names a network and what its kernels are to lie on. `exports` uses the result under
`source: tuned/NAME`.
"""

from dataclasses import dataclass

from meishi import paths, schema
from meishi.named_entries import find_entry, read_entries

MODELS = {"ssd": "frames", "unet": "crops"}  # and the samples of their input's size
PALETTE_BITS = (0, 1, 2, 4, 6, 8)  # 0: no palettes; the others are those of iOS 16
FOLDER = paths.MODELS / "tuned"


@dataclass(frozen=True)
class Tuning:
    """How a network is compressed, and fine-tuned for it.

    Attributes:
        model: "ssd" or "unet".
        samples: augmented pictures of its input's size, "frames" or "crops".
        palette_bits: 2^bits values a palette; 0 puts every kernel on an int8 grid.
        palette_values: kernels of fewer values lie on an int8 grid, a scale for each channel.
        group_channels: output channels that share a palette (iOS 18); 0 for one palette a kernel.
        frozen_blocks: blocks of the backbone that do not learn, the stem with them.
        steps, batch, learning_rate, warmup_steps, checkpoint_steps: of the fine-tuning.
    """

    model: str
    samples: str
    palette_bits: int
    palette_values: int
    group_channels: int
    frozen_blocks: int
    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    checkpoint_steps: int

    epochs = 1  # the samples are drawn for all steps at once

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


def _faults(tuning: Tuning) -> list[str]:
    faults = []
    if tuning.model not in MODELS:
        faults.append(f"model: expected one of {', '.join(MODELS)}, got {tuning.model!r}")
    elif tuning.samples != MODELS[tuning.model]:
        wanted = MODELS[tuning.model]
        faults.append(f"samples: {tuning.model} learns from {wanted}, got {tuning.samples!r}")
    if tuning.palette_bits not in PALETTE_BITS:
        known = ", ".join(map(str, PALETTE_BITS))
        faults.append(f"palette_bits: expected one of {known}, got {tuning.palette_bits}")
    for key in ("palette_values", "group_channels", "frozen_blocks", "warmup_steps"):
        if getattr(tuning, key) < 0:
            faults.append(f"{key}: expected 0 at least, got {getattr(tuning, key)}")
    for key in ("steps", "batch", "checkpoint_steps"):
        if getattr(tuning, key) < 1:
            faults.append(f"{key}: expected 1 at least, got {getattr(tuning, key)}")
    if tuning.learning_rate <= 0:
        faults.append(f"learning_rate: expected more than 0, got {tuning.learning_rate:g}")
    return faults
