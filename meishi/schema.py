"""Build frozen dataclasses from what YAML and JSON give, strictly.

Every key must be a field, every field must have a key, and a value must be of the annotated
type: a scalar, another dataclass, `tuple[X, ...]`, `tuple[X, Y]`, `dict` (taken as it is), or any
of these `| None`. A bool is no int; an int is taken where a float is asked for.
"""

import difflib
import math
import types
import typing
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST_INT = 10**300  # beyond, an int is no float


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the dotted place of the mapping it is in ("" at the top), and what."""

    where: str
    what: str


def build(kind: type[T], value: Any, faults: list[Fault], where: str = "") -> T:
    """Make a dataclass of a mapping.

    Args:
        kind: the dataclass.
        value: what the file holds.
        faults: receives one entry for each fault; the result is sound only if it stays empty.
        where: dotted place of `value`, for the faults.

    Returns:
        The instance; a field with a fault is None.
    """
    hints = typing.get_type_hints(kind)
    if not isinstance(value, dict):
        faults.append(Fault(where, f"expected keys and values, got {_describe(value)}"))
        value = dict.fromkeys(hints)
        faults = []  # the fields of nothing are no further faults
    for key in value:
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            faults.append(Fault(where, f"unknown key '{key}'{hint}"))
    built: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in value:
            hint = hints[field.name]
            built[field.name] = _convert(hint, value[field.name], faults, where, field.name)
        elif field.default is MISSING:
            faults.append(Fault(where, f"missing key '{field.name}'"))
            built[field.name] = None
    return kind(**built)


def _convert(hint: Any, value: Any, faults: list[Fault], where: str, key: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if value is None:
            return None
        return _convert(args[0], value, faults, where, key)
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, faults, f"{where}.{key}" if where else key)
    if origin is tuple:
        return _convert_tuple(args, value, faults, where, key)
    if hint is float and type(value) is int and abs(value) < LARGEST_INT:
        return float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        faults.append(Fault(where, f"{key}: expected {hint.__name__}, got {_describe(value)}"))
        return None
    return value


def _convert_tuple(args: tuple, value: Any, faults: list[Fault], where: str, key: str) -> Any:
    if not isinstance(value, list):
        faults.append(Fault(where, f"{key}: expected a list, got {_describe(value)}"))
        return None
    open_ended = args[-1] is Ellipsis
    if not open_ended and len(value) != len(args):
        faults.append(Fault(where, f"{key}: expected {len(args)} items, got {len(value)}"))
        return None
    hints = [args[0]] * len(value) if open_ended else args
    return tuple(
        _convert(hint, item, faults, where, f"{key}[{i}]")
        for i, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _describe(value: Any) -> str:
    name = {dict: "keys and values", list: "a list", type(None): "nothing"}.get(type(value))
    return name or f"{type(value).__name__} {value!r}"
