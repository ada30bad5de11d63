"""How well tracks follow the true quads of a rendered video: jitter, identity, distance."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meishi.errors import InputError
from meishi.geometry import quads
from meishi.preview.tracking import TrackedCard

SAME_IOU = 0.5


@dataclass(frozen=True)
class TrackMetrics:
    """Of a whole video; lengths in % of the card's true diagonal.

    Attributes:
        cards: true cards times the frames they are in.
        missed: of these, those without a track.
        false: tracked quads that are on no card.
        id_switches: times a card's track has another id than the card's track before.
        jitter_pct: rms distance of a track's corners from their own mean offset to the truth, so
            that a constant error counts nothing; of a moving card the lag counts.
        error_pct: rms distance of the corners from the true ones.
    """

    cards: int
    missed: int
    false: int
    id_switches: int
    jitter_pct: float
    error_pct: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"against the truth: {self.id_switches} id switches, jitter {self.jitter_pct:.3f} % "
            f"and corner error {self.error_pct:.3f} % of the diagonal rms, "
            f"{self.missed} of {self.cards} cards without a track, {self.false} tracks on no card"
        )


def read_truth(path: Path) -> list[list[np.ndarray]]:
    """Read the quads that `meishi render --video` writes: those of each frame, in px.

    Raises:
        InputError: if the file is missing or not of that kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [[np.array(quad, np.float64) for quad in frame] for frame in content["quads"]]
        faults = [quads.fault(quad) for frame in found for quad in frame]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not the quads of a rendered video ({error}); `meishi render --video` "
            "writes them beside the video"
        ) from error
    if any(faults):
        raise InputError(f"{path}: a quad {next(fault for fault in faults if fault)}")
    return found


def track_metrics(tracked: list[list[TrackedCard]], truths: list[list[np.ndarray]]) -> TrackMetrics:
    """Compare tracks with the truth.

    Args:
        tracked: of each frame.
        truths: quads in px of each frame, the same card at the same place of each list.

    Raises:
        InputError: if the two are of different lengths.
    """
    if len(tracked) != len(truths):
        raise InputError(f"the truth has {len(truths)} frames, the video {len(tracked)}")
    runs: dict[tuple[int, int], list[np.ndarray]] = {}
    last: dict[int, int] = {}
    missed = switches = 0
    for cards, frame in zip(tracked, truths, strict=True):
        for number, truth in enumerate(frame):
            card = _nearest(cards, truth)
            if card is None:
                missed += 1
                continue
            switches += last.setdefault(number, card.track_id) != card.track_id
            last[number] = card.track_id
            pair = np.stack([card.quad_px, truth])
            runs.setdefault((number, card.track_id), []).append(pair)
    offsets = [_offsets(np.array(run)) for run in runs.values()]
    total = sum(map(len, truths))
    return TrackMetrics(
        cards=total,
        missed=missed,
        false=sum(map(len, tracked)) - (total - missed),
        id_switches=switches,
        jitter_pct=100 * _rms([run - run.mean(axis=0) for run in offsets]),
        error_pct=100 * _rms(offsets),
    )


def _nearest(cards: list[TrackedCard], truth: np.ndarray) -> TrackedCard | None:
    """Find the track that covers a true card best; None below SAME_IOU."""
    best = max(cards, key=lambda card: quads.iou(card.quad_px, truth), default=None)
    return best if best and quads.iou(best.quad_px, truth) >= SAME_IOU else None


def _offsets(pairs: np.ndarray) -> np.ndarray:
    """Express the corners' errors of one track in diagonals of the true card.

    A track begins at any corner of the card, and keeps it: one roll serves all its frames, so that
    a first corner that changes counts as the error that it is.

    Args:
        pairs: (N, 2, 4, 2) tracked and true quads.

    Returns:
        (N, 4, 2).
    """
    tracked, truth = pairs[:, 0], pairs[:, 1]
    diagonals = np.linalg.norm(truth[:, :2] - truth[:, 2:], axis=-1).mean(axis=1)
    rolls = [np.roll(tracked, roll, axis=1) - truth for roll in range(4)]
    return min(rolls, key=lambda off: float((off**2).sum())) / diagonals[:, None, None]


def _rms(runs: list[np.ndarray]) -> float:
    """Return the root mean square length of (N, 4, 2) offsets; 0 if there are none."""
    lengths = [(run**2).sum(axis=-1).ravel() for run in runs]
    return float(np.sqrt(np.concatenate(lengths).mean())) if lengths else 0.0
