"""How fast photos become cards, and what that costs: the whole capture, before and after.

Before: the frozen `.pb` graphs in TensorFlow sessions; after: LiteRT. Both run the same code around
the networks (crops, quads, refinement) on the same frames, so that their difference is that of the
runtimes, and their processor seconds a frame can be compared as one would on a phone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np

from meishi import paths
from meishi.capture.flow import CardCapture
from meishi.capture.proposing import Network
from meishi.data.shards import ShardReader
from meishi.litert.running import load_capture
from meishi.params import CaptureParams
from meishi.pictures import images
from meishi.profiling.latency import FROZEN, TFLITE, frozen_session
from meishi.profiling.timing import Job, by_runtime, measure_jobs, thread_counts

FRAMES = 4
FRAME_PX = 1920  # longer side of a phone's preview frame
CARDS = 4  # the most that there are, and what costs most
SEGMENTER_RUNS = 2  # a card: the crop and its mirror image
FLAT_RUNS = 1  # a card that is kept: its flat view
CLASSIFIER_RUNS = 4  # a card: the view from each corner
NETS = ("ssd", "unet", "flat", "direction")


def measure_capture(
    models: Path, frozen: Path, frames: Sequence[np.ndarray], runs: int, live: bool = False
) -> dict:
    """Time whole captures in both runtimes, on one thread and on all cores.

    Args:
        models: folder that holds `tflite/` with models and settings.
        frozen: folder of the frozen graphs of `NETS`.
        frames: (H, W, 3) RGB uint8; taken in turn.
        runs: timed captures of each, at least; spread over `timing.ROUNDS` rounds.
        live: time the quick way that a preview takes, not that of a photo.

    Returns:
        {"frames", "width_px", "height_px", "cards": found in the mean, runtime: {label: times}},
        times as `latency.measure` gives them.

    Raises:
        ValueError: if there is no frame or no run.
    """
    if not frames or runs < 1:
        raise ValueError(f"capture: expected frames and runs, got {len(frames)} and {runs}")
    capture = _load(models, live)
    sources: dict[str, tuple[Callable, tuple]] = {
        FROZEN: (load_frozen_capture, (models, frozen)),
        TFLITE: (load_litert_capture, (models,)),
    }
    jobs = {
        (runtime, label): Job(load, (*where, frames, count, live), f"capture in {runtime}", count)
        for runtime, (load, where) in sources.items()
        for label, count in thread_counts().items()
    }
    height, width = frames[0].shape[:2]
    return {
        "frames": len(frames),
        "width_px": width,
        "height_px": height,
        "cards": float(np.mean([len(capture(frame)) for frame in frames])),
        **by_runtime(measure_jobs(jobs, runs)),
    }


def exported(*nets: str) -> dict[str, dict[str, Path]]:
    """Name the files of each net: frozen graph and LiteRT model."""
    return {
        net: {FROZEN: paths.FROZEN / f"{net}.pb", TFLITE: paths.TFLITE / f"{net}.tflite"}
        for net in nets
    }


def network_runs(params: CaptureParams) -> dict[str, int]:
    """Count the runs of each net in a capture of as many cards as there may be, no box in vain."""
    cards = params.max_cards
    return {
        "ssd": 1 + len(params.looks) * cards,
        "unet": SEGMENTER_RUNS * cards,
        "flat": FLAT_RUNS * cards,
        "direction": CLASSIFIER_RUNS * cards,
    }


def full_frames(reader: ShardReader) -> list:
    """Return FRAMES scenes, enlarged to the size of a preview frame.

    Args:
        reader: prepared scenes; those with most cards, up to four, are taken, in their order.
    """
    scenes = [(len(record.quads), content, record.id) for record, content in reader]
    scenes.sort(key=lambda scene: -min(scene[0], CARDS))
    return [_enlarged(images.decode(content, name)) for _, content, name in scenes[:FRAMES]]


def _enlarged(image: np.ndarray) -> np.ndarray:
    scale = FRAME_PX / max(image.shape[:2])
    size = [round(side * scale) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


def load_litert_capture(
    models: Path, frames: Sequence[np.ndarray], threads: int, live: bool = False
) -> Callable[[], object]:
    """Load the LiteRT models; what is returned captures the next frame."""
    return _next_frame(_load(models, live, threads), frames)


def load_frozen_capture(
    models: Path, frozen: Path, frames: Sequence[np.ndarray], threads: int, live: bool = False
) -> Callable[[], object]:
    """Load the frozen graphs with the settings of the LiteRT models."""
    capture = _load(models, live)

    def session(net: str) -> Network:
        return frozen_session(frozen / f"{net}.pb", threads)

    capture = replace(capture, detector=session("ssd"), segmenter=session("unet"))
    if capture.classifier:
        capture = replace(capture, classifier=session("direction"))
    if capture.flat:
        capture = replace(capture, flat=replace(capture.flat, network=session("flat")))
    return _next_frame(capture, frames)


def _load(models: Path, live: bool, threads: int = 1) -> CardCapture:
    capture = load_capture(models, threads, flat=not live)
    return capture.live() if live else capture


def _next_frame(capture: CardCapture, frames: Sequence[np.ndarray]) -> Callable[[], object]:
    endless: Iterator[np.ndarray] = cycle(frames)
    return lambda: capture(next(endless))
