"""The targets that the models are held against, and what they reach, for docs/targets.md."""

from collections.abc import Callable
from dataclasses import dataclass

from meishi.errors import InputError
from meishi.report.figures import FIGURES, value_of
from meishi.report.revisions import Snapshot

Reader = Callable[[Snapshot], tuple[float, ...]]

BY_PATH = {figure.path: figure for figure in FIGURES}
LEVELS = ("floor", "goal", "beyond")
SLICE_CARDS = 30  # a slice of fewer cards, or of fewer empty scenes, says little


@dataclass(frozen=True)
class Target:
    """A row: what is asked at up to three levels, and how to read what is reached from metrics/.

    `levels` are tuples of as many numbers as `read` returns; `lower` says that less is better.
    `sliced` are the figures of metrics/slices.json that say the same of a slice, as many or none.
    """

    label: str
    levels: tuple[tuple[float, ...], ...]
    read: Reader
    form: str
    lower: bool = False
    sliced: tuple[str, ...] = ()

    def row(self, snapshot: Snapshot) -> str:
        """Lay out the row, with the highest level that every number of it keeps to."""
        reached = self.read(snapshot)
        level = "not the floor"
        for name, bounds in zip(LEVELS, self.levels, strict=False):
            if all(self._keeps_to(*pair) for pair in zip(reached, bounds, strict=True)):
                level = name
        cells = [self._text(values) for values in self.levels]
        cells += [""] * (len(LEVELS) - len(cells)) + [self._text(reached)]
        return f"| {self.label} | {' | '.join(cells)} | {level} | {self._worst(snapshot)} |"

    def _worst(self, snapshot: Snapshot) -> str:
        """Name the worst slice by each figure, of those with cards, or empty scenes, enough."""
        parts = []
        for figure in self.sliced:
            rows = large_slices(snapshot, "empty_scenes" if "empty" in figure else "cards")
            if rows:
                worst = (max if self.lower else min)(rows, key=lambda name: rows[name][figure])
                parts.append(f"{rows[worst][figure]:{self.form}} ({worst})")
        return " / ".join(parts)

    def _keeps_to(self, value: float, bound: float) -> bool:
        return value <= bound if self.lower else value >= bound

    def _text(self, values: tuple[float, ...]) -> str:
        return " / ".join(format(value, self.form) for value in values)


def figures(*paths: str) -> Reader:
    """Read headline figures by their dotted places, see `report.figures`."""
    return lambda snapshot: tuple(value_of(snapshot, BY_PATH[path]) for path in paths)


def large_slices(snapshot: Snapshot, counted: str) -> dict[str, dict[str, float]]:
    """Read the slices that are large enough, by "cards" or by "empty_scenes"."""
    rows = snapshot.metrics("slices")
    return {name: row for name, row in rows.items() if row[counted] >= SLICE_CARDS}


def worst_slice(snapshot: Snapshot) -> tuple[float, ...]:
    """Give the lowest mean quad IoU of the slices that have cards enough."""
    rows = large_slices(snapshot, "cards")
    if not rows:
        raise InputError(
            f"metrics/slices.json of {snapshot.name}: no slice has {SLICE_CARDS} cards of the test "
            "split, which is too small for this table: add scenes to fetch.sources"
        )
    return (min(row["iou_mean"] for row in rows.values()),)


def size(net: str, package: str) -> Reader:
    """Read a network's millions of parameters, its package's megabytes, its millions of MACs."""
    places = (f"{net}.parameters", f"{package}.bytes", f"{net}.macs")
    return lambda snapshot: tuple(value / 1e6 for value in figures(*places)(snapshot))


def rates(snapshot: Snapshot) -> tuple[float, ...]:
    """Give runs a second of the detector, and of a preview frame with four cards."""
    places = [f"{name}.tflite.one_thread.p50_ms" for name in ("ssd", "live")]
    return tuple(1000 / ms for ms in figures(*places)(snapshot))


TARGETS = (
    Target(
        "detection AP50 / AP50:95, the SSD alone",
        ((0.98, 0.88), (0.995, 0.93), (0.998, 0.96)),
        figures("detection.ap50", "detection.ap50_95"),
        ".3f",
        sliced=("ap50", "ap50_95"),
    ),
    Target(
        "the same, of captured cards: the boxes around their quads",
        ((0.98, 0.88), (0.995, 0.93), (0.998, 0.96)),
        figures("captured_boxes.ap50", "captured_boxes.ap50_95"),
        ".3f",
    ),
    Target(
        "exact count of 0 to 4 cards",
        ((0.96,), (0.985,), (0.995,)),
        figures("capture.exact_count"),
        ".3f",
        sliced=("exact_count",),
    ),
    Target(
        "empty scenes with a false card",
        ((0.02,), (0.005,), (0.001,)),
        figures("capture.empty_with_false_card"),
        ".1%",
        lower=True,
        sliced=("empty_with_false_card",),
    ),
    Target(
        "capture: quad IoU, mean / 5th percentile",
        ((0.975, 0.93), (0.990, 0.975), (0.9937, 0.985)),
        figures("capture.iou_mean", "capture.iou_p05"),
        ".3f",
        sliced=("iou_mean", "iou_p05"),
    ),
    Target(
        "corner error, mean / 95th percentile, % of the diagonal",
        ((0.5, 1.5), (0.30, 0.8), (0.15, 0.5)),
        figures("capture.corner_error_mean_pct", "capture.corner_error_p95_pct"),
        ".2f",
        lower=True,
        sliced=("corner_error_mean_pct", "corner_error_p95_pct"),
    ),
    Target(
        f"worst slice of {SLICE_CARDS} cards or more: quad IoU, mean",
        ((0.95,), (0.98,), (0.99,)),
        worst_slice,
        ".3f",
    ),
    Target(
        "found cards that begin at their own top left corner",
        ((0.97,),),
        figures("direction.right"),
        ".3f",
    ),
    Target(
        "SSD: parameters, M / package, MB / multiply-accumulates, M",
        ((1.5, 3.0, 400), (0.9, 1.8, 200), (0.5, 1.0, 100)),
        size("ssd", "CardDetector"),
        ".4g",
        lower=True,
    ),
    Target(
        "U-Net: the same, a crop (one a card in a preview, two in a photo)",
        ((0.5, 1.0, 200), (0.25, 0.5, 100), (0.12, 0.25, 50)),
        size("unet", "CardSegmenter"),
        ".4g",
        lower=True,
    ),
    Target(
        "this host, LiteRT, one thread: SSD / preview frame with four cards, a second",
        ((50, 15), (120, 40), (200, 80)),
        rates,
        ".1f",
    ),
)


def targets() -> str:
    """Lay out the table as Markdown."""
    snapshot = Snapshot()
    worst = f"worst slice, of {SLICE_CARDS} or more"
    head = [f"| | {' | '.join(LEVELS)} | reached | level | {worst} |", "|---" * 7 + "|"]
    return "\n".join(head + [target.row(snapshot) for target in TARGETS])
