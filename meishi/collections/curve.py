"""The curve of a simulation: which share of the devices runs which version, turn by turn."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from meishi.files.atomic import replace_file


def draw(report: dict[str, Any], file: Path) -> None:
    """Draw the mix of versions over the turns, stacked, with a line where each step begins.

    Args:
        report: of a simulation.
        file: picture to write; its suffix says the format.
    """
    rows, devices = report["mix"], report["devices"]
    versions = sorted({name for row in rows for name in row if name != "step"}, key=_order)
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    shares = [[100 * row.get(name, 0) / devices for row in rows] for name in versions]
    turns = range(1, len(rows) + 1)
    axes.stackplot(turns, *shares, labels=versions, step="post")
    begins = [i for i, row in enumerate(rows) if i == 0 or rows[i - 1]["step"] != row["step"]]
    for i in begins:
        axes.axvline(i + 1, color="black", linewidth=0.5)
        axes.text(i + 1.1, 2, rows[i]["step"], rotation=90, fontsize=6, va="bottom")
    axes.set(
        xlabel="turn: each device that is not yet where it should be starts its app once",
        ylabel="devices, %",
        ylim=(0, 100),
        xlim=(1, len(rows)),
        title=f"{devices} simulated devices; {report['stuck']} stuck, "
        f"{report['unverified']} ran something that was not signed",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    with replace_file(file) as partial:
        figure.savefig(partial, metadata={"Date": None} if file.suffix == ".svg" else None)


def _order(version: str) -> tuple[bool, str]:
    return version != "embedded", version
