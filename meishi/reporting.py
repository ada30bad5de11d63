"""Metrics and plots as files, and the table people read.

Metrics are small JSON files in git: sorted keys, five decimals, no NaN, so that a diff shows
what changed and nothing else. `python -m meishi.reporting` prints them.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from meishi import paths
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_text

DECIMALS = 5


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics (numbers, strings, nested mappings and lists of these) as JSON.

    Raises:
        ValueError: if a number is not finite, naming each one; nothing is written then.
    """
    if bad := [key for key, value in _flatten(metrics) if not _is_sound(value)]:
        raise ValueError(f"{path}: not a finite number: {', '.join(bad)}")
    content = json.dumps(_plain(metrics), indent=2, sort_keys=True, ensure_ascii=False)
    atomic_write_text(path, content + "\n")


def read_metrics(path: Path) -> dict[str, Any]:
    """Read what `write_metrics` wrote; InputError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; `dvc repro` makes it") from error


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same keys as CSV, numbers to five significant digits or more.

    Raises:
        ValueError: if there is no row, or a row has other keys than the first.
    """
    if not rows:
        raise ValueError(f"{path}: no rows to write")
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        if set(row) != set(rows[0]):
            raise ValueError(f"{path}: expected columns {list(rows[0])}, got {list(row)}")
        writer.writerow({key: _cell(value) for key, value in row.items()})
    atomic_write_text(path, stream.getvalue())


def metrics_table(files: Iterable[Path]) -> str:
    """Lay out metrics files as text: a heading for each file, a line for each number."""
    blocks = []
    for file in files:
        rows = list(_flatten(json.loads(file.read_text(encoding="utf-8"))))
        width = max((len(key) for key, _ in rows), default=0)
        lines = [f"  {key:<{width}}  {_cell(value)}" for key, value in rows]
        blocks.append("\n".join([str(file), *lines]))
    return "\n\n".join(blocks)


def main() -> None:
    """Print the metrics table and where the overlays lie."""
    print(metrics_table(sorted(paths.METRICS.glob("*.json"))))
    overlays = sorted(paths.OVERLAYS.glob("*.jpg"))
    where = f"{len(overlays)} in {paths.OVERLAYS}/" if overlays else "none yet: run `make repro`"
    print(f"\nOverlay pictures: {where}")


def _flatten(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield ("a.b.0", leaf) pairs in the order of the mapping."""
    if isinstance(value, Mapping):
        pairs: Iterable = value.items()
    elif isinstance(value, list | tuple):
        pairs = enumerate(value)
    else:
        yield prefix, value
        return
    for key, inner in pairs:
        yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))


def _is_sound(value: Any) -> bool:
    return isinstance(value, str | None) or math.isfinite(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    return round(value, DECIMALS) if isinstance(value, float) else value


def _cell(value: Any) -> str:
    value = _plain(value) if not isinstance(value, float) else float(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
