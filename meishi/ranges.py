"""Which values of params.yaml can be right, whatever their type: told by the names of the keys."""

from dataclasses import fields, is_dataclass
from typing import Any

from meishi import schema

MAY_BE_ZERO = {
    *("seed", "frozen_blocks", "warmup_steps", "overlays", "red", "green", "blue"),
    *("draw", "crops_per_empty_scene", "lookalikes_per_scene"),
}
# On which devices training runs: training/distribution.py
STRATEGIES = ("auto", "mirrored", "multi_worker")
# What a matched anchor's score is to be: ssd/loss.py
SCORE_TARGETS = ("card", "iou")
CHOICES = {"strategy": STRATEGIES, "score_target": SCORE_TARGETS}
DIVISORS = {"offset_beta", "share_low", "aspect"}


def range_faults(value: Any, where: str = "") -> list[schema.Fault]:
    """Say which values are out of range: counts, probabilities, choices.

    Args:
        value: a dataclass of params.yaml; sections within it are looked at, too.
        where: its dotted path.

    Returns:
        A fault for each.
    """
    faults: list[schema.Fault] = []
    for field in fields(value):
        name, inner = field.name, getattr(value, field.name)
        if is_dataclass(inner):
            faults += range_faults(inner, f"{where}.{name}" if where else name)
        elif expected := _expected(name, inner):
            faults.append(schema.Fault(where, f"{name}: expected {expected}, got {inner!r}"))
    return faults


def _expected(name: str, value: Any) -> str:
    """Say what a value should be; nothing if it is that."""
    least = 0 if name in MAY_BE_ZERO else 1
    if type(value) is int and value < least:
        return f"{least} at least"
    if name in DIVISORS and value <= 0:
        return "above 0"
    if name == "trained_share" and not 0 < value <= 1:
        return "above 0, 1 at most"
    if name.endswith("probability") and not 0 <= value <= 1:
        return "0 to 1"
    known = CHOICES.get(name, (value,))
    return "" if value in known else f"one of {', '.join(known)}"
