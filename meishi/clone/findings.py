"""What the doctor's checks say: one finding each, laid out as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OK, LOOK, BLOCKS = "ok", "look", "BLOCKS"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        state: OK; LOOK if it will matter later; BLOCKS if `make repro` or a commit would fail.
        found: what there is.
        mend: what to do; empty if OK.
    """

    check: str
    state: str
    found: str
    mend: str = ""


def table(findings: Sequence[Finding]) -> str:
    """Lay findings out: a line each, and a line how to mend it."""
    widths = [max(len(row) for row in column) for column in ([f.check for f in findings], [BLOCKS])]
    lines = []
    for finding in findings:
        lines.append(f"{finding.check:{widths[0]}}  {finding.state:{widths[1]}}  {finding.found}")
        if finding.mend:
            lines.append(f"{'':{widths[0]}}  {'':{widths[1]}}  -> {finding.mend}")
    return "\n".join(lines)
