"""Keep the README's figures in step with metrics/: `python docs/results.py --write`.

Whatever stands between `<!-- results -->` and `<!-- /results -->` comes from here; a test compares.
"""

import sys
from pathlib import Path

from meishi.report.figures import compare
from meishi.report.revisions import Snapshot

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def table() -> str:
    """Lay out the results as Markdown."""
    lines = ["| figure | value | metric |", "|---|---|---|"]
    for row in compare(Snapshot(), None):
        figure = row.figure
        lines.append(
            f"| {figure.label} | {figure.text(row.value)} | `{figure.file}` `{figure.path}` |"
        )
    host = Snapshot().metrics("latency")["host"]
    lines += ["", f"Host: {host['cpu']}, {host['cores']} cores."]
    return "\n".join(lines)


def updated(text: str) -> str:
    """Return the README's text with the results of metrics/."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Print the table, or write it into the README."""
    if "--write" in sys.argv:
        README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())


if __name__ == "__main__":
    main()
