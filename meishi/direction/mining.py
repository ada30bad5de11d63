"""Hard negative mining: what detector and segmenter take for cards where there is none.

Their own mistakes on what they are trained on teach the classifier what to refuse (Sung and Poggio
1998, sec. 4.3, "bootstrap"; for networks Shrivastava et al. 2016). The thresholds are not those of
capture, and laxer: choosing those must not retrain a network. Each worker imports this file, which
imports no TensorFlow.
"""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from meishi.capture.proposing import QuadProposer
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.data.tasks import in_tasks, task_name
from meishi.geometry import quads
from meishi.litert.model import DETECTOR, SEGMENTER, LiteRtModel
from meishi.params import CaptureParams, ConfidenceParams
from meishi.pictures import images
from meishi.processes import workers

LAX = CaptureParams(
    score_threshold=0.1,
    iou_threshold=0.65,
    candidates=12,
    max_cards=12,
    confidence_threshold=0.1,
    looks=(),
    max_side_ratio=10.0,
    direction_threshold=1.0,
    confidence=ConfidenceParams(1.0, 1.0, 1.0, 0.0),
)
# A detector that has learnt from photos without a card is seldom surer in one, seen or not.
PHOTOS_SCORE = 0.05
NO_CARD_IOU = 0.3  # a quad that overlaps each card less shows none; of a piece of one nobody says
CODE = ("meishi.capture", "meishi.geometry", "meishi.pictures", "meishi.ssd")


def mine(
    networks: tuple[Path, float],
    reader: ShardReader,
    processes: int,
    least_score: float = LAX.score_threshold,
) -> dict[str, np.ndarray]:
    """Find what is taken for a card and is none, in worker processes.

    Args:
        networks: see `litert.export.exported`.
        reader: prepared scenes or photos.
        processes: how many workers; the result does not depend on it.
        least_score: of a box that is looked into.

    Returns:
        By scene, quads (N, 4, 2) float64, canonical and relative; scenes without any are left out.
    """
    found: dict[str, np.ndarray] = {}
    with workers.start(processes) as run:  # on this machine, where the networks lie
        look = partial(_mine, networks=networks, least_score=least_score)
        parts = run.map(look, in_tasks(reader), task_name, CODE)
        mined = (one for part in parts for one in part)
        for name, others in tqdm(mined, total=len(reader), unit="scene", desc="mine"):
            if len(others):
                found[name] = others
    return found


def _mine(
    scenes: list[tuple[Record, bytes]], networks: tuple[Path, float], least_score: float
) -> list[tuple[str, np.ndarray]]:
    cv2.setNumThreads(1)
    proposer = _proposer(*networks, least_score)
    return [(record.id, _others(proposer, record, content)) for record, content in scenes]


@cache
def _proposer(folder: Path, margin: float, least_score: float) -> QuadProposer:
    detector, segmenter = (LiteRtModel(folder / name) for name in (DETECTOR, SEGMENTER))
    sides = detector.input_px, segmenter.input_px
    params = replace(LAX, score_threshold=least_score)
    return QuadProposer(detector, segmenter, *sides, margin, params, thorough=False)


def _others(proposer: QuadProposer, record: Record, content: bytes) -> np.ndarray:
    """Return the quads of a scene's candidates, (N, 4, 2) relative, that show none of its cards."""
    image = images.decode(content, record.id)
    fits = [proposer.fit(image, *candidate) for candidate in proposer.candidates(image)]
    cards_px = [quads.to_px(quad, record.size_px) for quad in record.quads]
    found = [
        quads.to_relative(fit.quad_px, record.size_px)
        for fit in fits
        if fit and all(quads.iou(fit.quad_px, card_px) < NO_CARD_IOU for card_px in cards_px)
    ]
    return np.array(found).reshape(-1, 4, 2)
