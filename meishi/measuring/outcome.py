"""Measuring the exported models on prepared scenes: quality of each, capture, pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from meishi import paths
from meishi.capture.card import CapturedCard
from meishi.capture.flow import CardCapture, Network
from meishi.data.choosing import spread
from meishi.data.own_quads import own_quads_of
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.errors import InputError
from meishi.evaluation.captures import capture_metrics, card_results, mask_iou
from meishi.evaluation.detection import (
    CURVE_BOXES,
    CURVE_SCORE,
    Detections,
    detection_metrics,
    precision_recall_curve,
)
from meishi.evaluation.directions import direction_metrics
from meishi.geometry import boxes, crops, quads
from meishi.measuring.slices import sliced_metrics
from meishi.params import CaptureParams, Params
from meishi.pictures import images
from meishi.pictures.overlay import capture_overlay

PRECISIONS = ("ap50", "ap75", "ap50_95")
DETECTION_FIGURES = (*PRECISIONS, "recall")
THREADS = 2  # of each model that is measured; what it answers does not depend on it
PLOT_IOU = 0.5
PLOT_DIGITS = 3
IOU_EDGES = np.linspace(0, 1, 101)
ERROR_EDGES = np.linspace(0, 20, 101)  # percent of the diagonal; the last bin takes the rest


@dataclass
class Outcome:
    """What the models made of a set of scenes, one entry a scene."""

    records: list[Record] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    cards: list[list[CapturedCard]] = field(default_factory=list)
    mask_ious: list[float] = field(default_factory=list)
    own_quads: dict[str, np.ndarray] = field(default_factory=dict)  # of scenes that say how to read

    def gt_quads_px(self) -> list[list[np.ndarray]]:
        """Return the true quads of each scene in pixels."""
        return [[quads.to_px(quad, r.size_px) for quad in r.quads] for r in self.records]

    def gt_boxes(self) -> list[np.ndarray]:
        """Return the true boxes of each scene, xyxy relative."""
        return [boxes.from_quads(record.quads) for record in self.records]

    def precision_recall(self) -> list[dict[str, float]]:
        """Return the curve of the detector at IoU 0.5 as rows for a plot.

        Of boxes in a row that move the curve by less than a plot shows, the first has a row.
        """
        curve = precision_recall_curve(self.detections, self.gt_boxes(), PLOT_IOU)
        columns = zip(curve.recall, curve.precision, curve.scores, strict=True)
        start = (0.0, 1.0, 1.0)  # above every score nothing is found, and nothing is wrong
        rows: dict[tuple[float, float], dict[str, float]] = {}
        for recall, precision, score in (start, *columns):
            place = (round(recall, PLOT_DIGITS), round(precision, PLOT_DIGITS))
            rows.setdefault(place, {"recall": recall, "precision": precision, "score": score})
        return list(rows.values())

    def histograms(self) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
        """Count cards by quad IoU, a missed one at 0, and found cards by corner error."""
        results = card_results(self.found_quads_px(), self.gt_quads_px())
        errors = [r.corner_error_pct for r in results if r.corner_error_pct is not None]
        return (
            _histogram("iou", [result.iou for result in results], IOU_EDGES),
            _histogram("corner_error_pct", errors, ERROR_EDGES),
        )

    def found_quads_px(self) -> list[list[np.ndarray]]:
        """Return the captured quads of each scene in pixels."""
        return [[card.quad_px for card in cards] for cards in self.cards]

    def captured_boxes(self) -> dict[str, float]:
        """Measure captures as a detector: average precision of the boxes around their quads.

        A box ends at the frame, as the true ones do; its score is the capture's confidence.
        """
        found = []
        for record, cards in zip(self.records, self.cards, strict=True):
            relative = [quads.to_relative(card.quad_px, record.size_px) for card in cards]
            scores = np.array([card.confidence for card in cards])
            found.append(Detections(boxes.from_quads(np.array(relative)), scores))
        measured = detection_metrics(found, self.gt_boxes(), 0)
        return {key: measured[key] for key in PRECISIONS}

    def slices(self) -> dict[str, dict[str, float]]:
        """Measure by what the scenes show, see `slices.sliced_metrics`."""
        quads_px = (self.found_quads_px(), self.gt_quads_px())
        return sliced_metrics(self.records, *quads_px, self.detections)

    def directions(self, threshold: float) -> dict[str, float]:
        """Measure the reading directions, see `directions.direction_metrics`."""
        pairs = [
            (cards, quads.to_px(self.own_quads[record.id], record.size_px))
            for record, cards in zip(self.records, self.cards, strict=True)
            if record.id in self.own_quads
        ]
        return direction_metrics(
            [[card.quad_px for card in cards] for cards, _ in pairs],
            [[card.direction_confidence or 0.0 for card in cards] for cards, _ in pairs],
            [list(own_px) for _, own_px in pairs],
            threshold,
        )

    def metrics(self, params: CaptureParams) -> dict[str, dict]:
        """Reduce to the headline figures: detection, segmentation, capture, reading direction.

        Counts are left to capture: the detector alone proposes more boxes than there are cards. A
        network that was not measured by itself has no figures.
        """
        found: dict[str, dict] = {}
        if self.detections:
            detection = detection_metrics(self.detections, self.gt_boxes(), params.score_threshold)
            found["detection"] = {key: detection[key] for key in DETECTION_FIGURES}
        if self.mask_ious:
            found["segmentation"] = {"mask_iou": float(np.mean(self.mask_ious))}
        found["capture"] = capture_metrics(self.found_quads_px(), self.gt_quads_px())
        if self.own_quads:
            found["direction"] = self.directions(params.direction_threshold)
        return found


def _histogram(name: str, values: list[float], edges: np.ndarray) -> list[dict[str, float]]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [
        {name: float(edge), "cards": int(count)}
        for edge, count in zip(edges[:-1].round(6), counts, strict=True)
    ]


def measure(
    capture: CardCapture,
    reader: ShardReader,
    own_quads: Mapping[str, np.ndarray],
    only: str = "",
    scenes: int | None = None,
) -> Outcome:
    """Run the models on scenes of a split.

    Args:
        capture: the exported models.
        reader: prepared scenes.
        own_quads: by scene, its cards' quads from their own top left corners, relative; scenes
            that are not in it say nothing of the reading direction.
        only: "ssd", "unet", "flat" or "direction" to leave out what tells of the other networks
            alone; capture, for which all are needed, is always measured.
        scenes: how many, evenly spread; all when None.

    Returns:
        What they found; masks are measured in the crops around the true boxes.

    Raises:
        InputError: if none of the scenes shows a card.
    """
    picks = [reader.records[index] for index in spread(len(reader), scenes or len(reader))]
    if not (shown := [record.id for record in picks if record.cards]):
        raise InputError(
            f"{reader.folder}: expected scenes with cards to measure on, got {len(picks)} without; "
            "raise measure.scenes or preprocess.test_fraction"
        )
    told = shown if only in ("", "direction") else []
    outcome = Outcome(own_quads={name: own_quads[name] for name in told if name in own_quads})
    capture = replace(capture, detector=_remembering(capture.detector))
    chosen = reader.scenes(picks)
    for record, content in tqdm(chosen, total=len(picks), unit="scene", desc="evaluate"):
        image = images.decode(content, record.id)
        outcome.records.append(record)
        if only in ("", "ssd"):
            outcome.detections.append(Detections(*capture.detect(image, CURVE_SCORE, CURVE_BOXES)))
        outcome.cards.append(capture(image))
        if only in ("", "unet"):
            outcome.mask_ious += list(_mask_ious(capture, image, record))
    return outcome


def measure_some(capture: CardCapture, params: Params, only: str = "") -> dict[str, dict]:
    """Measure models on `measure.scenes` scenes of the test split: what variants are compared by.

    Of the params it needs measure, capture and direction.sources. For `only` and errors see
    `measure`, for what it returns `Outcome.metrics`.
    """
    own_quads = own_quads_of(paths.RAW, params.direction.sources)
    reader = ShardReader(paths.TEST)
    return measure(capture, reader, own_quads, only, params.measure.scenes).metrics(params.capture)


def _remembering(network: Network) -> Network:
    """Let a network answer at once if it is asked for the same picture again."""
    last: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []

    def answer(image: np.ndarray) -> dict[str, np.ndarray]:
        if not last or not np.array_equal(last[0][0], image):
            last[:] = [(image, network(image))]
        return last[0][1]

    return answer


def _mask_ious(capture: CardCapture, image: np.ndarray, record: Record) -> Iterator[float]:
    for quad, box_xyxy in zip(record.quads, boxes.from_quads(record.quads), strict=True):
        mask, image_from_crop = capture.segment(image, box_xyxy)
        crop_from_image = np.linalg.inv(image_from_crop)
        yield mask_iou(
            mask,
            crops.true_mask(quad, record.size_px, crop_from_image, capture.segmenter_px, len(mask)),
        )


def write_overlays(outcome: Outcome, reader: ShardReader, folder: Path, count: int) -> None:
    """Draw scenes with what was found: the worst captures, the best, and a sample of all.

    Args:
        outcome: of `measure` on the same reader.
        reader: the scenes.
        folder: existing folder for the JPEG pictures.
        count: number of pictures, at most: half of them worst, a quarter best.
    """
    for number, (index, kind) in enumerate(choose_pictures(outcome, count).items()):
        record = outcome.records[index]
        [(_, content)] = reader.scenes([record])
        truths = [quads.to_px(quad, record.size_px) for quad in record.quads]
        picture = capture_overlay(images.decode(content, record.id), outcome.cards[index], truths)
        (folder / f"{number:02d}-{kind}-{record.id}.jpg").write_bytes(
            images.encode(picture, ".jpg", 80)
        )


def choose_pictures(outcome: Outcome, count: int) -> dict[int, str]:
    """Choose scenes for pictures: the index of each, and whether as worst, best or sample.

    The sample is spread evenly over the scenes that are neither, in their order.
    """
    scores = [scene_score(*pair) for pair in zip(outcome.cards, outcome.gt_quads_px(), strict=True)]
    order = np.argsort(scores, kind="stable").tolist()
    chosen = dict.fromkeys(order[: count // 2], "worst")
    with_cards = [i for i in order[::-1] if outcome.records[i].cards and i not in chosen]
    chosen |= dict.fromkeys(with_cards[: count // 4], "best")
    rest = sorted(set(order) - set(chosen))
    places = np.linspace(0, len(rest) - 1, min(len(rest), count - len(chosen)))
    return chosen | {rest[int(place)]: "sample" for place in places}


def scene_score(cards: list[CapturedCard], gt_quads_px: list[np.ndarray]) -> float:
    """Rate a scene: mean quad IoU of its cards, less one for each card more than there are."""
    ious = [max((quads.iou(c.quad_px, gt) for c in cards), default=0.0) for gt in gt_quads_px]
    return float(np.mean(ious or [1.0])) - max(0, len(cards) - len(gt_quads_px))
