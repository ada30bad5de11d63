"""The headline figures: which they are, where they stand in metrics/, which way is better.

The README's table, the report, a pull request's comment and the gate all read this one list.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from meishi.evaluation.losses import LOWER_IS_BETTER
from meishi.report.hosts import TIMED, same_host
from meishi.report.revisions import RevisionError, Snapshot, same_test_data

Better = Literal["higher", "lower", ""]
MEASURED = "evaluate"  # the file whose figures depend on the scenes of the test split
NOT_COMPARED = "–"


@dataclass(frozen=True)
class Figure:
    """One figure of metrics/.

    Attributes:
        label: what it is, in Markdown.
        file: of metrics/, without suffix.
        path: dotted place in the file.
        form: how it is printed.
        better: which way is; "" of a time, which no two runs share.
        always: False where a revision may lack it: it is then left out, and gets no verdict, for
            what it was measured on is not recorded beside the scenes.
    """

    label: str
    file: str
    path: str
    form: str
    better: Better
    always: bool = True

    def text(self, value: float) -> str:
        """Print a value as people read it."""
        return self.form.format(value)

    def amount(self, difference: float) -> str:
        """Print how much a value moved, without a sign: of shares, in percentage points."""
        shares = self.form.endswith("%}")
        return f"{100 * difference:.1f} points" if shares else self.form.format(difference)


@dataclass(frozen=True)
class Compared:
    """A figure's value and that of the base.

    Attributes:
        figure: which one.
        value: of the revision that is looked at.
        base: None when there is no base, or it lacks the figure.
        comparable: whether both were measured on the same scenes, or it depends on none.
        one_host: whether both were timed on one host, or it is no time.
    """

    figure: Figure
    value: float
    base: float | None
    comparable: bool
    one_host: bool = True

    @property
    def change(self) -> str:
        """The difference with its sign, or "=" where both print alike.

        "" without a base, NOT_COMPARED for times of two hosts.
        """
        if self.base is None:
            return ""
        if not self.one_host:
            return NOT_COMPARED
        form = self.figure.form
        if form.format(self.value) == form.format(self.base):
            return "="
        sign = "+" if self.value > self.base else "-"
        return sign + self.figure.amount(abs(self.value - self.base))

    @property
    def verdict(self) -> str:
        """The words "better", "worse", or "" where it is neither."""
        if self.base is None or self.change == "=" or not self.figure.better:
            return ""
        if not (self.comparable and self.one_host):
            return ""
        rose = self.value > self.base
        return "better" if rose == (self.figure.better == "higher") else "worse"


def _quality() -> Iterator[Figure]:
    share, ratio, percent = "{:.1%}", "{:.3f}", "{:.2f}"
    yield _measured("detection AP50", "detection.ap50", ratio)
    yield _measured("detection AP75", "detection.ap75", ratio)
    yield _measured("detection AP50:95", "detection.ap50_95", ratio)
    captured = "the same of captured cards, the boxes around their quads: AP50"
    yield _measured(captured, "captured_boxes.ap50", ratio)
    yield _measured(f"{captured}:95", "captured_boxes.ap50_95", ratio)
    yield _measured("scenes with the exact number of cards", "capture.exact_count", share)
    empty = "scenes without a card that got one"
    yield _measured(empty, "capture.empty_with_false_card", share)
    photos = "held-out photos of anything but cards that got one"  # where data has such photos
    yield Figure(photos, MEASURED, "without_cards.with_false_card", share, "lower", always=False)
    yield _measured("mask IoU", "segmentation.mask_iou", ratio)
    missed = "capture: quad IoU, mean (a missed card counts 0)"
    yield _measured(missed, "capture.iou_mean", ratio)
    yield _measured("capture: quad IoU, 5th percentile", "capture.iou_p05", ratio)
    diagonal = "corner error, mean, % of the card's diagonal"
    yield _measured(diagonal, "capture.corner_error_mean_pct", percent)
    worst = "corner error, 95th percentile, %"
    yield _measured(worst, "capture.corner_error_p95_pct", percent)
    reads = "found cards whose quad begins at their own top left corner"
    yield _measured(reads, "direction.right", share)


def _measured(label: str, path: str, form: str) -> Figure:
    """Say which way is better as the choice of what ships does."""
    better: Better = "lower" if path in LOWER_IS_BETTER else "higher"
    return Figure(label, MEASURED, path, form, better)


def _cost() -> Iterator[Figure]:
    for label, net, package, macs in (
        ("SSD", "ssd", "CardDetector", "multiply-accumulates a run"),
        ("U-Net", "unet", "CardSegmenter", "multiply-accumulates a crop, two a card"),
        ("flat U-Net", "flat", "CardFlatSegmenter", "multiply-accumulates a view, one a card"),
        ("direction", "direction", "CardDirection", "multiply-accumulates a view, four a card"),
    ):
        count = "{:,.0f}"
        yield Figure(f"{label}: parameters", "freeze", f"{net}.parameters", count, "lower")
        yield Figure(f"{label}: {macs}", "freeze", f"{net}.macs", count, "lower")
        size = f"{label}: Core ML package that ships, bytes"
        yield Figure(size, "ship", f"{package}.bytes", count, "lower")
    for label, net, file, host in (
        ("SSD", "ssd", "latency", "this host"),
        ("U-Net", "unet", "latency", "this host"),
        ("direction", "direction", "latency", "this host"),
        ("flat U-Net", "flat", "latency_photo", "the host of speed_photo"),
    ):
        for runtime, key in (("`.pb` in TensorFlow", "frozen_pb"), ("LiteRT", "tflite")):
            name = f"{label}: {runtime}, one thread, median ms on {host}"
            yield Figure(name, file, f"{net}.{key}.one_thread.p50_ms", "{:.1f}", "")
    for label, file, part, host in (
        ("preview frame", "latency", "live", "this host"),
        ("photo", "latency_photo", "capture", "the host of speed_photo"),
    ):
        name = f"{label} with four cards, nets and quads: LiteRT, one thread, median ms on {host}"
        yield Figure(name, file, f"{part}.tflite.one_thread.p50_ms", "{:.0f}", "")


FIGURES = (*_quality(), *_cost())


def compare(head: Snapshot, base: Snapshot | None) -> list[Compared]:
    """Read every headline figure, beside the base's where it has it.

    Raises:
        RevisionError: if `head` lacks one that all have, or one is no number.
    """
    found = [
        (figure, value_of(head, figure))
        for figure in FIGURES
        if figure.always or _value_or_none(head, figure) is not None
    ]
    if base is None:
        return [Compared(figure, value, None, False) for figure, value in found]
    same = same_test_data(head, base)
    apart = {file for file in TIMED if not same_host(file, head, base)}
    return [
        Compared(
            figure,
            value,
            _value_or_none(base, figure),
            _comparable(figure, same),
            figure.file not in apart,
        )
        for figure, value in found
    ]


def _comparable(figure: Figure, same: bool) -> bool:
    return figure.file != MEASURED or (same and figure.always)


def value_of(snapshot: Snapshot, figure: Figure) -> float:
    """Read one figure.

    Raises:
        RevisionError: if it is not there, or is no number.
    """
    value: Any = snapshot.metrics(figure.file)
    for key in figure.path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RevisionError(
            f"metrics/{figure.file}.json of {snapshot.name}: {figure.path}: expected a number, "
            f"got {value!r:.40}; run `make repro`"
        )
    return value


def _value_or_none(snapshot: Snapshot, figure: Figure) -> float | None:
    """Read a figure of a revision that may lack it."""
    try:
        return value_of(snapshot, figure)
    except RevisionError:
        return None
