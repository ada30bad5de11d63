"""`meishi preview`: a video in, the same video with what was found in it out.

The speed that is drawn is the rate of finding and following cards alone, without reading, drawing
and writing, measured on the host that runs this; it is no figure of a phone.
"""

import json
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from meishi.capture.flow import CardCapture
from meishi.errors import InputError, summary
from meishi.files import atomic
from meishi.files.writable import check_apart, check_writable
from meishi.pictures import videos
from meishi.preview.drawing import drawn
from meishi.preview.tracking import TrackedCard, Tracker
from meishi.wording import counted

RECENT = 30  # frames whose time the drawn speed is of
DECIMALS = 3  # of a pixel and of a second, in the JSON


class PreviewError(InputError):
    """Some frames could not be decoded; the preview of all others is written."""


@dataclass(frozen=True)
class Outputs:
    """Files to write: the drawn video and, if wanted, the tracks as JSON; `truth` is only read."""

    video: Path
    tracks: Path | None = None
    truth: Path | None = None

    def check(self, source: Path) -> None:
        """Raise an `InputError` if one cannot be written, or would replace another or the input."""
        files = [self.video, *([self.tracks] if self.tracks else [])]
        read = [source, *([self.truth] if self.truth else [])]
        check_apart(read, files)
        videos.check_target(self.video)
        for file in files:
            check_writable(file)


@dataclass(frozen=True, eq=False)
class Previewed:
    """What a video showed: tracked cards of each frame, when, its size, the mean speed here."""

    size_px: tuple[int, int]
    cards: list[list[TrackedCard]]
    times_s: list[float]
    fps: float

    def __str__(self) -> str:
        """Say it in a line."""
        ids = {card.track_id for cards in self.cards for card in cards}
        return (
            f"{counted(len(self.cards), 'frame')}, {counted(len(ids), 'track')}; {self.fps:.1f} "
            "frames a second to find and follow cards, measured on this host"
        )


def preview(
    capture: CardCapture, source: Path, outputs: Outputs, fps: float | None = None
) -> Previewed:
    """Find and follow the cards of a video; draw them into another.

    Args:
        capture: the networks.
        source: the video.
        outputs: replaced whole, or left as they are on an error.
        fps: of the video, instead of what it states.

    Raises:
        PreviewError: at the end, if frames could not be decoded; the outputs are written then.
        InputError: if the video cannot be used or an output not be written.
    """
    outputs.check(source)
    faults: list[str] = []
    with videos.opened(source, fps) as video:
        with videos.written(outputs.video, video.fps) as add:
            seen = _run(capture, video, add, faults)
        if outputs.tracks:
            content = json.dumps(tracks_json(source, video.fps, seen)) + "\n"
            atomic.atomic_write_text(outputs.tracks, content)
    if faults:
        raise PreviewError(summary([str(seen), *faults]))
    return seen


def _run(
    capture: CardCapture,
    video: videos.Video,
    add: videos.AddFrame,
    faults: list[str],
) -> Previewed:
    tracker, followed = Tracker(), []
    shown_s: list[float] = []
    times: deque[float] = deque(maxlen=RECENT)
    total_s, before_s, size_px = 0.0, -1 / video.fps, (0, 0)
    frames = tqdm(
        video.frames(faults), total=video.stated_frames or None, unit="frame", desc="preview"
    )
    for frame in frames:
        start = time.perf_counter()
        found = capture(frame.image)
        cards = tracker.update(
            [card.quad_px for card in found],
            [card.confidence for card in found],
            frame.seconds - before_s,
        )
        times.append(time.perf_counter() - start)
        total_s, before_s = total_s + times[-1], frame.seconds
        size_px = (frame.image.shape[1], frame.image.shape[0])
        followed.append(cards)
        shown_s.append(frame.seconds)
        add(drawn(frame.image, found, cards, len(times) / sum(times)), frame.seconds)
    return Previewed(size_px, followed, shown_s, len(followed) / total_s)


def tracks_json(source: Path, fps: float, seen: Previewed) -> dict:
    """Describe the tracks: a row for each card in each frame, quads in pixels of the video."""
    rows = [
        {
            "frame": number,
            "seconds": round(seconds, DECIMALS),
            "track": card.track_id,
            "quad": card.quad_px.round(DECIMALS).tolist(),
            "score": round(card.score, 4),
            "seen": card.seen,
        }
        for number, (cards, seconds) in enumerate(zip(seen.cards, seen.times_s, strict=True))
        for card in cards
    ]
    size = {"width": seen.size_px[0], "height": seen.size_px[1]}
    return {"video": source.name, **size, "fps": fps, "frames": len(seen.cards), "tracks": rows}
