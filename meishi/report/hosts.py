"""Whether the times of two revisions come from one host: those of two are not compared."""

from collections.abc import Mapping
from typing import Any

from meishi.report.revisions import RevisionError, Snapshot

# The files of times, and whose they are. Each names its host: one may be timed without the other.
TIMED = {
    "latency": "SSD, U-Net, direction and preview frame",
    "latency_photo": "flat U-Net and photo",
}
MACHINE = ("cpu", "cores", "system")  # of `host`: `cpu` names family and model, too


def same_host(file: str, head: Snapshot, base: Snapshot) -> bool:
    """Tell whether a file of times names one machine in both revisions; False when it names none.

    Versions of Python and of the runtimes may differ: what they change is the revision's own.
    """
    machine = _machine(head, file)
    return machine is not None and machine == _machine(base, file)


def not_compared(head: Snapshot, base: Snapshot) -> str:
    """Name the hosts whose times are not compared, in one line; "" where all are.

    A file that one of the two lacks is left out: there is nothing to compare.
    """
    found: dict[str, list[str]] = {}
    there = [file for file in TIMED if _times(head, file) and _times(base, file)]
    for file in there:
        if not same_host(file, head, base):
            both = "; ".join(f"{one.name}: {_said(one, file)}" for one in (base, head))
            found.setdefault(both, []).append(file)
    return " ".join(_sentence(both, files, there) for both, files in found.items())


def times_line(head: Snapshot, base: Snapshot | None) -> str:
    """Name the host of the times, or those of both revisions where they are not one."""
    said = f"Times: {_said(head, 'latency', short=True)}."
    if base is None:
        return said
    apart = not_compared(head, base)
    if _times(base, "latency") and not same_host("latency", head, base):
        return apart
    return f"{said} {apart}".rstrip()


def _sentence(both: str, files: list[str], there: list[str]) -> str:
    whose = "" if files == there else " of " + ", ".join(TIMED[file] for file in files)
    return f"Times{whose} are not compared. {both}."


def _times(snapshot: Snapshot, file: str) -> Mapping[str, Any]:
    """Read a file of times; empty when the revision does not have it."""
    try:
        return snapshot.metrics(file)
    except RevisionError:
        return {}


def _machine(snapshot: Snapshot, file: str) -> tuple[Any, ...] | None:
    """Return what tells a host from another; None when a part of it is not recorded."""
    host = _times(snapshot, file).get("host")
    if not isinstance(host, Mapping) or any(host.get(key) is None for key in MACHINE):
        return None
    return tuple(host[key] for key in MACHINE)


def _said(snapshot: Snapshot, file: str, short: bool = False) -> str:
    machine = _machine(snapshot, file)
    if machine is None:
        return "host not recorded"
    cpu, cores, system = machine
    return f"{cpu}, {cores} cores" if short else f"{cpu}, {cores} cores, {system}"
