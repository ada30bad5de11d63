"""The rows of YOLO's texts: which are labels, and which are another tool's."""

from meishi.data.importers.nodes import parse_number
from meishi.data.importers.opening import Source
from meishi.data.importers.yolo_config import read_text

DOTA = (
    "rows of DOTA (corners in pixels, then the class); export YOLO segmentation, or oriented boxes "
    "as Ultralytics has them"
)


def rows_of(source: Source, name: str, faults: list[str]) -> list[list[str]]:
    """Read the rows of a text in words; none, and a fault, if it cannot be read."""
    lines = read_text(source, name, faults).split("\n")
    return [line.split() for line in lines if line.strip()]


def are_labels(rows: list[list[str]]) -> list[bool]:
    """Tell which rows read as labels: a class and four numbers at least."""
    return [len(row) > 4 and numbers_of(row) is not None for row in rows]


def numbers_of(words: list[str]) -> list[float] | None:
    """Read the numbers of a row; None if it holds anything else."""
    numbers = [parse_number(word) for word in words]
    found = [number for number in numbers if number is not None]
    return found if len(found) == len(numbers) else None


def is_dota(row: list[str]) -> bool:
    """Tell a row of DOTA, or YOLOv5-OBB: four corners, the class, and how difficult it is."""
    return len(row) in (9, 10) and numbers_of(row[:8]) is not None and parse_number(row[8]) is None
