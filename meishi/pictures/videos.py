"""Video files to and from frames, with OpenCV.

A frame is RGB uint8 (height, width, 3), upright. Written videos are MPEG-4 Part 2 (`mp4v`) in
.mp4, the one codec of .mp4 that each build of OpenCV's wheels encodes quickly; it is lossy.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from meishi.errors import InputError
from meishi.files import atomic
from meishi.files.writable import check_writable
from meishi.pictures import mp4_length
from meishi.pictures.mp4_writer import Mp4Writer
from meishi.processes.quiet import without_startup_notes

SUFFIX = ".mp4"
MIN_SIDE_PX = 16
MAX_FPS = 1000.0
TAIL_S = 0.5  # by which sound may run on, where the length of a file is that of both
GAP = 1.6  # frame times between two frames from which on one is missing between them


class AddFrame(Protocol):
    """Adds a frame to a video: RGB uint8 image; seconds since the first, or None for the rate's."""

    def __call__(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Add it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame: its number among those decoded, RGB image and time since the first in seconds."""

    number: int
    image: np.ndarray
    seconds: float


class Video:
    """An open video file."""

    def __init__(self, path: Path, fps: float | None = None):
        """Open a video.

        Args:
            path: of the file.
            fps: frames a second, instead of what the file states; its time stamps do not count.

        Raises:
            InputError: if it is missing or no video, or states no frame rate.
        """
        self.path = path
        if not path.is_file():
            there = "no regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {'a folder, not a video' if path.is_dir() else there}")
        _refuse_bytes(path)
        if fps is not None and not 0 < fps <= MAX_FPS:
            raise InputError(f"--fps: expected above 0, {MAX_FPS:g} at most, got {fps:g}")
        with without_startup_notes():
            # Absolute: FFmpeg takes what stands before a colon for a protocol.
            self._capture = cv2.VideoCapture(os.path.abspath(path))
        if not self._capture.isOpened():
            raise InputError(
                f"{path}: not a video that OpenCV {cv2.__version__} can read, or cut off; "
                "convert it to .mp4"
            )
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps or stated)
        self._rate = stated if 0 < stated <= MAX_FPS else self.fps
        self._stamped = fps is None  # else the stamps are as wrong as the rate
        if not 0 < self.fps <= MAX_FPS:
            raise InputError(f"{path}: states {stated:g} frames a second; give the true --fps")
        # Of .mp4 and .mov with those that are trimmed; of others an estimate, 0 where not known.
        self.stated_frames = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def frames(self, faults: list[str]) -> Iterator[Frame]:
        """Yield the frames in order.

        A frame that cannot be decoded is left out: the time to the next is longer then.

        Args:
            faults: takes a line for each place where frames are missing.

        Raises:
            InputError: if there is no frame, or one differs in size or is too small.
        """
        number, failed, before, first, size = 0, 0, -1.0, 0.0, None
        broken = False
        gaps: list[str] = []
        while True:
            decoded, picture = self._capture.read()
            if not decoded:
                # A broken frame looks like the end; frames that are still due tell them apart.
                failed += 1
                if number + failed > self.stated_frames:
                    break
                continue
            broken = failed > 0
            stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = stamp if number == 0 else first
            # Containers without time stamps give the same one, or none, throughout.
            timed = self._stamped and stamp - first > before
            seconds = stamp - first if timed else before + 1 / self.fps if number else 0.0
            if number and seconds - before > GAP / self.fps:
                # Or a frame that was shown for longer: phones do that in the dark.
                lost = f"{self.path}: frames missing between {before:.3f} s and {seconds:.3f} s"
                gaps.append(lost)
            image = _rgb(picture)
            size = size or image.shape
            self._check(image, size, number)
            yield Frame(number, image, seconds)
            number, before = number + 1, seconds
        if number == 0:
            raise InputError(f"{self.path}: no frame can be decoded")
        if broken or self._ends_early(number, before):
            faults += gaps
            stated = max(self.stated_frames, number + broken)
            faults.append(f"{self.path}: {number} of {stated} stated frames could be decoded")

    def _ends_early(self, number: int, last_s: float) -> bool:
        """Tell whether frames are missing at the end.

        Args:
            number: of frames that were decoded.
            last_s: time of the last of them.
        """
        missing = self.stated_frames - number
        if missing <= 0:
            return False
        shown_s = mp4_length.shown_s(self.path)
        if shown_s is None:
            with self.path.open("rb") as stream:
                counted = stream.read(4) == b"RIFF"  # as .avi does
            return counted or missing / self._rate > TAIL_S
        last_s = last_s if self._stamped else (number - 1) / self._rate
        return shown_s - last_s > GAP / self._rate

    def _check(self, image: np.ndarray, size: tuple[int, ...], number: int) -> None:
        height, width = image.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise InputError(
                f"{self.path}: {width}x{height} px; each side needs {MIN_SIDE_PX} at least"
            )
        if image.shape != size:
            raise InputError(
                f"{self.path}: frame {number} is {width}x{height} px, those before it "
                f"{size[1]}x{size[0]}; convert the video to one size"
            )


@contextmanager
def opened(path: Path, fps: float | None = None) -> Iterator[Video]:
    """Open a video for the block; see `Video`."""
    video = Video(path, fps)
    try:
        yield video
    finally:
        video.close()


def check_target(target: Path) -> None:
    """Fail before the work rather than after it.

    Raises:
        InputError: if `target` is no .mp4, its name no UTF-8, or its folder cannot be written.
    """
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"{target}: videos are written as {SUFFIX}; name one")
    _refuse_bytes(target)
    check_writable(target)


def _refuse_bytes(path: Path) -> None:
    """Refuse a name in another encoding: OpenCV crashes on it."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{str(path)!r}: its name is no UTF-8; rename it") from error


@contextmanager
def written(target: Path, fps: float) -> Iterator[AddFrame]:
    """Yield a function that adds a frame; the video replaces `target` if the block ends well.

    Frames are RGB uint8 of one size. The codec wants even sides: odd ones get their last row or
    column twice, so that no pixel moves. They are shown at the rate, or at their times if those
    are given and differ from it.

    Raises:
        InputError: if the frames cannot be encoded, or the file is not whole in the end.
    """
    check_target(target)
    with atomic.replace_file(target) as partial:
        writer = Mp4Writer(target, partial, fps)
        try:
            yield writer.add
        finally:
            writer.release()
        writer.retime()
        writer.check()


def _rgb(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
