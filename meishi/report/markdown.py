"""A pull request's report in Markdown: gate, headline figures, params, curves, every metric."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meishi import paths
from meishi.errors import InputError
from meishi.report.figures import Compared, compare
from meishi.report.gate import Verdict, judge
from meishi.report.hosts import not_compared
from meishi.report.revisions import Snapshot, same_test_data
from meishi.report.targets import SLICE_CARDS
from meishi.rules import GateParams

# The first line, by which the comment of an earlier run is found again.
MARK = "<!-- meishi-report -->"
# GitHub takes 65,536 characters in a comment; params and metrics get so much each.
MOST_CHARACTERS_OF_A_DIFF = 24_000
FEW = 20  # rows that are shown without unfolding
CELL = 60  # characters
MOVED = 10  # slices that are shown
TOLD = 0.0005  # of quad IoU: less does not show in three digits
POINTS = 60
CURVES = (("train_ssd", "SSD"), ("train_unet", "U-Net"), ("train_flat", "flat U-Net"))


def pull_request_report(
    gate: GateParams, head: Snapshot, base: Snapshot, link: str | None = None
) -> str:
    """Compare two revisions.

    Args:
        gate: limits to hold `head` against.
        head: the change; the working directory when its `rev` is None.
        base: what it is compared with.
        link: address of the whole report with its pictures, for those who want to see them.

    Returns:
        Markdown that a comment can hold: a diff that is too long is named, not shown.

    Raises:
        InputError: if `head` lacks a headline figure, or DVC cannot compare the two.
    """
    rows = compare(head, base)
    parts = [
        MARK,
        f"## Meishi: {head.name} against {base.name}",
        _data_note(head, base),
        _gate(judge(gate, head, base)),
        _headline(rows, head, base),
        not_compared(head, base),
        _slices(head, base),
        f"Curves, slices and pictures side by side: [report]({link})" if link else "",
        *(_curve(head, base, name, title) for name, title in CURVES),
        _difference("params", base, head),
        _difference("metrics", base, head),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _data_note(head: Snapshot, base: Snapshot) -> str:
    if same_test_data(head, base):
        return ""
    return (
        f"> **Measured on other scenes than {base.name}**, or one of them does not record on "
        "which: the figures are not to be compared."
    )


def _gate(verdict: Verdict) -> str:
    if verdict.failed:
        head = f"**Gate: not passed**, {len(verdict.failed)} of params.yaml [gate] do not hold"
    else:
        head = f"**Gate: passed**, {len(verdict.passed)} rules of params.yaml [gate] hold"
    lines = [f"- does not hold: {sentence}" for sentence in verdict.failed]
    lines += [f"- not judged: {sentence}" for sentence in verdict.open]
    return "\n".join([head, "", *lines]).strip()


def _headline(rows: Sequence[Compared], head: Snapshot, base: Snapshot) -> str:
    lines = [f"| figure | {base.name} | {head.name} | change |", "|---|---:|---:|---:|"]
    for row in rows:
        before = "none" if row.base is None else row.figure.text(row.base)
        change = f"{row.change} **{row.verdict}**" if row.verdict else row.change
        lines.append(f"| {row.figure.label} | {before} | {row.figure.text(row.value)} | {change} |")
    return "\n".join(lines)


def _slices(head: Snapshot, base: Snapshot) -> str:
    """Lay out the slices in which captures moved most; "" where none did, or none can be compared.

    Of a slice of few cards one card is much.
    """
    file = paths.METRICS / "slices.json"
    if not same_test_data(head, base) or not (head.text(file) and base.text(file)):
        return ""
    new, old = head.metrics("slices"), base.metrics("slices")
    large = (name for name in new if name in old and new[name]["cards"] >= SLICE_CARDS)
    moves = {name: new[name]["iou_mean"] - old[name]["iou_mean"] for name in large}
    told = sorted(
        (name for name in moves if abs(moves[name]) >= TOLD), key=lambda n: -abs(moves[n])
    )
    if not told:
        return ""
    lines = [
        f"| {name} | {new[name]['cards']} | {old[name]['iou_mean']:.3f} "
        f"| {new[name]['iou_mean']:.3f} | {moves[name]:+.3f} |"
        for name in told[:MOVED]
    ]
    title = f"Slices of {SLICE_CARDS} cards or more whose quad IoU moved most, of {len(told)}"
    table = f"| slice | cards | {base.name} | {head.name} | change |\n|---|---:|---:|---:|---:|"
    return "\n".join([f"<details open><summary>{title}</summary>\n", table, *lines, "\n</details>"])


def _curve(head: Snapshot, base: Snapshot, name: str, title: str) -> str:
    """Draw a training's loss for both revisions as a Mermaid chart, which GitHub renders.

    Returns:
        "" when the curves are the same or `head` has none.
    """
    path = paths.PLOTS / f"{name}.csv"
    curves = [_loss(snapshot, path) for snapshot in (head, base)]
    if not curves[0] or curves[0] == curves[1]:
        return ""
    last = min(curve[-1][0] for curve in curves if curve)  # as far as both went
    grid = np.linspace(0, last, POINTS)
    lines = [
        "line [" + ", ".join(f"{value:.4g}" for value in _at(curve, grid)) + "]"
        for curve in curves
        if curve
    ]
    shown = f"{head.name}, then {base.name}" if curves[1] else head.name
    return "\n".join(
        [
            f"<details open><summary>Loss of the {title}: {shown}</summary>\n",
            "```mermaid",
            "xychart-beta",
            f'    x-axis "step" 0 --> {last}',
            '    y-axis "loss"',
            *(f"    {line}" for line in lines),
            "```",
            "\n</details>",
        ]
    )


def _loss(snapshot: Snapshot, path: Path) -> list[tuple[int, float]]:
    return [(int(row["step"]), float(row["loss"])) for row in snapshot.rows(path)]


def _at(curve: Sequence[tuple[int, float]], grid: np.ndarray) -> np.ndarray:
    steps, losses = zip(*curve, strict=True)
    return np.interp(grid, steps, losses)


def _difference(kind: str, base: Snapshot, head: Snapshot) -> str:
    """Let DVC compare params or metrics; lay out what differs as a table to unfold."""
    dvc = [sys.executable, "-m", "dvc"]  # the one of this environment, active or not
    command = [*dvc, kind, "diff", str(base.rev), *([head.rev] if head.rev else []), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise InputError(f"{' '.join(command)}: {done.stderr.strip()}")
    lines = [
        f"| `{key}` | {_cell(pair.get('old'))} | {_cell(pair.get('new'))} |"
        for path, keys in sorted(json.loads(done.stdout or "{}").items())
        for key, pair in _named(kind, path, keys)
    ]
    if not lines:
        return f"The {kind} are the same."
    title = f"{kind.capitalize()} that differ: {len(lines)}"
    if sum(map(len, lines)) > MOST_CHARACTERS_OF_A_DIFF:
        return f"{title}, too many to show here; `{' '.join(command)}` lists them."
    table = "\n".join([f"| {kind} | {base.name} | {head.name} |", "|---|---:|---:|", *lines])
    opened = " open" if len(lines) <= FEW else ""
    return f"<details{opened}><summary>{title}</summary>\n\n{table}\n\n</details>"


def _named(kind: str, path: str, keys: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    prefix = f"{Path(path).stem} " if kind == "metrics" else ""
    return ((f"{prefix}{key}", pair) for key, pair in sorted(keys.items()))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return (text if len(text) <= CELL else text[:CELL] + " ...").replace("|", "\\|")
