"""Frames into an .mp4, with OpenCV."""

import os
from pathlib import Path

import cv2
import numpy as np

from meishi.errors import InputError
from meishi.pictures import mp4_times

CODEC = "mp4v"
TIMES_ROUNDING_S = 0.001  # frames within this of a steady rate have it: Matroska rounds to it


class Mp4Writer:
    """Writes a file beside its target; see `videos.written`."""

    def __init__(self, target: Path, partial: Path, fps: float):
        """Begin a file at `partial`; messages speak of `target`."""
        self._target, self._partial, self._fps = target, partial, fps
        self._stream: cv2.VideoWriter | None = None
        self._times_s: list[float] = []

    def add(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Add a frame: RGB uint8 image; seconds since the first, or None for the rate's."""
        even = np.pad(image, [(0, side % 2) for side in image.shape[:2]] + [(0, 0)], "edge")
        if self._stream is None:
            self._stream = self._open((even.shape[1], even.shape[0]))
        self._stream.write(np.ascontiguousarray(even[..., ::-1]))
        self._times_s.append(len(self._times_s) / self._fps if seconds is None else seconds)

    def _open(self, size_px: tuple[int, int]) -> cv2.VideoWriter:
        code = cv2.VideoWriter.fourcc(*CODEC)
        place = os.path.abspath(self._partial)
        stream = cv2.VideoWriter(place, cv2.CAP_FFMPEG, code, self._fps, size_px)
        if not stream.isOpened():
            raise InputError(
                f"{self._target}: OpenCV {cv2.__version__} cannot encode {CODEC} at "
                f"{size_px[0]}x{size_px[1]} px; its FFmpeg backend is missing or built without "
                "MPEG-4: install opencv-python-headless as requirements.txt pins it"
            )
        return stream

    def release(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.release()

    def retime(self) -> None:
        """Show the frames at their times, if these are not the rate's."""
        regular_s = np.arange(len(self._times_s)) / self._fps
        if np.abs(regular_s - self._times_s).max(initial=0) <= TIMES_ROUNDING_S:
            return
        if not mp4_times.set_times(self._partial, self._times_s, 1 / self._fps):
            raise InputError(
                f"{self._target}: the times of its frames cannot be written; is the disk full?"
            )

    def check(self) -> None:
        """Look whether all frames arrived."""
        # OpenCV's writer reports no error, not even a full disk: what it wrote is looked at.
        reader = cv2.VideoCapture(os.path.abspath(self._partial))
        count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if count != len(self._times_s) or count == 0:
            raise InputError(
                f"{self._target}: {count} of {len(self._times_s)} frames arrived in the file; "
                "is the disk full?"
            )
