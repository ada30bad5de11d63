"""The quality gate: limits of the headline figures, and how much a change may lose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meishi.errors import InputError
from meishi.report.figures import FIGURES, Figure, value_of
from meishi.report.revisions import RevisionError, Snapshot, same_test_data
from meishi.rules import GateParams, LimitParams


class GateError(InputError):
    """A figure is beyond its limit, or lost more than it may; every one is listed."""


@dataclass(frozen=True)
class Verdict:
    """What the gate found.

    Attributes:
        passed: sentences about what holds.
        failed: sentences about what does not.
        open: what could not be judged, and why.
    """

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    open: tuple[str, ...]


def judge(params: GateParams, head: Snapshot, base: Snapshot | None) -> Verdict:
    """Hold the figures of a revision against the limits, and against those of the base.

    A loss is judged only where both were measured on the same scenes; otherwise the verdict says
    that it was not.

    Raises:
        InputError: if a limit names no headline figure, or `head` lacks one.
    """
    figures = _figures(params.limits)
    values = [value_of(head, figure) for figure in figures]
    passed: list[str] = []
    failed: list[str] = []
    open_: list[str] = []
    if base is not None and not same_test_data(head, base):
        open_.append(f"losses: {base.name} was measured on other scenes, or does not record which")
        base = None
    for limit, figure, value in zip(params.limits, figures, values, strict=True):
        shown = f"{figure.path}: {figure.text(value)}"
        word = "at least" if figure.better == "higher" else "at most"
        beyond = _short_of(figure, limit.limit, value) > 0
        (failed if beyond else passed).append(f"{shown}, {word} {figure.text(limit.limit)}")
        if base is None:
            continue
        try:
            before = value_of(base, figure)
        except RevisionError as error:
            open_.append(f"loss of {figure.path}: {error}")
            continue
        lost = _short_of(figure, before, value)
        found, told = passed, "lost nothing"
        if lost > 0:
            found, told = (failed if lost > limit.loss else passed), f"lost {figure.amount(lost)}"
        allowed = f"{figure.text(before)} of {base.name}, allowed {figure.amount(limit.loss)}"
        found.append(f"{shown}, {told} against {allowed}")
    return Verdict(tuple(passed), tuple(failed), tuple(open_))


def check(params: GateParams, head: Snapshot, base: Snapshot | None) -> Iterator[str]:
    """Yield what holds and what is not judged, a line each.

    Raises:
        GateError: at the end, if anything does not hold.
    """
    verdict = judge(params, head, base)
    yield from (f"holds       {sentence}" for sentence in verdict.passed)
    yield from (f"not judged  {sentence}" for sentence in verdict.open)
    if verdict.failed:
        raise GateError(
            f"the gate of params.yaml is not passed by {head.name}:\n"
            + "\n".join(f"  {sentence}" for sentence in verdict.failed)
            + "\nA limit that is to change is changed in params.yaml [gate], with the reason."
        )


def _figures(limits: Sequence[LimitParams]) -> list[Figure]:
    """Find the headline figure that each limit names."""
    known = {figure.path: figure for figure in FIGURES if figure.better}
    names = [limit.figure for limit in limits]
    faults = [
        f"params.yaml [gate]: no headline figure {name!r}; there are {', '.join(known)}"
        for name in names
        if name not in known
    ]
    faults += [
        f"params.yaml [gate]: {name!r} has two limits"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if faults:
        raise InputError("\n".join(faults))
    return [known[name] for name in names]


def _short_of(figure: Figure, wanted: float, value: float) -> float:
    """Say by how much a value is worse than what is wanted; negative when it is better."""
    short = wanted - value if figure.better == "higher" else value - wanted
    return round(short, 9)  # .95 - .94 is a little more than .01, and .01 may be allowed
