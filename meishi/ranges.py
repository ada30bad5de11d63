"""Which values of params.yaml can be right: marks that stand beside the type of a field.

`epochs: Count` is an int of 1 at least, `Annotated[Share, NotBelow("low")]` a share that another
key of the same section limits, too. A mark on a tuple's items holds for each; one on a section for
its `low` and `high`.
"""

import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Protocol

from meishi import schema

ENDS = ("low", "high")


class Mark(Protocol):
    """What a value must keep to."""

    def unmet(self, value: Any, section: Any) -> str:
        """Say what is expected of a value of a section; "" where it is that."""
        ...


@dataclass(frozen=True, kw_only=True)
class Range:
    """Bounds of a number; it may reach `least` and `most`, but not `above` and `below`."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def unmet(self, value: float, section: Any) -> str:
        """Say which bounds hold."""
        fits = (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )
        if fits:
            return ""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        bounds = {
            "{:g} at least": self.least,
            "above {:g}": self.above,
            "{:g} at most": self.most,
            "below {:g}": self.below,
        }
        return ", ".join(form.format(bound) for form, bound in bounds.items() if bound is not None)


@dataclass(frozen=True)
class ZeroOr:
    """A number from a bound on, or 0 for nothing of the kind."""

    least: float

    def unmet(self, value: float, section: Any) -> str:
        """Say where the numbers begin."""
        return "" if value == 0 or value >= self.least else f"0, or {self.least:g} at least"


@dataclass(frozen=True)
class Odd:
    """An odd whole number: the side of a kernel that has a middle."""

    def unmet(self, value: float, section: Any) -> str:
        """Ask for one."""
        return "" if value % 2 == 1 else "an odd whole number"


@dataclass(frozen=True)
class OneOf:
    """A choice of words or numbers."""

    known: tuple

    def unmet(self, value: Any, section: Any) -> str:
        """Name what there is to choose from."""
        return "" if value in self.known else f"one of {', '.join(map(str, self.known))}"


@dataclass(frozen=True)
class Like:
    """A word of a form: a regular expression, and how people read it."""

    form: str
    shown: str

    def unmet(self, value: str, section: Any) -> str:
        """Show the form."""
        return "" if re.fullmatch(self.form, value) else self.shown


@dataclass(frozen=True)
class Filled:
    """A list of one item at least."""

    def unmet(self, value: tuple, section: Any) -> str:
        """Ask for an item."""
        return "" if value else "one item at least"


@dataclass(frozen=True)
class NotBelow:
    """At least what another key of the section is."""

    key: str

    def unmet(self, value: float, section: Any) -> str:
        """Name the other key with its value."""
        least = getattr(section, self.key)
        return "" if value >= least else f"{self.key} ({least:g}) at least"


@dataclass(frozen=True)
class LeavesRest:
    """A share of what another key's share is of, too: something is left of the whole."""

    key: str

    def unmet(self, value: float, section: Any) -> str:
        """Name the other key with its value."""
        other = getattr(section, self.key)
        return "" if value + other < 1 else f"below 1 together with {self.key} ({other:g})"


# On which devices training runs: training/distribution.py
STRATEGIES = ("auto", "mirrored", "multi_worker")
# What a matched anchor's score is to be: ssd/loss.py
SCORE_TARGETS = ("card", "iou")

# Blocks of the networks' backbones: backbone/efficientnet.py, direction/pp_lcnet.py
BACKBONE_BLOCKS, DIRECTION_BLOCKS = 11, 13

Natural = Annotated[int, Range(least=0)]
Count = Annotated[int, Range(least=1)]
Quality = Annotated[int, Range(least=1, most=100)]  # of a JPEG file
Channel = Annotated[int, Range(least=0, most=255)]
NonNegative = Annotated[float, Range(least=0)]
Positive = Annotated[float, Range(above=0)]
Share = Annotated[float, Range(least=0, most=1)]  # a probability, too
PositiveShare = Annotated[float, Range(above=0, most=1)]
ProperShare = Annotated[float, Range(above=0, below=1)]
NotAll = Annotated[float, Range(least=0, below=1)]
Turn = Annotated[float, Range(least=0, most=180)]  # degrees either way
BackboneBlocks = Annotated[int, Range(least=1, most=BACKBONE_BLOCKS)]
FrozenBlocks = Annotated[int, Range(least=0, most=BACKBONE_BLOCKS)]
FrozenDirectionBlocks = Annotated[int, Range(least=0, most=DIRECTION_BLOCKS)]
Strategy = Annotated[str, OneOf(STRATEGIES)]


def range_faults(value: Any, where: str = "") -> list[schema.Fault]:
    """Say which values do not keep to the marks of their fields.

    Args:
        value: a dataclass of params.yaml; sections within it are looked at, too.
        where: its dotted path.

    Returns:
        A fault for each.
    """
    hints = typing.get_type_hints(type(value), include_extras=True)
    faults: list[schema.Fault] = []
    for field in fields(value):
        inner = getattr(value, field.name)
        faults += _faults(hints[field.name], inner, value, (where, field.name))
    return faults


def _faults(hint: Any, value: Any, section: Any, place: tuple[str, str]) -> list[schema.Fault]:
    """Check a value of a section, and what is in it, against the hint of its place."""
    where, key = place
    marks = getattr(hint, "__metadata__", ())
    if is_dataclass(value):
        within = f"{where}.{key}" if where else key
        faults = range_faults(value, within)
        for end in ENDS if marks else ():
            faults += _first_unmet(marks, getattr(value, end), value, (within, end))
        return faults
    faults = _first_unmet(marks, value, section, place)
    if isinstance(value, tuple):
        kinds = typing.get_args(typing.get_args(hint)[0] if marks else hint)
        for number, item in enumerate(value):
            kind = kinds[0 if kinds[-1] is Ellipsis else number]
            faults += _faults(kind, item, section, (where, f"{key}[{number}]"))
    return faults


def _first_unmet(
    marks: Sequence[Mark], value: Any, section: Any, place: tuple[str, str]
) -> list[schema.Fault]:
    where, key = place
    for mark in marks:
        if expected := mark.unmet(value, section):
            return [schema.Fault(where, f"{key}: expected {expected}, got {value!r}")]
    return []
