"""Sections of params.yaml whose keys are names that a user gives: a stage of DVC for each entry."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from meishi import schema
from meishi.errors import InputError
from meishi.ranges import range_faults

Entry = TypeVar("Entry")


def read_entries(
    section: str,
    kind: type[Entry],
    content: Mapping[Any, Any],
    check: Callable[[Entry], list[str]],
    faults: list[schema.Fault],
) -> dict[str, Entry]:
    """Read a section strictly.

    Args:
        section: its name in params.yaml.
        kind: dataclass of an entry.
        content: the section as the file has it.
        check: says what is wrong with an entry whose keys, types and ranges are right.
        faults: receives what is wrong, one entry each; the result is sound only without any.

    Returns:
        The entries by name.
    """
    entries = {}
    for name, values in content.items():
        where = f"{section}.{name}"
        found: list[schema.Fault] = []
        if not str(name).replace("_", "").isalnum():  # it names a folder, and a stage of DVC
            found.append(schema.Fault(section, f"{name!r}: use letters, digits and _ in a name"))
        entry = schema.build(kind, values, found, where)
        found = found or range_faults(entry, where)
        faults += found or [schema.Fault(where, fault) for fault in check(entry)]
        entries[str(name)] = entry
    return entries


def find_entry(section: str, entries: Mapping[str, Entry], name: str) -> Entry:
    """Return an entry; InputError lists those there are if it is none."""
    if name not in entries:
        known = ", ".join(entries)
        raise InputError(f"params.yaml [{section}]: no entry {name!r}; there are {known}")
    return entries[name]
