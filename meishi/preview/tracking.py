"""Cards followed through a video: the same id, the same first corner, and no jitter.

Quads are matched to where the tracks are expected, best IoU first. What is shown is smoothed by
the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) with two changes. Speeds are in diagonals
of the card a second, so that the distance of the camera does not matter. And the quad is carried on
at its speed before it is drawn to what was measured, so that a steady motion leaves hardly any lag.
A leash bounds how far the smoothed quad may be from the measured one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meishi.geometry import quads

# A corner that moves this many times as far as the card moves on its own. A card that turns about a
# corner moves the opposite one 1.9 times as far as the second nearest.
ALONE = 2.0
ALIKE = 0.5  # of the longest way of a corner: a card that moves takes each of them as far


@dataclass(frozen=True)
class TrackingParams:
    """How cards are followed; lengths in diagonals of the card, times in seconds.

    Attributes:
        match_iou: of a quad and the place where its track is expected, at least.
        confirm_frames: matches in a row before a track gets an id and is shown.
        keep_s: how long a confirmed track outlives its last match.
        coast_s: time constant in which a track that is not seen comes to rest.
        still_hz: cutoff of the filter for a card at rest; lower is calmer.
        quickness_hz: what a speed of one diagonal a second adds to the cutoff.
        speed_hz: cutoff of the speed itself.
        rest_speed: speed at which a motion is half believed in, diagonals a second.
        creep: how far from its place a corner that moves on its own is taken to be, at most.
        leash: how far, as a whole, the smoothed quad may be from the measured one.
        doubt: how far off its place a corner of a card at rest may be found and believed at once.
        patience_s: how much longer such quads must be found than others before one is believed.
    """

    match_iou: float = 0.2
    confirm_frames: int = 3
    keep_s: float = 0.5
    coast_s: float = 0.3
    still_hz: float = 0.5
    quickness_hz: float = 20.0
    speed_hz: float = 4.0
    rest_speed: float = 0.05
    creep: float = 0.002
    leash: float = 0.01
    doubt: float = 0.01
    patience_s: float = 0.5


@dataclass(frozen=True, eq=False)
class TrackedCard:
    """A card in a frame.

    Attributes:
        track_id: 1, 2, ... in the order of confirmation; never given twice.
        quad_px: (4, 2) smoothed, clockwise; corner 0 is the same corner of the card throughout.
        score: of the last detection.
        seen: False while the card is missed and its place is a guess.
    """

    track_id: int
    quad_px: np.ndarray
    score: float
    seen: bool


@dataclass
class _Track:
    measured: np.ndarray  # (4, 2) px, as detected last
    smoothed: np.ndarray  # (4, 2) px
    velocity: np.ndarray  # (4, 2) px/s
    score: float
    matches: int = 1
    unseen_s: float = 0.0
    age_s: float = 0.0  # of `measured`: frames that were doubted do not renew it
    doubted_s: float = 0.0
    track_id: int | None = None


class Tracker:
    """Follows cards from frame to frame."""

    def __init__(self, params: TrackingParams | None = None):
        """Start without tracks."""
        self._params = params or TrackingParams()
        self._tracks: list[_Track] = []
        self._confirmed = 0

    def update(
        self, quads_px: Sequence[np.ndarray], scores: Sequence[float], seconds: float
    ) -> list[TrackedCard]:
        """Take in what was found in the next frame.

        Args:
            quads_px: (4, 2) each, convex and clockwise.
            scores: one a quad.
            seconds: since the frame before, more than 0.

        Returns:
            The confirmed tracks in the order of their ids, those missed for a moment included.

        Raises:
            ValueError: if `seconds` is not positive, or a quad has a `quads.fault`.
        """
        if not seconds > 0:
            raise ValueError(f"seconds: expected more than 0, got {seconds}")
        for quad in quads_px:
            if fault := quads.fault(quad):
                raise ValueError(f"tracking: a quad {fault}: {np.asarray(quad).tolist()}")
        for track in self._tracks:
            track.unseen_s += seconds
            track.age_s += seconds
        matched = self._match(quads_px)
        for number, track in matched.items():
            self._advance(track, quads_px[number], scores[number])
        self._drop_lost()
        for number, quad in enumerate(quads_px):
            if number not in matched:
                self._tracks.append(_started(quad, scores[number]))
        self._confirm()
        return self._shown()

    def _match(self, quads_px: Sequence[np.ndarray]) -> dict[int, _Track]:
        """Pair quads with tracks, by number of the quad; confirmed tracks choose first."""
        expected = [self._expected(track, track.measured) for track in self._tracks]
        pairs = [
            (track.track_id is None, -_iou(expected[t], quad), t, q)
            for t, track in enumerate(self._tracks)
            for q, quad in enumerate(quads_px)
        ]
        taken: dict[int, int] = {}
        for _, negative_iou, t, q in sorted(pairs):
            if -negative_iou >= self._params.match_iou and t not in taken.values():
                taken.setdefault(q, t)
        return {q: self._tracks[t] for q, t in taken.items()}

    def _expected(self, track: _Track, base: np.ndarray) -> np.ndarray:
        """Move a quad of a track on to the present; where that folds it, it stays."""
        coast_s = self._params.coast_s
        reach_s = coast_s * (1 - np.exp(-track.unseen_s / coast_s))
        speed = _motion(track.velocity) / _diagonal(base)
        # The speed of a card at rest is noise: carrying it on would make the card tremble.
        trust = speed**2 / (speed**2 + self._params.rest_speed**2)
        moved = base + track.velocity * (reach_s * trust)
        return moved if quads.fault(moved) is None else base

    def _advance(self, track: _Track, quad: np.ndarray, score: float) -> None:
        """Bring a track to what was measured."""
        seconds = track.unseen_s
        measured = _rolled(quad, self._expected(track, track.measured))
        if not self._is_doubtful(track, measured, seconds):
            self._draw_on(track, measured, seconds)
        elif track.doubted_s >= self._params.patience_s:
            track.measured = track.smoothed = measured
            track.doubted_s = track.age_s = 0.0
        track.score, track.matches, track.unseen_s = float(score), track.matches + 1, 0.0

    def _draw_on(self, track: _Track, measured: np.ndarray, seconds: float) -> None:
        """Move a track on, and then towards what was measured."""
        params, velocity = self._params, (measured - track.measured) / track.age_s
        share = max(_gain(params.speed_hz, seconds), 1 / track.matches)
        track.velocity = track.velocity + share * (velocity - track.velocity)
        diagonal = _diagonal(measured)
        cutoff = params.still_hz + params.quickness_hz * _motion(track.velocity) / diagonal
        share = max(_gain(cutoff, seconds), 1 / (track.matches + 1))
        expected = self._expected(track, track.smoothed)
        step = share * self._believed(measured - expected, diagonal)
        behind = expected + step - measured
        behind *= min(1.0, params.leash * diagonal / max(_motion(behind), 1e-12))
        smoothed = measured + behind
        track.smoothed = smoothed if quads.fault(smoothed) is None else measured
        track.measured, track.age_s = measured, 0.0

    def _is_doubtful(self, track: _Track, measured: np.ndarray, seconds: float) -> bool:
        """Say whether a side left a card at rest: perhaps for a line of print, so wait and see."""
        params, diagonal = self._params, _diagonal(measured)
        moved = np.linalg.norm(measured - track.smoothed, axis=1)
        unlike = moved.max() > max(params.doubt * diagonal, moved.min() / ALIKE)
        resting = _motion(track.velocity) < params.rest_speed * diagonal
        doubtful = bool(unlike and resting and track.track_id)
        # What is found more often than not wins in the end, even if never for long at a time.
        track.doubted_s = max(0.0, track.doubted_s + (seconds if doubtful else -seconds))
        return doubtful

    def _believed(self, offsets: np.ndarray, diagonal: float) -> np.ndarray:
        """Shorten the (4, 2) offsets of corners that move on their own: they creep, not jump."""
        lengths = np.linalg.norm(offsets, axis=1, keepdims=True)
        limit = self._params.creep * diagonal + ALONE * _motion(offsets)
        return offsets * np.minimum(1.0, limit / np.maximum(lengths, 1e-12))

    def _drop_lost(self) -> None:
        """Forget tracks unseen for too long, and at once those without an id."""
        self._tracks = [
            track
            for track in self._tracks
            if track.unseen_s == 0 or (track.track_id and track.unseen_s <= self._params.keep_s)
        ]

    def _confirm(self) -> None:
        for track in self._tracks:
            if track.track_id is None and track.matches >= self._params.confirm_frames:
                self._confirmed += 1
                track.track_id = self._confirmed

    def _shown(self) -> list[TrackedCard]:
        shown = [
            TrackedCard(
                track.track_id,
                self._expected(track, track.smoothed),
                track.score,
                track.unseen_s == 0,
            )
            for track in self._tracks
            if track.track_id is not None
        ]
        return sorted(shown, key=lambda card: card.track_id)


def _started(quad: np.ndarray, score: float) -> _Track:
    corners = np.array(quad, np.float64)
    return _Track(corners, corners, np.zeros((4, 2)), float(score))


def _rolled(quad: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Begin a quad at the corner that puts its corners nearest to those of another."""
    rolls = [np.roll(quad, roll, axis=0) for roll in range(4)]
    return min(rolls, key=lambda rolled: float(((rolled - like) ** 2).sum()))


def _iou(quad: np.ndarray, other: np.ndarray) -> float:
    """Measure the overlap; most pairs are apart, which their bounds tell faster."""
    apart = (quad.max(axis=0) < other.min(axis=0)) | (other.max(axis=0) < quad.min(axis=0))
    return 0.0 if apart.any() else quads.iou(quad, other)


def _gain(cutoff_hz: float, seconds: float) -> float:
    """Return the share of a new sample in a first order low pass (Casiez et al., eq. 2 and 3)."""
    turn = 2 * np.pi * cutoff_hz * seconds
    return float(turn / (turn + 1))


def _diagonal(quad: np.ndarray) -> float:
    return float(np.linalg.norm(quad[:2] - quad[2:], axis=1).mean())


def _motion(vectors: np.ndarray) -> float:
    """Return how far a whole card moved: the second shortest of the (4, 2) corners' vectors.

    A side that jumps between the card's edge and a line of its print moves two corners and leaves
    two; a card that turns about a corner leaves one.
    """
    return float(np.sort(np.linalg.norm(vectors, axis=1))[1])
